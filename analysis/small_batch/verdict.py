"""The verdict of Fig. 4: does a small K_tr limit the in-training estimate alone (Sec. IV-A)?

Four parts, each with a margin that is set here, before any run:

- In-training estimates follow their ceilings: none is above its ceiling through a cosine by more than `ABOVE_BITS`, and
  none below it by more than `BELOW_BITS`, by two one-sided tests. A perfect encoder lies on its ceiling, so a rule that
  asked for 'not above' without a margin could never be sure of it. .02 bits are two standard errors that the last tenth
  of a laptop's training leaves to a perfect encoder (.006 to .012), and a twenty-fifth of the other margin. Half a bit
  is a third of the step from one ceiling to the next below H(C): what is within it stands at its own ceiling.
- Post-training estimates are flat: any two K_tr are within .25 bits, by two one-sided tests; that is a twenty-fourth of
  H(C) = 6 bits, an eighth of what the ceilings of K_tr = 8 and 256 differ by.
- Accuracies are flat: any two K_tr are within 3 points, less than the 3.8 that the paper's own accuracies of Fig. 4
  range over (96.0 to 99.8 %) and which it calls no harm.
- At the smallest K_tr the post-training estimate is above the bound of the in-training one: a test of superiority.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import pandas as pd

from analysis.rules.claim import BITS, POINTS, Claim, Every, Part, Unit, equivalent, superior
from analysis.rules.reading import Reading, of_place, pooled
from analysis.rules.sentence import judged
from analysis.small_batch.table import ACCURACY, IN_TRAINING, POST_TRAINING
from analysis.tables.per_encoder import panel_title
from analysis.tables.settings import settings_of
from analysis.verdict import Verdict, lacking, undecided
from mi_ray.theory.tasks import Task
from sweeps.small_batch import STUDY, TASK

CLAIM = (
    "A small K_tr limits the in-training estimate, but neither the information in the representation nor downstream "
    "performance: over K_tr, in-training estimates follow their ceilings while post-training estimates and linear "
    "accuracies are flat (Sec. IV-A, Fig. 4)."
)
FLAT_BITS, FLAT_ACCURACY = 0.25, 0.03
"""The largest difference between two K_tr that counts as flat."""

ABOVE_BITS, BELOW_BITS = 0.02, 0.5
"""How far an in-training estimate that follows its ceiling may be from it."""

REPORTS = 5
"""Reports of a training, at least, whose spread is the standard error of its in-training estimate."""


def verdict(tidy: pd.DataFrame) -> Verdict:
    """The verdict from the table: undecided if cells are missing or no K_tr could show a limit."""
    readings = tidy[tidy["quantity"] == IN_TRAINING]
    if readings["k_tr"].nunique() < 2 or not (readings["bound_bits"] < Task(TASK).entropy_bits).any():
        return undecided(STUDY.name, CLAIM, "it takes two K_tr, one with log2(2 K_tr - 1) below H(C)")
    names = settings_of(tidy.columns, "k_tr")[1:]
    panels = {panel_title(names, values): panel for values, panel in tidy.groupby(names, sort=False)}
    numbers = {text: number for name, panel in panels.items() for text, number in numbers_of(name, panel)}
    absent = lacking(tidy)
    if absent:
        return undecided(STUDY.name, CLAIM, absent, numbers)
    groups = [claim for name, panel in panels.items() for claim in claims_of(name, panel)]
    return judged(STUDY.name, CLAIM, groups, numbers)


def claims_of(name: str, panel: pd.DataFrame) -> list[Claim]:
    """The four parts of the claim in a panel."""
    rows = {quantity: rows.set_index("k_tr") for quantity, rows in panel.groupby("quantity", sort=False)}
    read = {quantity: {int(k): of_place(row) for k, row in rows[quantity].iterrows()} for quantity in rows}
    during = {k: with_reports(reading) for k, reading in read[IN_TRAINING].items()}
    smallest = min(during)
    return [
        follows(name, during, rows[IN_TRAINING]["cosine_ceiling_bits"].to_dict()),
        flat(f"{name}, post-training estimate", read[POST_TRAINING], FLAT_BITS, BITS),
        flat(f"{name}, accuracy", read[ACCURACY], FLAT_ACCURACY, POINTS),
        beyond(name, read[POST_TRAINING][smallest], float(rows[IN_TRAINING].loc[smallest, "bound_bits"]), smallest),
    ]


def with_reports(reading: Reading) -> Reading:
    """An in-training estimate of one seed, whose standard error is from the spread of a few reports."""
    return replace(reading, degrees=REPORTS - 1.0) if reading.n == 1 else reading


def follows(name: str, readings: Mapping[int, Reading], ceilings: Mapping[int, float]) -> Claim:
    """The claim that every in-training estimate is near its ceiling through a cosine, and not above it."""
    return Every([
        Part(
            name=f"{name}, in-training estimate less its ceiling at K_tr = {k}",
            reading=reading.less_constant(ceilings[k]), low=-BELOW_BITS, high=ABOVE_BITS,
        )
        for k, reading in readings.items()
    ])  # fmt: skip


def flat(name: str, readings: Mapping[int, Reading], margin: float, unit: Unit) -> Claim:
    """The claim that any two K_tr are within ``margin`` of each other; seeds are taken to vary alike at all K_tr."""
    alike = pooled(readings)
    return Every([
        equivalent(f"{name} at K_tr = {one} less that at {other}", alike[one].less(alike[other]), margin, unit)
        for one, other in combinations(readings, 2)
    ])  # fmt: skip


def beyond(name: str, reading: Reading, bound_bits: float, k_tr: int) -> Claim:
    """The claim that the post-training estimate at the smallest K_tr is above the bound of the in-training one."""
    text = f"{name}, post-training estimate at K_tr = {k_tr} less the bound {bound_bits:.2f} of the in-training one"
    return superior(text, reading.less_constant(bound_bits), BITS)


def numbers_of(name: str, panel: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Ranges over K_tr, and distances to bound and ceilings."""
    rows = {quantity: rows.set_index("k_tr") for quantity, rows in panel.groupby("quantity", sort=False)}
    during, after = rows[IN_TRAINING], rows[POST_TRAINING]
    for quantity, unit, scale in ((POST_TRAINING, "bits", 1), (ACCURACY, "points", 100)):
        yield (
            f"{name}, {quantity}, range in {unit}",
            scale * float(rows[quantity]["mean"].agg("max") - rows[quantity]["mean"].min()),
        )
    k_tr = during.index.min()
    yield (
        f"{name}, bits beyond the bound of K_tr = {k_tr}",
        float(after.loc[k_tr, "mean"] - during.loc[k_tr, "bound_bits"]),
    )
    below = during["cosine_ceiling_bits"] - during["mean"]
    yield f"{name}, least below a ceiling, bits", float(below.min())
    yield f"{name}, most below a ceiling, bits", float(below.max())
