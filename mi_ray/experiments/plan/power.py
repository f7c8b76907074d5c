"""The power of a study: which difference its replicates could tell, and how many would tell the one that matters.

A study states in advance what it compares and how much that varies between replicates, with the source of this number:
never the run that will be judged. A dry run prints one line of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf, sqrt
from typing import Any, assert_never

from mi_ray.theory.lead import williams_error
from mi_ray.theory.power import MOST, POWER, needed, told

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Seeds tell the difference between two things that were trained.

    ``compares``: which; ``matters``: the difference that should be told; ``spread``: the assumed standard deviation of
    a seed's difference; ``source``: where that was measured; ``level``: of the one-sided test; ``seeds``: the number of
    seeds of a grid. ``paired`` if both sides of the difference share their seeds. Sentences write numbers times
    ``scale``, in ``unit``.
    """

    compares: str
    matters: float
    spread: float
    source: str
    level: float
    seeds: Callable[[Grid], int]
    paired: bool = True
    unit: str = "points"
    scale: float = 100.0


@dataclass(frozen=True, kw_only=True)
class Leads:
    """Encoders tell how much better one measure agrees with accuracy than another.

    Assumed: correlations ``best`` and ``next`` with accuracy, and ``between`` the two measures; ``source``: where these
    were measured; ``encoders``: the number of encoders of a grid.
    """

    compares: str
    best: float
    next: float
    between: float
    source: str
    level: float
    encoders: Callable[[Grid], int]

    def spread(self, n: int) -> float:
        """Standard deviation of an encoder's part in the difference of the correlations."""
        return williams_error(self.best, self.next, self.between, n) * sqrt(n)


Power = Differences | Leads


def seeds(grid: Grid) -> int:
    """The number of seeds of a grid."""
    return len(grid["seed"])


def lines(stated: Sequence[Power], grid: Grid) -> Iterator[str]:
    """One line of a dry run for each statement of power."""
    for power in stated:
        match power:
            case Differences():
                yield f"power     {_of_differences(power, power.seeds(grid))}"
            case Leads():
                yield f"power     {_of_leads(power, power.encoders(grid))}"
            case _:
                assert_never(power)


def _of_differences(power: Differences, n: int) -> str:
    sides = 1 if power.paired else 2
    least = told(n, power.spread, level=power.level, sides=sides)
    enough = needed(power.matters, power.spread, level=power.level, sides=sides)
    what = f"between {power.compares} with probability {POWER:g}"
    wanted, unit = f"{_enough(enough)} would tell {power.scale * power.matters:.3g}", power.unit
    tells = f"{n} seeds tell {power.scale * least:.3g} {unit} {what}; {wanted}"
    if isinf(least):
        tells = f"1 seed tells nothing about other trainings; {wanted} {unit} {what}"
    return f"{tells} (assumed standard deviation {power.scale * power.spread:.3g} {unit}: {power.source})"


def _of_leads(power: Leads, n: int) -> str:
    least = told(n, power.spread(n), level=power.level, columns=3) if n > 3 else float("inf")
    lead = power.best - power.next
    enough = next((m for m in range(4, MOST) if told(m, power.spread(m), level=power.level, columns=3) <= lead), None)
    tells = "no lead" if isinf(least) else f"a lead in r of {least:.2f}"
    return (
        f"{n} encoder{'s tell' if n != 1 else ' tells'} {tells} of {power.compares} with probability"
        f" {POWER:g}; {_enough(enough)} would tell {lead:.2f} (assumed r {power.best:.2f} and {power.next:.2f},"
        f" {power.between:.2f} between the two: {power.source})"
    )


def _enough(n: int | None) -> str:
    return f"more than {MOST}" if n is None else str(n)
