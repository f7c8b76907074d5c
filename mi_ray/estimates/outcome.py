"""An estimate of mutual information as a value that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mi_ray.theory.certificate import CONFIDENCE, Reading

BOUND_OF = {
    "nominal": "Eq. 4; no lower bound of the truth",
    "strict": "InfoNCE across the pair",
    "nwj": "NWJ, learned critics",
    "probe": "NWJ, probe",
    "confusion": "NWJ, predictions of the probe",
}
"""What each reading is, for people."""


@dataclass(frozen=True, kw_only=True, repr=False)
class MIEstimate:
    """Mutual information of positive pairs, in bits: with 95 % confidence between ``lower_bits`` and ``upper_bits``.

    ``upper_bits``: I(C; C') of the classes where pairs share one (data-processing inequality), infinite otherwise.
    ``certified``: the bracket is at most 0.1 bits wide and the audit found nothing; else ``reasons`` say why not.
    ``readings``: value and standard error by name, all on test rows; each but ``nominal`` (Eq. 4) is a lower bound in
    expectation, and ``lower_from`` names the one that the lower end is from. ``ceilings_bits``: the readings of a
    perfect encoder. ``note``: anything else that a reader should know. ``split``: the split of each row; ``rows``: how
    many each has. ``random_state``: the seed that gives the same numbers again.
    """

    lower_bits: float
    upper_bits: float
    lower_from: str
    certified: bool
    reasons: tuple[str, ...]
    note: str
    readings: Mapping[str, Reading]
    ceilings_bits: Mapping[str, float]
    class_entropy_bits: float | None
    classes: Sequence[str]
    k_est: int
    rows: Mapping[str, int]
    random_state: int
    split: NDArray[np.str_] = field(compare=False)
    result: Mapping[str, Any] = field(compare=False)
    """The result of a cell with this estimate, as its ``result.json`` has it."""

    def to_dict(self) -> dict[str, Any]:
        """Everything but the split as values of JSON; infinity and NaN as None."""
        own = {
            "lower_bits": self.lower_bits,
            "upper_bits": self.upper_bits,
            "certified": self.certified,
            "k_est": self.k_est,
            "random_state": self.random_state,
            "classes": list(self.classes),
            **{f"n_{split}": n for split, n in self.rows.items()},
        }
        return {name: _plain(value) for name, value in (dict(self.result) | own).items()}

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}: {self.sentence}", *self._lines()])

    @property
    def sentence(self) -> str:
        """The estimate in a sentence."""
        sure = f"with {CONFIDENCE:.0%} confidence"
        if not isfinite(self.upper_bits):
            return f"at least {self.lower_bits:.2f} bits {sure}"
        value = f"{self.lower_bits:.2f} to {self.upper_bits:.2f} bits {sure}"
        return f"{value}, certified" if self.certified else f"{value}, not certified"

    def _lines(self) -> list[str]:
        """Readings, reasons, note and settings, a line each."""
        width = max(map(len, self.readings))
        lines = []
        for name, reading in self.readings.items():
            ceiling = self.ceilings_bits.get(name)
            most = f", at most {ceiling:.2f}" if ceiling is not None else ""
            told = BOUND_OF.get(name, "NWJ, a critic of yours")
            lines.append(
                f"  {name:<{width}}  {reading.bits:6.2f} ± {reading.standard_error_bits:.2f} bits{most}  ({told})"
            )
        if self.class_entropy_bits is not None:
            lines.append(f"  class entropy H(C) = {self.class_entropy_bits:.2f} bits, {len(self.classes)} classes")
        lines += [f"  not certified: {reason}" for reason in self.reasons]
        lines += [f"  note: {self.note}"] if self.note else []
        rows = ", ".join(f"{n:,} {split}" for split, n in self.rows.items())
        return [*lines, f"  rows: {rows}; K_est = {self.k_est}; random_state = {self.random_state}"]


def _plain(value: Any) -> Any:
    """A value of JSON."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value
