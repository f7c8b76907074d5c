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
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from mi_ray.experiments.plan.plan import Plan
from sweeps.augmentation_search import STUDY

if TYPE_CHECKING:
    from analysis.augmentation.table import SearchOutcome

STEM = "augmentation-search"
KINDS = ("evaluation", "estimation")


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write tables, figure and verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which leaves it out.
    """
    from analysis.augmentation.comparison import comparison, printed
    from analysis.augmentation.figure import STYLE, figure
    from analysis.augmentation.table import outcome
    from analysis.augmentation.verdict import verdict
    from analysis.cells import mirrored_cells
    from analysis.style import save
    from analysis.tables.made_of import made_of
    from analysis.verdict import publish

    mirrored = mirrored_cells(STUDY, plan, tracking_uri, KINDS, partial=partial)
    result = outcome(plan, mirrored)
    out.mkdir(parents=True, exist_ok=True)
    compared, stem = comparison(result), out / STEM
    tables = {"augmentation-candidates": result.candidates, "augmentation-seeds": result.fresh, STEM: compared}
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False)
    stem.with_suffix(".md").write_text(printed(result, compared))
    written = [*(out / f"{name}.csv" for name in tables), stem.with_suffix(".md")]
    written += save(lambda: figure(result, made_of(plan)), stem, **STYLE)
    return publish(plan, out, written, verdict(result), judged=judged(plan, result), mirrored=mirrored)


def judged(plan: Plan, result: SearchOutcome) -> Plan:
    """The cells that the verdict rests on: the default and the winners on the most views. A candidate that did not
    learn is one that did not win."""
    from analysis.augmentation.table import ENCODER

    def settings(values: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(float(values[name]) for name in ENCODER)

    encoders = result.encoders
    compared = encoders[encoders["candidate"].isin([0, *result.best.values()]) & (encoders["views"] == result.views)]
    wanted = {settings(row) for row in compared[ENCODER].to_dict("records")}
    return Plan({key: cell for key, cell in plan.cells.items() if settings(cell.parameters) in wanted})


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
