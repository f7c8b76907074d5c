"""The bracket LCB95 <= I_class <= I(C; C') around the true mutual information, and when it certifies a value.

Theorem III.1 knows the true value when an estimate equals H(C); equality is never proved by a sample, so an interval
stands in its place: from below a strict bound read on untouched rows, from above the data-processing inequality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
TOLERANCE_BITS = 0.1
"""A certificate is given when the bracket is at most this wide."""

PHANTOMS = 2
"""Unseen misplaced images that a limit allows for. Errors of one image in a thousand may all be missing from a sample,
and its standard error with them; k errors seen, k + z sqrt(k + 2) covers their expected number in 95 % of samples,
whatever it is, at the z of four readings."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A value read on held-out rows and its standard error, in bits.

    ``phantom_bits``: what it would lose if one more independent image were embedded as another class.
    """

    bits: float
    standard_error_bits: float
    phantom_bits: float = 0.0

    def lower_limit_bits(self, quantile: float) -> float:
        """``quantile`` standard errors below, those of phantom images among them."""
        return self.bits - quantile * hypot(self.standard_error_bits, sqrt(PHANTOMS) * self.phantom_bits)


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """With 95 % confidence the true mutual information is between ``lower_bits`` and ``upper_bits``.

    ``lower_from`` names the reading that the lower end was taken from.
    """

    lower_bits: float
    upper_bits: float
    lower_from: str

    @property
    def epsilon_bits(self) -> float:
        """Its width: what remains unknown."""
        return self.upper_bits - self.lower_bits

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it certifies nothing, in words; empty if it does."""
        if self.epsilon_bits <= TOLERANCE_BITS:
            return ()
        return (
            f"the true value is between {self.lower_bits:.2f} and {self.upper_bits:.2f} bits: "
            f"{self.epsilon_bits:.2f} bits wide, {TOLERANCE_BITS:g} allowed",
        )


def bracket(strict: Mapping[str, Reading], upper_bits: float) -> Bracket:
    """The bracket from ``strict`` readings by name: each a lower bound of the true value whatever its critic is.

    The largest of their lower confidence limits, each at 1 - 0.05 / (how many there are) (Bonferroni), within 0 and
    ``upper_bits``. A reading that is not finite counts as tried and proves nothing.
    """
    quantile = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / len(strict))
    limits = {
        name: limit
        for name, reading in strict.items()
        if isfinite(reading.bits) and isfinite(limit := reading.lower_limit_bits(quantile))
    }
    name = max(limits, key=limits.__getitem__, default="none")
    lower_bits = min(max(0.0, limits.get(name, 0.0)), upper_bits)
    return Bracket(lower_bits=lower_bits, upper_bits=upper_bits, lower_from=name)
