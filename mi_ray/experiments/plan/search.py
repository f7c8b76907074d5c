"""The declaration of a search: the parameters that vary, the values to maximise, and the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mi_ray.experiments.declare import Question
from mi_ray.experiments.declare.checks import at_least, number, positive, refuse, within

Candidate = Mapping[str, float]
"""A value for every parameter that is searched."""

DIGITS = 6
"""Decimals to which parameters are rounded, so that equal values give equal cells."""


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
    """A search that trains all candidates on a short budget of views, promotes those that may still win to the full
    budget, and trains the winners and the default again with fresh seeds.

    ``trial(views=, seed=, **candidate)`` returns the questions. ``objectives``: kind of question -> the value of its
    result to maximise, measured on validation images; several objectives make a Pareto front. ``noise_seeds`` trainings
    of the default on the short budget measure seed noise. ``seed`` is the seed of the sampler, and of every training
    that has no other.
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
        """Candidate 0: the default of every parameter, with which other candidates are compared."""
        return {name: allowed.default for name, allowed in self.space.items()}

    @property
    def generations(self) -> list[int]:
        """Number of candidates of each generation."""
        whole, rest = divmod(self.candidates, self.generation)
        return [self.generation] * whole + [rest] * bool(rest)

    def refuse_unclear_objectives(self) -> None:
        """`Refused` unless the trial asks exactly one question of every kind that has an objective."""
        kinds = [question.kind for question in self.quick(self.default, self.seed)]
        for kind in self.objectives:
            if kinds.count(kind) != 1:
                raise refuse("objectives", kind, f"kinds that trial asks once (it asks {kinds.count(kind)} of this)")

    def of_seeds(self, n: int, *, first: int = 0) -> range:
        """``n`` consecutive seeds, the first of which is ``seed + first``."""
        return range(self.seed + first, self.seed + first + n)

    def quick(self, candidate: Candidate, seed: int) -> list[Question]:
        """The questions about a candidate on the short budget: only those that the objectives need."""
        questions = self.trial(views=self.short_views, seed=seed, **candidate)
        return [question for question in questions if question.kind in self.objectives]

    def thorough(self, candidate: Candidate, seed: int) -> list[Question]:
        """All questions about a candidate, on the full budget."""
        return list(self.trial(views=self.views, seed=seed, **candidate))

    @property
    def stages(self) -> dict[str, tuple[list[Question], int, int]]:
        """For each stage: its questions about one encoder, and the smallest and the largest number of encoders."""
        short, full = self.quick(self.default, self.seed), self.thorough(self.default, self.seed)
        n = self.noise_seeds - 1 + self.candidates
        fresh = (1 + len(self.objectives)) * self.fresh_seeds
        return {
            "candidates": (short, n, n), "promoted": (full, 1, self.candidates), "fresh seeds": (full, 0, fresh)
        }  # fmt: skip

    def values(self, questions: Sequence[Question], result_of: ResultOf) -> tuple[float, ...] | None:
        """The value of each objective in the results of ``questions``; `NotYet` if a result is missing, None if the
        candidate has no value since one of these questions, or its encoder, failed."""
        results: dict[str, Mapping[str, Any] | None] = {}
        for kind in self.objectives:
            (question,) = (each for each in questions if each.kind == kind)
            results[kind] = result_of(question)
        if None in results.values():
            raise NotYet
        if any(result is LOST for result in results.values()):
            return None
        return tuple(float((results[kind] or {})[value]) for kind, value in self.objectives.items())


LOST: Mapping[str, Any] = MappingProxyType({})
"""The result of a question that failed, or whose encoder did: a candidate without a value, and the search goes on."""

ResultOf = Callable[[Question], Mapping[str, Any] | None]
"""A function that returns the result of a question, None until the store has it, `LOST` if it failed."""


class NotYet(LookupError):
    """The search cannot continue because a result is missing."""


@dataclass(frozen=True)
class Round:
    """Questions that do not depend on each other's results. ``title``: one line that says their purpose;
    ``may_fail``: whether the search can do without some of the answers."""

    title: str
    questions: Sequence[Question]
    may_fail: bool = False
