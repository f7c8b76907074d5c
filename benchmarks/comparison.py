"""The tables of `estimators`: errors of each peer on each problem, and each peer over all problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import Any

OURS = "mi_ray_"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A peer on a problem: ``errors`` are bits minus truth, one per seed that gave an answer."""

    problem: str
    peer: str
    true_bits: float
    upper: bool
    choice: int
    errors: tuple[float, ...]
    seconds: float
    total_seconds: float
    failures: tuple[str, ...]

    @classmethod
    def of(
        cls,
        problem: str,
        peer: str,
        true_bits: float,
        upper: bool,
        choice: int,
        given: list[dict[str, Any]],
        tuning: list[dict[str, Any]],
    ) -> Row:
        """From the answers for every seed and those that the choice was made by (the first seed's is in both)."""
        spent = [a["seconds"] for a in [*given[1:], *tuning] if not isnan(a["seconds"])]
        return cls(
            problem=problem,
            peer=peer,
            true_bits=true_bits,
            upper=upper,
            choice=choice,
            errors=tuple(a["bits"] - true_bits for a in given if not isnan(a["bits"])),
            seconds=fmean(a["seconds"] for a in given),
            total_seconds=sum(spent),
            failures=tuple(a["failure"] or "its value is nan" for a in given if isnan(a["bits"])),
        )

    @property
    def mean_error(self) -> float:
        """Mean error in bits; nan unless every seed gave an answer."""
        return nan if self.failures else fmean(self.errors)

    @property
    def absolute_error(self) -> float:
        """Mean of the absolute errors in bits; nan unless every seed gave an answer."""
        return nan if self.failures else fmean(map(abs, self.errors))


def print_problems(rows: list[Row]) -> None:
    """One line per problem and peer."""
    print(f"\n{'problem':<20}{'truth':>8}  {'peer':<22}{'error':>8}  {'over seeds':<18}{'cpu s':>7}  choice")
    for row in rows:
        truth = f"{'<=' if row.upper else ''}{row.true_bits:.3f}"
        spread = f"[{min(row.errors):+.3f}, {max(row.errors):+.3f}]" if row.errors else ""
        line = f"{row.problem:<20}{truth:>8}  {row.peer:<22}{row.mean_error:>+8.3f}  {spread:<18}{row.seconds:>7.1f}"
        print(f"{line}  {row.choice}", *_counted(row.failures))
    if any(row.upper for row in rows):
        print("<= the truth is at most this, so that a negative error there may be none")


def _counted(failures: tuple[str, ...]) -> list[str]:
    return [f"({count} x {reason})" for reason, count in Counter(failures).items()]


def print_summary(rows: list[Row]) -> None:
    """One line per peer over the problems that every peer answered: mean |error|, on how many it is nearer than every
    estimator of others, processor seconds of a call, and hours with tuning."""
    answered = [row for row in rows if not row.failures]
    peers, of_problem = list(dict.fromkeys(row.peer for row in rows)), Counter(row.problem for row in answered)
    shared = [row for row in answered if of_problem[row.problem] == len(peers)]
    print(f"\nover the {len({row.problem for row in shared})} problems that all answered:")
    print(f"{'peer':<22}{'mean |error|':>13}{'nearest on':>12}{'cpu s':>8}{'cpu h':>8}")
    for peer in peers:
        own = [row for row in shared if row.peer == peer]
        if own:
            hours = sum(row.total_seconds for row in own) / 3600
            error = f"{fmean(row.absolute_error for row in own):>8.3f} bits{_nearest_on(peer, shared):>12}"
            print(f"{peer:<22}{error}{fmean(row.seconds for row in own):>8.1f}{hours:>8.2f}")


def _nearest_on(peer: str, rows: list[Row]) -> int:
    """Number of problems on which ``peer`` is nearer to the truth than every estimator that is not ours."""
    own = {row.problem: row.absolute_error for row in rows if row.peer == peer}
    rivals = [row for row in rows if row.peer != peer and not row.peer.startswith(OURS)]
    return sum(all(own[p] < row.absolute_error for row in rivals if row.problem == p) for p in own)
