"""The text of an estimate, the same everywhere: the certified bracket with its tick, or the nominal value without one.

The certificate is about the bracket (`theory.certificate`): with 95 % confidence it holds the true value. A tick never
stands beside the nominal estimate, which may lie outside the bracket; then the text says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean, stdev
from typing import Any

from mi_ray.experiments.declare.measures import CERTIFIED, LOWER, NOMINAL, NOT_CERTIFIED, UPPER
from mi_ray.theory.certificate import CONFIDENCE, TOLERANCE_BITS

TICK = "\N{CHECK MARK}"
KNOWN = f"with {100 * CONFIDENCE:g} % confidence the true value is in the bracket, at most {TOLERANCE_BITS:g} bits wide"
LEGEND = f"{TICK} certified: {KNOWN}"
SEVERAL = ", for each seed; their hull is shown"
"""Follows `LEGEND` where an entry is made of several estimations."""

DIGITS, MOST_DIGITS = 2, 6
ABSENT, DASH, PLUS_MINUS = "", "\N{EN DASH}", "\N{PLUS-MINUS SIGN}"

UNKNOWN = "not estimated yet"
NO_CERTIFICATE = "its record holds no certificate"
NO_REASON = "its record does not say why"


def legend(*, several: bool) -> str:
    """The meaning of the tick; ``several``: where entries are made of several seeds."""
    return LEGEND + (SEVERAL if several else "")


@dataclass(frozen=True, kw_only=True)
class SingleEstimate:
    """The estimate of one estimation, in bits; NaN where its result lacks a number.

    ``reasons``: against its certificate.
    """

    nominal_bits: float
    standard_error_bits: float
    lower_bits: float
    upper_bits: float
    reasons: tuple[str, ...]

    @property
    def certified(self) -> bool:
        """Whether the bracket is certified: there is no reason against it."""
        return not self.reasons

    @property
    def side(self) -> str:
        """``below`` or ``above``: where the nominal value lies outside the bracket; empty where it does not."""
        return (
            "below" if self.nominal_bits < self.lower_bits else "above" if self.nominal_bits > self.upper_bits else ""
        )

    @property
    def outside(self) -> str:
        """In words that the nominal value lies outside the bracket; empty where it does not."""
        if not self.side:
            return ""
        end = self.lower_bits if self.side == "below" else self.upper_bits
        limits = bracket(self.lower_bits, self.upper_bits)
        return f"the nominal estimate of {_apart(self.nominal_bits, end)} bits is {self.side} the bracket {limits}"


def single_estimate(result: Mapping[str, Any]) -> SingleEstimate:
    """The estimate in the result of an estimation, as committed or as read from MLflow."""
    nominal = _number(result, NOMINAL.name)
    if not isfinite(nominal):
        reasons: tuple[str, ...] = (UNKNOWN,)
    elif result.get(CERTIFIED) is None:
        reasons = (NO_CERTIFICATE,)
    else:
        reasons = () if result[CERTIFIED] else tuple((result.get(NOT_CERTIFIED) or NO_REASON).split("; "))
    return SingleEstimate(
        nominal_bits=nominal,
        standard_error_bits=_number(result, NOMINAL.error),
        lower_bits=_number(result, LOWER.name),
        upper_bits=_number(result, UPPER.name),
        reasons=reasons,
    )


@dataclass(frozen=True)
class Statement:
    """The estimates of one place together: replicates, ``expected`` of which are planned.

    Certified if every estimate is; the bracket is the hull of their brackets, so that it holds the true value of each
    seed's encoder with 95 % confidence. The nominal value is their mean.
    """

    estimates: tuple[SingleEstimate, ...]
    expected: int

    @property
    def known(self) -> tuple[SingleEstimate, ...]:
        """The estimates that have a nominal value."""
        return tuple(estimate for estimate in self.estimates if isfinite(estimate.nominal_bits))

    @property
    def certified(self) -> bool:
        """Whether every planned estimate is there and certified."""
        return len(self.known) == self.expected > 0 and all(estimate.certified for estimate in self.known)

    @property
    def nominal_bits(self) -> float:
        """The mean nominal estimate; NaN where there is none."""
        return fmean(estimate.nominal_bits for estimate in self.known) if self.known else nan

    @property
    def spread_bits(self) -> float:
        """The standard error of a single estimation; of several the standard deviation of their nominal values."""
        if self.expected == 1:
            return self.known[0].standard_error_bits if self.known else nan
        return stdev(estimate.nominal_bits for estimate in self.known) if len(self.known) > 1 else nan

    @property
    def lower_bits(self) -> float:
        """The lower end of the hull of all brackets."""
        return min((estimate.lower_bits for estimate in self.known), default=nan)

    @property
    def upper_bits(self) -> float:
        """The upper end of the hull of all brackets."""
        return max((estimate.upper_bits for estimate in self.known), default=nan)

    @property
    def bracket(self) -> str:
        """``1.93–2.00``."""
        return bracket(self.lower_bits, self.upper_bits)

    @property
    def text(self) -> str:
        """The certified bracket with its tick, else the nominal value; with `remark`."""
        return self._with_remark(self.headline)

    @property
    def text_with_spread(self) -> str:
        """As `text`; a nominal value without a tick has its spread."""
        spread = f" {PLUS_MINUS} {self.spread_bits:.{DIGITS}f}" if isfinite(self.spread_bits) else ""
        return self._with_remark(self.headline + ("" if self.ticked else spread))

    @property
    def headline(self) -> str:
        """The bracket with its tick where it is certified, else the nominal value; empty where nothing is estimated."""
        if not self.known:
            return ABSENT
        if self.ticked:
            return f"{self.bracket} {TICK}"
        return self._nominal if self.expected == 1 and self.known[0].side else f"{self.nominal_bits:z.{DIGITS}f}"

    @property
    def ticked(self) -> bool:
        """Whether the tick is shown: it stands beside a bracket alone."""
        return self.certified and isfinite(self.lower_bits) and isfinite(self.upper_bits)

    @property
    def remark(self) -> str:
        """In brief that the nominal value lies outside its bracket, and on which side; empty where it does not."""
        out = [estimate for estimate in self.known if estimate.side]
        if not out:
            return ABSENT
        if self.expected > 1:
            name = f"nominal {self._nominal} outside" if self.ticked else "outside bracket"
            return f"{name} in {len(out)} of {self.expected}"
        return f"nominal {self._nominal} {out[0].side}" + ("" if self.ticked else f" {self.bracket}")

    @property
    def outside(self) -> str:
        """In words, every nominal value that lies outside its bracket."""
        return "; ".join(estimate.outside for estimate in self.known if estimate.outside)

    @property
    def _nominal(self) -> str:
        ends = [end for end in (self.lower_bits, self.upper_bits) if isfinite(end)]
        return max((_apart(self.nominal_bits, end) for end in ends), key=len, default="")

    def _with_remark(self, headline: str) -> str:
        if not self.ticked and self.expected == 1 and self.remark:
            return f"{headline}, {self.known[0].side} {self.bracket}"
        return ", ".join(filter(None, [headline, self.remark]))


def statement(results: Sequence[Mapping[str, Any]], *, expected: int | None = None) -> Statement:
    """The statement of the estimations of one place. ``expected``: their planned number; None: that of results."""
    return Statement(tuple(map(single_estimate, results)), len(results) if expected is None else expected)


def bracket(lower_bits: float, upper_bits: float) -> str:
    """``1.93–2.00``."""
    return f"{lower_bits:z.{DIGITS}f}{DASH}{upper_bits:z.{DIGITS}f}"


def _apart(value: float, end: float) -> str:
    """A value with the fewest digits that show that it is not ``end``."""
    for digits in range(DIGITS, MOST_DIGITS + 1):
        if f"{value:z.{digits}f}" != f"{end:z.{digits}f}":
            break
    return f"{value:z.{digits}f}"


def _number(result: Mapping[str, Any], name: str) -> float:
    value = result.get(name)
    return nan if value is None else float(value)
