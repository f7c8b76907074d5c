"""A search for augmentation strengths: its candidates, its winner, and whether that beats the default on test images.

Reads MLflow; which cells the search asks for is replayed from the store. ``augmentation-candidates.csv`` has a row per
candidate with its validation values, ``augmentation-seeds.csv`` one per encoder of fresh seeds with its test values and
what they exceed the default's by, ``augmentation-search.csv`` and .md the default and the winners over those seeds.
Drawn as .png and .pdf; the verdict as verdict.json.

    python analysis/augmentation_search.py --preset laptop
    python analysis/augmentation_search.py --axis objective=both --partial
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.augmentation.figure import STYLE, figure
from analysis.augmentation.table import ENCODER, MEASURES, STRENGTHS, Measure, Record, record
from analysis.augmentation.verdict import verdict
from analysis.cells import mirrored_cells
from analysis.style import save
from analysis.verdict import publish
from mi_ray.experiments.plan.plan import Plan
from sweeps.augmentation_search import STUDY

STEM = "augmentation-search"
KINDS = ("evaluation", "estimation")


def comparison(found: Record) -> pd.DataFrame:
    """The default and every winner: strengths, test values as mean and spread over fresh seeds, and the paired
    difference from the default with half the width of its 95 % interval."""
    rows = []
    for candidate in [0, *found.challengers]:
        fresh = found.fresh[found.fresh["candidate"] == candidate]
        row = {"candidate": candidate, "role": _role(found, candidate), "seeds": len(fresh)}
        row |= found.candidates.set_index("candidate").loc[candidate, STRENGTHS].to_dict()
        for measure in MEASURES:
            row |= _measured(found, candidate, measure, fresh[measure.test])
        rows.append(row)
    return pd.DataFrame(rows)


def _role(found: Record, candidate: int) -> str:
    best = [name for name, of in found.best.items() if of == candidate]
    return ", ".join([*(["default"] if candidate == 0 else []), *(f"best {name}" for name in best)])


def _measured(found: Record, candidate: int, measure: Measure, values: pd.Series) -> dict[str, float]:
    told = {measure.test: values.mean(), f"{measure.test}_sd": values.std(ddof=1)}
    if candidate == 0:
        return told
    seen = found.difference(candidate, measure)
    return told | {f"{measure.test}_gain": seen.mean, f"{measure.test}_gain_half_width": seen.half_width}


def printed(found: Record, compared: pd.DataFrame) -> str:
    """The comparison as a table to read."""
    heads = ["", *STRENGTHS, *(f"{m.name}, {m.unit}" for m in MEASURES), *(f"{m.name} gained" for m in MEASURES)]
    rows = [heads, ["---"] * len(heads), *([_cell(row, name) for name in heads] for _, row in compared.iterrows())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\n{_under(found, int(compared['seeds'].max()))}\n"


def _under(found: Record, seeds: int) -> str:
    if not seeds:
        return (
            "No candidate is better than the default on validation images, or the search is not over: no fresh seeds."
        )
    return (
        f"Test images, task {found.task}, {found.views:,} views; ± standard deviation over {seeds} fresh seeds, and for"
        f" gains half the width of the 95 % interval of paired differences."
    )


def _cell(row: pd.Series, head: str) -> str:
    if head == "":
        return row["role"]
    if head in STRENGTHS:
        return f"{row[head]:g}"
    (measure,) = (m for m in MEASURES if head.startswith(m.name))
    value, spread = ("_gain", "_gain_half_width") if head.endswith("gained") else ("", "_sd")
    told = [measure.scale * row.get(f"{measure.test}{end}", float("nan")) for end in (value, spread)]
    return "" if pd.isna(told[0]) else f"{told[0]:{'+' if value else '-'}z.2f} ± {told[1]:.2f}"


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write tables, figure and verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which leaves it out.
    """
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    found = record(plan, mirrored)
    out.mkdir(parents=True, exist_ok=True)
    compared, stem = comparison(found), out / STEM
    tables = {"augmentation-candidates": found.candidates, "augmentation-seeds": found.fresh, STEM: compared}
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False)
    stem.with_suffix(".md").write_text(printed(found, compared))
    written = [*(out / f"{name}.csv" for name in tables), stem.with_suffix(".md")]
    written += save(lambda: figure(found), stem, **STYLE)
    return publish(plan, out, written, verdict(found), judged=judged(plan, found), mirrored=mirrored)


def judged(plan: Plan, found: Record) -> Plan:
    """The cells that the verdict rests on: the default and the winners on the most views. A candidate that did not
    learn is one that did not win."""
    compared = found.encoders[found.encoders["candidate"].isin([0, *found.best.values()])]
    wanted = {_settings(row) for row in compared[compared["views"] == found.views][ENCODER].to_dict("records")}
    return Plan({key: cell for key, cell in plan.cells.items() if _settings(cell.parameters) in wanted})


def _settings(told: Mapping[str, Any]) -> tuple[float, ...]:
    return tuple(float(told[name]) for name in ENCODER)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
