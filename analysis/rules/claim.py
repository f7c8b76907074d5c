"""Claims about numbers, and their judgement by intervals against margins that were set in advance.

A claim about one number says that it lies between two limits. It is

- true, if an interval lies inside the limits: two one-sided tests (Schuirmann 1987) where both limits are finite, which
  is a test of equivalence; one test where one is, which is a test of superiority or of non-superiority;
- false, if an interval lies outside one of them;
- open otherwise.

A claim of several parts is true if every part is, each at its own level, since the probability that all are wrongly
found true is no larger than that of the one that is false (an intersection-union test, Berger 1982). It is false if one
part is, each at a level that is divided by the number of parts (Bonferroni), so that a true claim of many parts is not
found false by their number. For a claim that some part is true the two change places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, sqrt
from typing import assert_never

from analysis.rules.reading import Reading
from analysis.verdict import all_hold
from mi_ray.theory.power import needed

TWO_ONE_SIDED = 0.05
"""Level of each one-sided test against a margin: the interval that is shown is one of 90 %, as is usual."""

SUPERIORITY = 0.025
"""Level of a test whether one thing is above another: half that of the 95 % intervals in tables."""

AS_READ = 0.5
"""Level of a comparison of what was read, without an interval; zero itself counts as not below zero."""

REFUTATION = 0.05
"""Probability, over all parts of a claim together, that a true claim is found false."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """How sentences write a number: times ``scale``, with ``digits``, and the ``name`` of the unit after it."""

    name: str
    scale: float = 1.0
    digits: int = 2


BITS, POINTS = Unit(name="bits"), Unit(name="points", scale=100, digits=1)
PERCENT, PLAIN = Unit(name="%", scale=100, digits=1), Unit(name="")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The claim that what was read lies between ``low`` and ``high``.

    It is false where the number surely lies below ``false_below``, or above ``high``; ``false_below`` is ``low`` unless
    given, and no larger than what the paper claims of the number.
    """

    name: str
    reading: Reading
    low: float = -inf
    high: float = inf
    false_below: float | None = None
    level: float = TWO_ONE_SIDED
    unit: Unit = BITS

    @property
    def floor(self) -> float:
        """Surely below it, the claim is false."""
        return self.low if self.false_below is None else self.false_below

    @property
    def slack(self) -> float:
        """The distance to the nearest limit in standard errors, negative outside; what is least sure has the least."""
        distance = min(self.reading.value - self.low, self.high - self.reading.value)
        return distance / self.reading.error if self.reading.error > 0 else inf if distance > 0 else -inf

    def judge(self, share: float = 1.0, against: float = 1.0) -> bool | None:
        """True, false or open, at the given shares of the levels for and against the claim."""
        reading, sure, level = self.reading, self.level * share, REFUTATION * against
        if isnan(reading.value) or isnan(reading.error):
            return None
        if self.level == AS_READ and self.low <= reading.value <= self.high:
            return True
        if self.low < reading.low(sure) and reading.high(sure) < self.high:
            return True
        return False if reading.high(level) < self.floor or reading.low(level) > self.high else None


@dataclass(frozen=True)
class Every:
    """The claim that every part is true."""

    parts: Sequence[Claim]

    def judge(self, share: float = 1.0, against: float = 1.0) -> bool | None:
        """True if all are, false if one is."""
        return all_hold(part.judge(share, against / len(self.parts)) for part in self.parts)


@dataclass(frozen=True)
class Some:
    """The claim that at least one part is true."""

    parts: Sequence[Claim]

    def judge(self, share: float = 1.0, against: float = 1.0) -> bool | None:
        """True if one is, false if none is."""
        judgements = [part.judge(share / len(self.parts), against) for part in self.parts]
        return True if True in judgements else None if None in judgements else False


Claim = Part | Every | Some


def parts_of(claim: Claim) -> Iterator[Part]:
    """All claims about single numbers within a claim."""
    if isinstance(claim, Part):
        yield claim
    else:
        for part in claim.parts:
            yield from parts_of(part)


def deciding(claim: Claim) -> Part:
    """The part that decides a claim: the least sure of those that must all be true, the surest where one is enough."""
    match claim:
        case Part():
            return claim
        case Every():
            return min(map(deciding, claim.parts), key=lambda part: part.slack)
        case Some():
            return max(map(deciding, claim.parts), key=lambda part: part.slack)
        case _:
            assert_never(claim)


def equivalent(name: str, reading: Reading, margin: float, unit: Unit) -> Part:
    """The claim that a difference is within ``margin`` of zero, by two one-sided tests."""
    return Part(name=name, reading=reading, low=-margin, high=margin, unit=unit)


def superior(name: str, reading: Reading, unit: Unit, *, false_below: float = 0.0) -> Part:
    """The claim that a difference is above zero; false where it is surely below ``false_below``."""
    return Part(name=name, reading=reading, low=0.0, false_below=false_below, level=SUPERIORITY, unit=unit)


def inferior(name: str, reading: Reading, unit: Unit) -> Part:
    """The claim that a difference is below zero."""
    return Part(name=name, reading=reading, high=0.0, level=SUPERIORITY, unit=unit)


def to_decide(part: Part) -> int | None:
    """How many replicates would decide a claim with probability `power.POWER`, if value and spread stay as read.

    None where nothing is known of the spread, or more than `power.MOST` are needed.
    """
    reading = part.reading
    if not (reading.error > 0 and isfinite(reading.value)):
        return None
    inside = min(reading.value - part.low, part.high - reading.value)
    outside = max(part.floor - reading.value, reading.value - part.high)
    return needed(max(inside, outside), reading.error * sqrt(reading.n), level=part.level)
