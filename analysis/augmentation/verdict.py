"""The verdict of a search for augmentation strengths: is the best better than SimCLR's default beyond seed noise?"""

from __future__ import annotations

from analysis.augmentation.table import STRENGTHS, SearchOutcome, Target
from analysis.verdict import Verdict, undecided
from sweeps.augmentation_search import STUDY

CLAIM = (
    "Augmentation strengths that are searched for on CDP give better encoders than SimCLR's default, by more than seed"
    " noise (beyond the paper, which turns one augmentation at a time, Fig. 5)."
)


def verdict(outcome: SearchOutcome) -> Verdict:
    """Holds if, for every objective, the whole interval of the paired difference on test images is above zero."""
    numbers = numbers_of(outcome)
    if not outcome.best:
        return undecided(STUDY.name, CLAIM, "the search is not over", numbers)
    winners = {target: outcome.best[target.name] for target in outcome.objectives}
    for target, best in winners.items():
        fresh = outcome.fresh[outcome.fresh["candidate"] == best]
        if best and (len(fresh) < 2 or fresh[f"{target.test}_minus_default"].isna().any()):
            return undecided(STUDY.name, CLAIM, "fresh seeds of the best or of the default are missing", numbers)
    holds = all(best != 0 and outcome.difference(best, target).above_zero for target, best in winners.items())
    return Verdict(STUDY.name, CLAIM, holds, " ".join(sentence(outcome, target) for target in winners), numbers)


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
