"""An estimate as it is shown everywhere: the certified bracket with its tick, or the nominal value without one.

The certificate is about the bracket (`theory.certificate`): with 95 % confidence it holds the true value. A tick never
stands beside the nominal estimate, which may lie outside; then that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean, stdev
from typing import Any

from mi_ray.theory.certificate import CONFIDENCE, TOLERANCE_BITS

CERTIFIED = "\N{CHECK MARK}"
KNOWN = f"with {100 * CONFIDENCE:g} % confidence the true value is in the bracket, at most {TOLERANCE_BITS:g} bits wide"
LEGEND = f"{CERTIFIED} certified: {KNOWN}"
SEVERAL = ", for each seed; their hull is shown"
"""What to add to `LEGEND` where an entry is made of several estimations."""

STATED = "nominal_bits"
"""The value of an estimation that its bracket and certificate go with."""

DIGITS, MOST_DIGITS = 2, 6
ABSENT, DASH, PLUS_MINUS = "", "\N{EN DASH}", "\N{PLUS-MINUS SIGN}"

UNKNOWN = "not estimated yet"
NO_CERTIFICATE = "its record holds no certificate"
NO_REASON = "its record does not say why"


def legend(*, several: bool) -> str:
    """What the tick means; ``several``: where entries are made of several seeds."""
    return LEGEND + (SEVERAL if several else "")


@dataclass(frozen=True, kw_only=True)
class One:
    """What one estimation says, in bits; NaN where its record lacks a number."""

    nominal_bits: float
    standard_error_bits: float
    lower_bits: float
    upper_bits: float
    reasons: tuple[str, ...]

    @property
    def certified(self) -> bool:
        """Whether its bracket is certified: nothing is against it."""
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


def one(result: Mapping[str, Any]) -> One:
    """What the result of an estimation says, as committed or as MLflow tells it."""
    lower, upper = _number(result, "lower_bits"), _number(result, "upper_bits")
    nominal = _number(result, STATED)
    return One(
        nominal_bits=nominal,
        standard_error_bits=_number(result, "nominal_standard_error_bits"),
        lower_bits=lower,
        upper_bits=upper,
        reasons=_reasons(result, known=isfinite(nominal)),
    )


def _reasons(result: Mapping[str, Any], *, known: bool) -> tuple[str, ...]:
    """Why an estimation is not certified; empty if it is."""
    if not known:
        return (UNKNOWN,)
    if result.get("certified") is None:
        return (NO_CERTIFICATE,)
    if not result["certified"]:
        return tuple((result.get("not_certified") or NO_REASON).split("; "))
    return ()


@dataclass(frozen=True)
class Statement:
    """What the estimations of one place say together: replicates, of which ``asked`` are asked for.

    Certified if every one is; the bracket is the hull of theirs, so that it holds the true value of each seed's encoder
    with 95 % confidence. The nominal value is their mean.
    """

    ones: tuple[One, ...]
    asked: int

    @property
    def known(self) -> tuple[One, ...]:
        """Those that are estimated."""
        return tuple(one for one in self.ones if isfinite(one.nominal_bits))

    @property
    def certified(self) -> bool:
        """Whether all that are asked for are certified."""
        return len(self.known) == self.asked > 0 and all(one.certified for one in self.known)

    @property
    def nominal_bits(self) -> float:
        """The mean nominal estimate; NaN where there is none."""
        return fmean(one.nominal_bits for one in self.known) if self.known else nan

    @property
    def spread_bits(self) -> float:
        """The standard error of a single estimation; of several the standard deviation of their nominal values."""
        if self.asked == 1:
            return self.known[0].standard_error_bits if self.known else nan
        return stdev(one.nominal_bits for one in self.known) if len(self.known) > 1 else nan

    @property
    def lower_bits(self) -> float:
        """The lower end of the hull of all brackets."""
        return min((one.lower_bits for one in self.known), default=nan)

    @property
    def upper_bits(self) -> float:
        """The upper end of the hull of all brackets."""
        return max((one.upper_bits for one in self.known), default=nan)

    @property
    def bracket(self) -> str:
        """``1.93–2.00``."""
        return bracket(self.lower_bits, self.upper_bits)

    @property
    def text(self) -> str:
        """The certified bracket with its tick, else the nominal value; with a word where the nominal lies outside."""
        return self._said(self.headline)

    @property
    def text_with_spread(self) -> str:
        """As `text`; a nominal value that stands for the estimate has its spread."""
        spread = f" {PLUS_MINUS} {self.spread_bits:.{DIGITS}f}" if isfinite(self.spread_bits) else ""
        return self._said(self.headline + ("" if self.ticked else spread))

    @property
    def headline(self) -> str:
        """The bracket with its tick where it is certified, else the nominal value; empty where nothing is estimated."""
        if not self.known:
            return ABSENT
        if self.ticked:
            return f"{self.bracket} {CERTIFIED}"
        return self._nominal if self.asked == 1 and self.known[0].side else f"{self.nominal_bits:z.{DIGITS}f}"

    @property
    def ticked(self) -> bool:
        """Whether the tick is shown: it stands beside a bracket or nowhere."""
        return self.certified and isfinite(self.lower_bits) and isfinite(self.upper_bits)

    @property
    def remark(self) -> str:
        """Briefly that and where the nominal value lies outside its bracket; empty where it does not."""
        out = [one for one in self.known if one.side]
        if not out:
            return ABSENT
        if self.asked > 1:
            name = f"nominal {self._nominal} outside" if self.ticked else "outside bracket"
            return f"{name} in {len(out)} of {self.asked}"
        return f"nominal {self._nominal} {out[0].side}" + ("" if self.ticked else f" {self.bracket}")

    @property
    def outside(self) -> str:
        """The same in words, of every one that is outside."""
        return "; ".join(one.outside for one in self.known if one.outside)

    @property
    def _nominal(self) -> str:
        ends = [end for end in (self.lower_bits, self.upper_bits) if isfinite(end)]
        return max((_apart(self.nominal_bits, end) for end in ends), key=len, default="")

    def _said(self, headline: str) -> str:
        if not self.ticked and self.asked == 1 and self.remark:
            return f"{headline}, {self.known[0].side} {self.bracket}"
        return ", ".join(filter(None, [headline, self.remark]))


def statement(results: Sequence[Mapping[str, Any]], *, asked: int | None = None) -> Statement:
    """What some estimations of one place say; ``asked``: how many there will be, as many as there are if None."""
    return Statement(tuple(map(one, results)), len(results) if asked is None else asked)


def bracket(lower_bits: float, upper_bits: float) -> str:
    """``1.93–2.00``."""
    return f"{lower_bits:z.{DIGITS}f}{DASH}{upper_bits:z.{DIGITS}f}"


def _apart(value: float, end: float) -> str:
    """A value with as many digits as it takes to read that it is not ``end``."""
    for digits in range(DIGITS, MOST_DIGITS + 1):
        if f"{value:z.{digits}f}" != f"{end:z.{digits}f}":
            break
    return f"{value:z.{digits}f}"


def _number(result: Mapping[str, Any], name: str) -> float:
    value = result.get(name)
    return nan if value is None else float(value)
