"""A study's verdict: whether the paper's claim holds in the measurements, in a sentence with its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from mi_ray.experiments.declare.checks import Refused, instance
from mi_ray.experiments.declare.measures import NOT_LEARNED
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.run.learning import Doubt, doubts, reasons_below
from mi_ray.experiments.store.files import read_json
from mi_ray.running.figures import VERDICT_FILE as FILE
from mi_ray.theory.learned import in_words

UNMEASURED = "not measured"

CELLS = "cells.csv"
"""The cells behind a folder of figures: key, kind, name, and why the encoder did not learn."""


@dataclass(frozen=True)
class Verdict:
    """``claim``: what the paper says; ``holds``: None where it cannot be judged; ``numbers``: behind the sentence.

    A number that is NaN or infinite is kept as the text ``not measured``.
    """

    study: str
    claim: str
    holds: bool | None
    sentence: str
    numbers: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("study", "claim", "sentence"):
            instance(f"verdict, {name}", getattr(self, name), str)
        object.__setattr__(self, "holds", None if self.holds is None else bool(self.holds))
        object.__setattr__(self, "numbers", {str(name): _plain(value) for name, value in self.numbers.items()})


def _plain(value: Any) -> float | str:
    """A number that JSON can hold: an int as it is, a text for NaN and infinities."""
    if not isinstance(value, Real):
        return str(value)
    return value if type(value) is int else float(value) if isfinite(value) else UNMEASURED


def undecided(study: str, claim: str, why: str, numbers: Mapping[str, float | str] | None = None) -> Verdict:
    """The verdict on a claim that cannot be judged: ``why`` in a few words."""
    return Verdict(study, claim, None, f"Cannot be judged: {why}.", numbers or {})


def resting_on(given: Verdict, doubts: Sequence[Doubt]) -> Verdict:
    """The verdict, or an undecided one that names the encoders that it rests on and that did not learn."""
    if not doubts:
        return given
    why = f"encoders did not learn: {in_words([(doubt.name, doubt.reason) for doubt in doubts])}"
    return undecided(given.study, given.claim, why, {**given.numbers, **{doubt.name: doubt.reason for doubt in doubts}})


def all_hold(parts: Iterable[bool | None]) -> bool | None:
    """Does a claim of several parts hold: False if a part does not, None if one cannot be judged."""
    known = list(parts)
    return False if False in known else None if None in known else True


def lacking(*tables: pd.DataFrame) -> str:
    """The text ``2 of 4 cells are missing``, counted in tables of `over_seeds`; empty if none is missing."""
    planned = sum(int(table["n_seeds_asked"].sum()) for table in tables)
    absent = planned - sum(int(table["n_seeds"].sum()) for table in tables)
    return f"{absent} of {planned} cells are missing" if absent else ""


def write(verdict: Verdict, out: Path) -> Path:
    """The verdict as ``verdict.json`` in a folder of figures, numbers in the order in which they were given."""
    path = out / FILE
    path.write_text(json.dumps(asdict(verdict), indent=2, allow_nan=False) + "\n")
    return path


def read(folder: Path) -> Verdict:
    """The verdict in a folder of figures; FileNotFoundError if there is none, `Refused` if it is not one."""
    path = folder / FILE
    try:
        values = read_json(path)
        if set(values) != {known.name for known in fields(Verdict)} or values["holds"] not in (True, False, None):
            raise TypeError
        return Verdict(**values)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, AttributeError) as reason:
        raise Refused(f"{path} cannot be read as a verdict") from reason


def publish(
    plan: Plan,
    out: Path,
    written: Sequence[Path],
    verdict: Verdict,
    *,
    mirrored: pd.DataFrame | None = None,
    judged: Plan | None = None,
) -> list[Path]:
    """Write the verdict and `CELLS`, the list of all cells of the plan, beside figures; returns all paths.

    ``mirrored``: the cells as read from MLflow. The verdict is withheld where an encoder did not learn among the cells
    that it rests on: those of the plan, or of its part ``judged``.
    """
    cells = pd.DataFrame() if mirrored is None else mirrored
    reasons = cells.reindex(columns=["key", NOT_LEARNED]).dropna().itertuples(index=False, name=None)
    faults = {key: reason for key, reason in reasons if reason}
    why, path = reasons_below(plan, faults), out / CELLS
    rows = [(cell.key, cell.kind, plan.name(cell), why.get(cell.key, "")) for cell in plan.cells.values()]
    pd.DataFrame(rows, columns=["key", "kind", "name", NOT_LEARNED]).to_csv(path, index=False)
    return [*written, write(resting_on(verdict, doubts(judged or plan, faults)), out), path]
