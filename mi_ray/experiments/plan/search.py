"""A search, declared: which parameters are moved, which value is raised, and on what budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mi_ray.experiments.declare import Question
from mi_ray.experiments.declare.checks import at_least, number, positive, refuse, within

Candidate = Mapping[str, float]
"""A value for every parameter that is searched."""

DIGITS = 6
"""Decimals of a parameter, so that the same value is the same cell."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values ``low``, ``low`` + ``step``, ..., ``high`` of a parameter; ``default`` is one of them."""

    low: float
    high: float
    step: float
    default: float

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            number(name, getattr(self, name), "a number")
        positive("step", self.step)
        within("default", self.default, self.low, self.high)
        for name in ("high", "default"):
            steps = (getattr(self, name) - self.low) / self.step
            if abs(steps - round(steps)) > 10**-DIGITS:
                raise refuse(name, getattr(self, name), f"{self.low:g} and whole steps of {self.step:g}")


@dataclass(frozen=True, kw_only=True)
class Search:
    """Candidates are trained on a short budget of views, those that are not hopeless on the full one, and the winner
    and the default once more with fresh seeds.

    ``trial(views=, seed=, **candidate)`` gives the questions; ``objectives``: kind of question -> value of its result
    that is raised, read on validation images; several make a Pareto front. ``noise_seeds`` trainings of the default on
    the short budget tell seed noise. ``seed`` is the sampler's, and that of every training but those of other seeds.
    """

    trial: Callable[..., Sequence[Question]]
    space: Mapping[str, Range]
    objectives: Mapping[str, str]
    candidates: int
    generation: int
    short_views: int
    views: int
    noise_seeds: int = 3
    fresh_seeds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("candidates", self.candidates, 2)
        at_least("generation", self.generation, 1)
        at_least("short_views", self.short_views, 1)
        at_least("noise_seeds", self.noise_seeds, 2)
        at_least("fresh_seeds", self.fresh_seeds, 2)
        at_least("seed", self.seed, 0)
        if self.views <= self.short_views:
            raise refuse("views", self.views, f"more than the short budget of {self.short_views}")

    @property
    def default(self) -> Candidate:
        """Candidate 0, which every other is compared with."""
        return {name: allowed.default for name, allowed in self.space.items()}

    @property
    def generations(self) -> list[int]:
        """How many candidates each generation proposes."""
        whole, rest = divmod(self.candidates, self.generation)
        return [self.generation] * whole + [rest] * bool(rest)

    def of_seeds(self, n: int, *, first: int = 0) -> range:
        """``n`` seeds, the first of them ``first`` after the search's own."""
        return range(self.seed + first, self.seed + first + n)

    def quick(self, candidate: Candidate, seed: int) -> list[Question]:
        """What is asked of a candidate on the short budget: what the objectives need."""
        asked = self.trial(views=self.short_views, seed=seed, **candidate)
        return [question for question in asked if question.kind in self.objectives]

    def thorough(self, candidate: Candidate, seed: int) -> list[Question]:
        """What is asked of a candidate on the full budget: everything."""
        return list(self.trial(views=self.views, seed=seed, **candidate))

    @property
    def stages(self) -> dict[str, tuple[list[Question], int, int]]:
        """What each stage asks of an encoder, and of how many encoders, at least and at most."""
        short, full = self.quick(self.default, self.seed), self.thorough(self.default, self.seed)
        n = self.noise_seeds - 1 + self.candidates
        fresh = (1 + len(self.objectives)) * self.fresh_seeds
        return {
            "candidates": (short, n, n), "promoted": (full, 1, self.candidates), "fresh seeds": (full, 0, fresh)
        }  # fmt: skip

    def values(self, questions: Sequence[Question], found: Found) -> tuple[float, ...]:
        """The value of each objective in the answers to ``questions``; `NotYet` if one is missing."""
        return tuple(_read(questions, which, value, found) for which, value in self.objectives.items())


Found = Callable[[Question], Mapping[str, Any] | None]
"""The result of a question, None while it is not there."""


class NotYet(LookupError):
    """A result that the search needs before it can go on."""


def _read(questions: Sequence[Question], which: str, value: str, found: Found) -> float:
    (question,) = (question for question in questions if question.kind == which)
    result = found(question)
    if result is None:
        raise NotYet
    return float(result[value])


@dataclass(frozen=True)
class Round:
    """Questions that can be asked at once, and in a line why these."""

    title: str
    questions: Sequence[Question]
