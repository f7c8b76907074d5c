"""The verdict of a search for augmentation strengths: is the best better than SimCLR's default beyond seed noise?"""

from __future__ import annotations

from analysis.augmentation.table import STRENGTHS, Measure, Record
from analysis.verdict import Verdict, undecided
from sweeps.augmentation_search import STUDY

CLAIM = (
    "Augmentation strengths that are searched for on CDP give better encoders than SimCLR's default, by more than seed"
    " noise (beyond the paper, which turns one augmentation at a time, Fig. 5)."
)


def verdict(found: Record) -> Verdict:
    """Holds if, for every objective, the whole interval of the paired difference on test images is above zero."""
    numbers = _numbers(found)
    if not found.best:
        return undecided(STUDY.name, CLAIM, "the search is not over", numbers)
    lacking = [m for m in found.objectives if found.best[m.name] and not _compared(found, m)]
    if lacking:
        return undecided(STUDY.name, CLAIM, "fresh seeds of the best or of the default are missing", numbers)
    sentence = " ".join(_told(found, measure) for measure in found.objectives)
    return Verdict(STUDY.name, CLAIM, all(_better(found, m) for m in found.objectives), sentence, numbers)


def _compared(found: Record, measure: Measure) -> bool:
    fresh = found.fresh[found.fresh["candidate"] == found.best[measure.name]]
    return len(fresh) > 1 and bool(fresh[f"{measure.test}_minus_default"].notna().all())


def _better(found: Record, measure: Measure) -> bool:
    best = found.best[measure.name]
    return best != 0 and found.difference(best, measure).above_zero


def _told(found: Record, measure: Measure) -> str:
    tried, best = len(found.candidates), found.best[measure.name]
    what = f"{measure.name} of {found.task}"
    if best == 0:
        return f"For {what} none of {tried - 1} candidates does better on validation images than the default."
    seen = found.difference(best, measure)
    differs = (
        "is better than the default beyond seed noise" if seen.above_zero
        else "is worse than the default beyond seed noise" if seen.below_zero
        else "does not differ from the default beyond seed noise"
    )  # fmt: skip
    return (
        f"For {what} the best of {tried} candidates ({strengths(found, best)}) {differs}: on test images"
        f" {measure.told(seen.mean, '+')} ± {measure.told(seen.half_width)}, {seen.n} fresh seeds paired."
    )


def strengths(found: Record, candidate: int) -> str:
    """A candidate's strengths in words."""
    row = found.candidates.set_index("candidate").loc[candidate]
    return ", ".join(f"{name} {row[name]:g}" for name in STRENGTHS)


def _numbers(found: Record) -> dict[str, float | str]:
    told: dict[str, float | str] = {
        "candidates": len(found.candidates), "promoted": int(found.candidates["promoted"].sum())
    }  # fmt: skip
    for measure in found.objectives:
        told[f"seed noise of {measure.validation} on {found.short} views"] = found.margin(measure)
        best = found.best.get(measure.name)
        if best:
            seen = found.difference(best, measure)
            told[f"{measure.test}, best minus default"] = seen.mean
            told[f"{measure.test}, half width of its 95 % interval"] = seen.half_width
            told[f"best for {measure.name}"] = strengths(found, best)
    return told
