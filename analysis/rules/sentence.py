"""The verdict on a claim of several groups of parts, in a sentence with intervals and margins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, isnan

from analysis.rules.claim import AS_READ, Claim, Every, Part, deciding, parts_of, to_decide
from analysis.verdict import Verdict

STARTS = {True: "Holds", False: "Does not hold", None: "Cannot be judged"}
WORDS = {False: "against the paper", None: "too close to tell", True: "as the paper says"}
ONE_SEED = "With one seed intervals cover other test images, not other trainings."


def judged(
    study: str, claim: str, groups: Sequence[Claim], numbers: Mapping[str, float | str], note: str = ""
) -> Verdict:
    """The verdict on the claim that all ``groups`` are true; of each group the sentence tells the part that decides."""
    judgements = [group.judge(against=1 / len(groups)) for group in groups]
    holds = Every(groups).judge()
    clauses = []
    for judgement, words in WORDS.items():
        found = [group for group, given in zip(groups, judgements, strict=True) if given is judgement]
        texts = [shown(deciding(group)) for group in found]
        clauses += [f"{words}: {', '.join(texts)}"] if texts else []
    notes = [*dict.fromkeys(_notes(groups)), *([note] if note else [])]
    return Verdict(study, claim, holds, " ".join([f"{STARTS[holds]}; {'; '.join(clauses)}.", *notes]), numbers)


def shown(part: Part) -> str:
    """The name of a part, its value with the interval of its test, and the limits that it is held against."""
    reading = part.reading
    if isnan(reading.value):
        return f"{part.name} is not measured"
    value, low, high = (_text(part, number) for number in (reading.value, *_ends(part)))
    interval = f"{100 * (1 - 2 * part.level):g} %: {low} to {high}"
    if part.level == AS_READ:
        interval = "as read"
    if isnan(reading.error):
        interval = "the same for all seeds" if reading.n > 1 else "no standard error"
    unit = f" {part.unit.name}" if part.unit.name else ""
    open_still = f"; {_needed(part)}" if part.judge() is None else ""
    return f"{part.name} is {value}{unit} ({interval}; {limits(part)}{open_still})"


def _ends(part: Part) -> tuple[float, float]:
    return part.reading.low(part.level), part.reading.high(part.level)


def _text(part: Part, number: float) -> str:
    sign = "+" if part.low <= 0 <= part.high else ""
    return f"{part.unit.scale * number:{sign}z.{part.unit.digits}f}"


def _needed(part: Part) -> str:
    n = to_decide(part)
    if n is None:
        return "on its limit" if part.reading.error > 0 else "more seeds would tell its spread"
    return f"about {n} {part.reading.replicates} would decide it"


def limits(part: Part) -> str:
    """What is claimed of a part: ``within 0.25``, ``above 0``, ``at least 80``, ``-0.5 to 0.02``."""
    low, high = (f"{part.unit.scale * limit:.4g}" for limit in (part.low, part.high))
    if isfinite(part.low) and isfinite(part.high):
        return f"within {high} is claimed" if part.low == -part.high else f"{low} to {high} is claimed"
    if isfinite(part.high):
        return f"below {high} is claimed"
    false = f", {part.unit.scale * part.floor:.4g} or more by the paper" if part.floor > part.low else ""
    return f"above {low} is claimed{false}"


def _notes(groups: Sequence[Claim]) -> Iterator[str]:
    if any(part.reading.n == 1 and part.reading.replicates == "seeds" for group in groups for part in parts_of(group)):
        yield ONE_SEED
