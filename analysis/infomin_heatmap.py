"""Figs. 6 and 7: what encoders trained with each pairing know of each task, as tables first and then as heatmaps.

Reads MLflow alone, and the axes from the sweep. Evaluated task down, training pairing across, one panel per encoder;
``infomin-accuracy`` is the linear accuracy in percent, ``infomin-estimate`` the post-training estimate in bits, shaded
by its share of the class entropy H(C) and marked where it is certified; its .csv says why others are not. Each as .csv,
.png and .pdf.

    python analysis/infomin_heatmap.py --preset laptop
    python analysis/infomin_heatmap.py --axis seed=0,1 --partial    # hatch what is not there yet
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import heatmap_figure
from analysis.heatmap_figure import heatmap
from analysis.infomin_matrices import COLUMN, ESTIMATE, MATRICES, ROW, Matrix
from analysis.style import save
from mi_ray.experiments.cells import Store
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.data import prepared
from mi_ray.experiments.declare import CDP
from mi_ray.experiments.plan import Cell, Plan, build
from mi_ray.experiments.study import parse_axes
from mi_ray.theory.tasks import Task
from mi_ray.tracking.store import Unreachable, read_cells
from sweeps.infomin_grid import STUDY

SEEDS = frozenset({"seed", "critic_seed"})
"""Parameters that a value is averaged over."""

CERTIFICATE = ("lower_bits", "upper_bits", "certified", "not_certified")
"""Of an estimate: the bracket around the true value, whether it is narrow enough, and if not, why."""


class MissingCells(Refused):
    """Cells of the plan that MLflow does not hold, one line each."""


# Tables


def table(matrix: Matrix, plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per task, pairing and panel: mean over seeds, spread and what it is, seeds found and asked for, H(C).

    ``spread`` is the standard deviation over seeds where several are asked for, else the cell's own standard error.
    An estimate has the bracket around its true value too, and whether that certifies it or else why not.
    """
    measured = {matrix.value: "measured", matrix.standard_error: "standard_error"}
    columns = ["key", *measured, *(CERTIFICATE if matrix is ESTIMATE else ())]
    asked = pd.DataFrame([{"key": cell.key, **cell.parameters} for cell in _cells(plan, matrix.kind)])
    found = asked.merge(mirrored.reindex(columns=columns).rename(columns=measured), on="key", how="left")
    places = found.groupby([ROW, COLUMN, *panel_names(asked)], sort=False)
    rows = [{**dict(zip(places.keys, place, strict=True)), **_summary(matrix, seeds)} for place, seeds in places]
    tidy = pd.DataFrame(rows)
    tidy["class_entropy_bits"] = [Task(task).entropy_bits for task in tidy[ROW]]
    return tidy


def _summary(matrix: Matrix, seeds: pd.DataFrame) -> dict[str, object]:
    values, several = seeds["measured"].dropna(), len(seeds) > 1
    return {
        "value": values.mean(),
        "spread": values.std(ddof=1) if several else seeds["standard_error"].iloc[0],
        "spread_is": "sd over seeds" if several else "standard error",
        "n_seeds": len(values),
        "n_seeds_asked": len(seeds),
    } | (_certificate(seeds) if matrix is ESTIMATE else {})


def _certificate(seeds: pd.DataFrame) -> dict[str, object]:
    """The bracket that holds those of all seeds; certified if every seed is."""
    reasons = {row["seed"]: _reason(row) for _, row in seeds.iterrows()}
    against = [f"seed {seed}: {reason}" if len(seeds) > 1 else reason for seed, reason in reasons.items() if reason]
    return {
        "lower_bits": seeds["lower_bits"].min(),
        "upper_bits": seeds["upper_bits"].max(),
        "certified": not against,
        "not_certified": "; ".join(against),
    }


def _reason(seed: pd.Series) -> str:
    """Why a seed is not certified, empty if it is."""
    if pd.isna(seed["measured"]):
        return "not estimated yet"
    if pd.isna(seed["certified"]):
        return "its record holds no certificate"
    return "" if seed["certified"] else str(seed["not_certified"])


def panel_names(asked: pd.DataFrame) -> list[str]:
    """What tells panels apart: the encoder, and whatever else varies but for the axes of the matrix and the seeds."""
    rest = asked.columns.difference(["key", "arch", ROW, COLUMN, *SEEDS], sort=False)
    return ["arch", *(name for name in rest if asked[name].nunique() > 1)]


def missing(plan: Plan, mirrored: pd.DataFrame) -> list[str]:
    """Names of the questions of ``plan`` that are not among the mirrored cells."""
    held = set(mirrored["key"])
    return [plan.name(cell) for matrix in MATRICES for cell in _cells(plan, matrix.kind) if cell.key not in held]


def _cells(plan: Plan, kind: str) -> list[Cell]:
    return [cell for cell in plan.cells.values() if cell.kind == kind]


# Figures


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write each figure's .csv, .png and .pdf to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which hatches it.
    """
    mirrored = read_cells(tracking_uri, STUDY.name, plan.cells.keys())
    absent = missing(plan, mirrored)
    if absent and not partial:
        raise MissingCells("\n".join(f"missing: {name} is not in {tracking_uri}" for name in absent))
    out.mkdir(parents=True, exist_ok=True)
    shown = [matrix for matrix in MATRICES if _cells(plan, matrix.kind)]
    return [path for matrix in shown for path in _write(matrix, table(matrix, plan, mirrored), out)]


def _write(matrix: Matrix, tidy: pd.DataFrame, out: Path) -> list[Path]:
    stem = out / matrix.name
    tidy.to_csv(stem.with_suffix(".csv"), index=False)
    return [stem.with_suffix(".csv"), *save(lambda: heatmap(matrix, tidy), stem, **heatmap_figure.STYLE)]


# Command line


def planned(preset: str, axes: Sequence[str], store: Store) -> Plan:
    """The sweep's plan for a preset and ``NAME=VALUE`` overrides; refuses images that the store does not hold."""

    @cache
    def digest(data: CDP) -> str:
        images = prepared(data, store)
        if images is None:
            raise Refused(
                f"store: {store.root} holds no images for preset {preset!r} and these axes; run the sweep first"
            )
        return images.digest

    return build(STUDY.questions(STUDY.grid(preset, parse_axes(STUDY, axes))), digest)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw both figures and print where they are; 1, with one line per reason, when that cannot be done."""
    flags = _flags().parse_args(argv)
    folder = flags.store / "figures" / STUDY.name / flags.preset
    uri = flags.tracking_uri or f"sqlite:///{flags.store.resolve()}/mlflow.db"
    try:
        plan = planned(flags.preset, flags.axis, Store(flags.store))
        written = draw(plan, uri, flags.out or folder, partial=flags.partial)
    except (Refused, Unreachable) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--preset", default=STUDY.default_preset, help="of the sweep: %(default)s if not given")
    flags.add_argument("--axis", action="append", default=[], metavar="NAME=V[,V]", help="as given to the sweep")
    flags.add_argument("--store", type=Path, default=Path("runs"), help="the sweep's store (%(default)s)")
    flags.add_argument("--tracking-uri", help="MLflow; the database in the store if not given")
    flags.add_argument("--out", type=Path, help="folder for the figures; the sweep's own if not given")
    flags.add_argument("--partial", action="store_true", help="hatch missing cells instead of refusing")
    return flags


if __name__ == "__main__":
    sys.exit(main())
