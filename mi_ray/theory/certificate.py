"""The bracket LCB95 <= I_class <= I(C; C') around the true mutual information, and when it certifies a value.

Theorem III.1 gives the true value when an estimate equals H(C). A sample cannot prove equality, so the code uses an
interval: a lower bound from strict readings on untouched rows, and an upper bound from the data-processing inequality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
TOLERANCE_BITS = 0.1
"""Largest width of a bracket that certifies a value."""

PHANTOMS = 2
"""Number of unseen misplaced images that a confidence limit allows for.

A sample may miss all errors of an encoder that misplaces one image in a thousand; its standard error is then too small.
If a sample shows k errors, k + z sqrt(k + 2) exceeds their expected number in 95 % of samples, for any expected number
and for the z of four readings.
"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A value read on held-out rows, and its standard error, in bits.

    ``phantom_bits``: the loss of the value if one more independent image were embedded as another class.
    """

    bits: float
    standard_error_bits: float
    phantom_bits: float = 0.0

    def lower_limit_bits(self, quantile: float) -> float:
        """The value minus ``quantile`` standard errors, which include the error of `PHANTOMS` unseen images."""
        return self.bits - quantile * hypot(self.standard_error_bits, sqrt(PHANTOMS) * self.phantom_bits)


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """With 95 % confidence the true mutual information is between ``lower_bits`` and ``upper_bits``.

    ``lower_from`` names the reading behind the lower end.
    """

    lower_bits: float
    upper_bits: float
    lower_from: str

    @property
    def epsilon_bits(self) -> float:
        """Width of the bracket."""
        return self.upper_bits - self.lower_bits

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons why the bracket certifies no value; empty if it certifies one."""
        if self.epsilon_bits <= TOLERANCE_BITS:
            return ()
        return (
            f"the true value is between {self.lower_bits:.2f} and {self.upper_bits:.2f} bits: "
            f"{self.epsilon_bits:.2f} bits wide, {TOLERANCE_BITS:g} allowed",
        )


def bracket(strict: Mapping[str, Reading], upper_bits: float) -> Bracket:
    """The bracket from ``strict`` readings by name; each reading is a lower bound of the true value for any critic.

    The lower end is the largest lower confidence limit, clipped to [0, ``upper_bits``]. Each limit has confidence
    1 - 0.05 / n for n readings (Bonferroni). A reading that is not finite counts in n and sets no limit.
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
