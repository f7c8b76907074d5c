"""What every figure's command shares: its flags, the plan that they ask for, and the refusal of cells not there.

An analysis has ``draw(plan, tracking_uri, out, *, partial)``, which reads with `mirrored` and returns what `publish`
returns, and ends with ``sys.exit(main(STUDY, draw))``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from analysis.verdict import Verdict, resting_on, write
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.prepared import prepared
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.study import Study, parse_axes
from mi_ray.experiments.run.learning import NOT_LEARNED, doubts, reasons_below
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.running.order import plan_of
from mi_ray.tracking.reach import Unreachable, shown
from mi_ray.tracking.store import read_cells

CELLS = "cells.csv"
"""Beside figures: which cells they are drawn from."""


class Draw(Protocol):
    """Reads the cells of a plan from MLflow and writes figures and tables to ``out``."""

    def __call__(self, plan: Plan, tracking_uri: str, out: Path, *, partial: bool) -> list[Path]: ...


class MissingCells(Refused):
    """Cells of the plan that MLflow does not hold, one line each."""


def planned(study: Study, preset: str, axes: Sequence[str], store: Store) -> Plan:
    """A study's plan for a preset and ``NAME=VALUE`` overrides; refuses images that the store does not hold."""

    @cache
    def digest(data: Any) -> str:
        images = prepared(data, store)
        if images is None:
            raise Refused(
                f"store: {store.name} holds no images for preset {preset!r} and these axes; run the sweep first"
            )
        return images.digest

    return plan_of(study, study.grid(preset, parse_axes(study, axes)), digest, store)


def mirrored(study: Study, plan: Plan, tracking_uri: str, kinds: Collection[str], *, partial: bool) -> pd.DataFrame:
    """The cells of ``plan`` that MLflow holds; `MissingCells` names those of ``kinds`` it lacks, unless ``partial``."""
    cells = read_cells(tracking_uri, study.name, plan.cells.keys())
    absent = missing(plan, cells, kinds)
    if absent and not partial:
        raise MissingCells("\n".join(f"missing: {name} is not in {shown(tracking_uri)}" for name in absent))
    return cells


def missing(plan: Plan, mirrored: pd.DataFrame, kinds: Collection[str]) -> list[str]:
    """Names of the cells of some kinds that ``plan`` asks for and that are not among the mirrored."""
    held = set(mirrored["key"])
    return [plan.name(cell) for kind in kinds for cell in cells_of(plan, kind) if cell.key not in held]


def cells_of(plan: Plan, kind: str) -> list[Cell]:
    """The cells of one kind, in the plan's order."""
    return [cell for cell in plan.cells.values() if cell.kind == kind]


def publish(
    plan: Plan,
    out: Path,
    written: Sequence[Path],
    verdict: Verdict,
    *,
    mirrored: pd.DataFrame | None = None,
    judged: Plan | None = None,
) -> list[Path]:
    """Put the verdict and the list of the plan's cells beside figures; returns all that was written.

    ``mirrored``: what was read of the cells. The verdict cannot be judged where an encoder did not learn among the
    cells that it rests on: those of the plan, or of the part of it that is ``judged``.
    """
    faults = _faults(pd.DataFrame() if mirrored is None else mirrored)
    given = resting_on(verdict, doubts(judged or plan, faults))
    return [*written, write(given, out), _list_cells(plan, faults, out)]


def _faults(mirrored: pd.DataFrame) -> dict[str, str]:
    """Why encoders did not learn, by the key of the training or embedding that says so."""
    told = mirrored.reindex(columns=["key", NOT_LEARNED]).dropna()
    return {key: reason for key, reason in told.itertuples(index=False, name=None) if reason}


def _list_cells(plan: Plan, faults: Mapping[str, str], out: Path) -> Path:
    """Key, kind and name of every cell that the figures ask for, upstream ones included, and why its encoder did not
    learn."""
    path, why = out / CELLS, reasons_below(plan, faults)
    rows = [(cell.key, cell.kind, plan.name(cell), why.get(cell.key, "")) for cell in plan.cells.values()]
    pd.DataFrame(rows, columns=["key", "kind", "name", NOT_LEARNED]).to_csv(path, index=False)
    return path


def main(study: Study, draw: Draw, argv: Sequence[str] | None = None) -> int:
    """Draw a study's figures and print where they are; 1, with one line per reason, when that cannot be done."""
    flags = flags_of(study, sys.modules[draw.__module__].__doc__).parse_args(argv)
    try:
        store = store_at(flags.store)
        store.refuse_if_unreachable()
        plan = planned(study, flags.preset, flags.axis, store)
        uri = flags.tracking_uri or f"sqlite:///{store.root.resolve()}/mlflow.db"
        out = flags.out or store.root / "figures" / study.name / flags.preset
        written = draw(plan, uri, out, partial=flags.partial)
    except (Refused, Unreachable) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


def flags_of(study: Study, description: str | None) -> argparse.ArgumentParser:
    """The flags that every figure's command has."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--preset", default=study.default_preset, help="of the sweep: %(default)s if not given")
    flags.add_argument("--axis", action="append", default=[], metavar="NAME=V[,V]", help="as given to the sweep")
    flags.add_argument("--store", default="runs", help="the sweep's store, a folder or bucket (%(default)s)")
    flags.add_argument("--tracking-uri", help="MLflow; the database in the store if not given")
    flags.add_argument("--out", type=Path, help="folder for the figures; the sweep's own if not given")
    flags.add_argument("--partial", action="store_true", help="show missing cells as such instead of refusing")
    return flags
