"""The verdict of a search for augmentation strengths: is the best better than SimCLR's default beyond seed noise?

A test of superiority, for every objective of the search: the best candidate on validation images is better if the 95 %
interval of its difference to the default on test images, paired over fresh seeds, lies above zero. It is not if it is
surely better by less than `LEAST_GAIN`, the margins by which `small_batch` calls numbers the same. A search whose best
is the default itself has found nothing better, whatever seeds say.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from analysis.augmentation.table import ACCURACY, ESTIMATE, STRENGTHS, SearchOutcome, Target
from analysis.rules.claim import BITS, POINTS, Part, superior
from analysis.rules.reading import Reading, quantile
from analysis.rules.sentence import judged
from analysis.tables.difference import COARSE
from analysis.verdict import Verdict, undecided
from mi_ray.theory.selection import CONFIDENCE, paired
from sweeps.augmentation_search import STUDY

CLAIM = (
    "Augmentation strengths that are searched for on CDP give better encoders than SimCLR's default, by more than seed"
    " noise (beyond the paper, which turns one augmentation at a time, Fig. 5)."
)

LEAST_GAIN = {ACCURACY: 0.03, ESTIMATE: 0.25}
"""Share of right answers, and bits: a gain that is surely smaller is none."""


def verdict(outcome: SearchOutcome) -> Verdict:
    """The verdict from the outcome: undecided if the search is not over or fresh seeds are missing."""
    numbers = numbers_of(outcome)
    if not outcome.best:
        return undecided(STUDY.name, CLAIM, "the search is not over", numbers)
    winners = {target: outcome.best[target.name] for target in outcome.objectives}
    for target, best in winners.items():
        fresh = outcome.fresh[outcome.fresh["candidate"] == best]
        if best and (len(fresh) < 2 or fresh[f"{target.test}_minus_default"].isna().any()):
            return undecided(STUDY.name, CLAIM, "fresh seeds of the best or of the default are missing", numbers)
    text = " ".join(sentence(outcome, target) for target in winners)
    if 0 in winners.values():
        return Verdict(STUDY.name, CLAIM, False, text, numbers)
    parts = [claimed(target, differences_of(outcome, best, target)) for target, best in winners.items()]
    return judged(STUDY.name, CLAIM, parts, numbers, text)


def differences_of(outcome: SearchOutcome, candidate: int, target: Target) -> list[float]:
    """Test values of a candidate minus those of the default, one per fresh seed."""
    fresh = outcome.fresh[outcome.fresh["candidate"] == candidate]
    return [float(value) for value in fresh[f"{target.test}_minus_default"].dropna()]


def claimed(target: Target, differences: Sequence[float]) -> Part:
    """The claim that a candidate is better than the default, by its differences over fresh seeds."""
    gain, degrees = paired(differences), len(differences) - 1.0
    half = gain.half_width if gain.half_width > COARSE else nan
    error = half / quantile((1 + CONFIDENCE) / 2, degrees)
    reading = Reading(value=gain.mean, error=error, degrees=degrees, n=gain.n)
    unit = POINTS if target is ACCURACY else BITS
    return superior(f"{target.name}, best less default", reading, unit, false_below=LEAST_GAIN[target])


def sentence(outcome: SearchOutcome, target: Target) -> str:
    """How the best candidate for an objective compares with the default on test images."""
    tried, best = len(outcome.candidates), outcome.best[target.name]
    value = f"{target.name} of {outcome.task}"
    if best == 0:
        return f"For {value} none of {tried - 1} candidates does better on validation images than the default."
    gain = outcome.difference(best, target)
    differs = (
        "is better than the default beyond seed noise" if gain.above_zero
        else "is worse than the default beyond seed noise" if gain.below_zero
        else "does not differ from the default beyond seed noise"
    )  # fmt: skip
    return (
        f"For {value} the best of {tried} candidates ({strengths(outcome, best)}) {differs}: on test images"
        f" {target.text(gain.mean, '+')} ± {target.text(gain.half_width)}, {gain.n} fresh seeds paired."
    )


def strengths(outcome: SearchOutcome, candidate: int) -> str:
    """A candidate's strengths in words."""
    row = outcome.candidates.set_index("candidate").loc[candidate]
    return ", ".join(f"{name} {row[name]:g}" for name in STRENGTHS)


def numbers_of(outcome: SearchOutcome) -> dict[str, float | str]:
    """Candidates, promotions and, for each objective, the seed noise and the gain of its best candidate."""
    numbers: dict[str, float | str] = {
        "candidates": len(outcome.candidates), "promoted": int(outcome.candidates["promoted"].sum())
    }  # fmt: skip
    for target in outcome.objectives:
        numbers[f"seed noise of {target.validation} on {outcome.short_views} views"] = outcome.margin(target)
        best = outcome.best.get(target.name)
        if best:
            gain = outcome.difference(best, target)
            numbers[f"{target.test}, best minus default"] = gain.mean
            numbers[f"{target.test}, half width of its 95 % interval"] = gain.half_width
            numbers[f"best for {target.name}"] = strengths(outcome, best)
    return numbers
