"""Optuna proposes, the store remembers: a search is replayed from finished cells whenever its command runs.

The sampler is seeded and is told values in the order of its proposals, so the same cells give the same proposals: there
is no state but cells, and going on is running the same command again. (Another release of Optuna may propose others.)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import Trial

from mi_ray.experiments.declare import Question
from mi_ray.experiments.plan.search import DIGITS, Candidate, Found, NotYet, Range, Round, Search
from mi_ray.theory.selection import Value, best_of_each, front, hopeless, margin


def rounds(search: Search, found: Found) -> list[Round]:
    """The search as far as ``found`` tells: generations, promotion, fresh seeds. What the last round asks is to do,
    unless all of it is there: then the search is over."""
    reached: list[Round] = []
    with suppress(NotYet):
        for one in _rounds(search, found):
            reached.append(one)
    return reached


def _rounds(search: Search, found: Found) -> Iterator[Round]:
    """Asks ``found`` for the values of a round once the next one is wanted."""
    tried: dict[tuple[float, ...], Candidate] = {}
    with _quiet():
        proposals = Proposals(search)
        for number, size in enumerate(search.generations, start=1):
            candidates = proposals.ask(size)
            tried |= {tuple(candidate.values()): candidate for candidate in candidates}
            yield _generation(search, number, candidates)
            proposals.tell([search.values(search.quick(one, search.seed), found) for one in candidates])
    yield from _chosen(search, list(tried.values()), found)


class Proposals:
    """Candidates from Optuna's TPE, the default first; the first generation is random otherwise."""

    def __init__(self, search: Search) -> None:
        self._space: dict[str, BaseDistribution] = {
            name: _distribution(allowed) for name, allowed in search.space.items()
        }
        sampler = TPESampler(
            seed=search.seed, n_startup_trials=search.generations[0], multivariate=True, constant_liar=True
        )
        self._study = optuna.create_study(directions=["maximize"] * len(search.objectives), sampler=sampler)
        self._study.enqueue_trial(dict(search.default))
        self._pending: list[Trial] = []

    def ask(self, n: int) -> list[Candidate]:
        """The next ``n`` candidates."""
        self._pending = [self._study.ask(self._space) for _ in range(n)]
        return [{name: round(trial.params[name], DIGITS) for name in self._space} for trial in self._pending]

    def tell(self, values: Sequence[Value]) -> None:
        """What those last asked for are worth, in their order."""
        for trial, value in zip(self._pending, values, strict=True):
            self._study.tell(trial, value)


def _distribution(allowed: Range) -> FloatDistribution:
    return FloatDistribution(allowed.low, allowed.high, step=allowed.step)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's lines about trials, and its warnings that TPE's options are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _generation(search: Search, number: int, candidates: Sequence[Candidate]) -> Round:
    """A generation on the short budget; with the first go the seeds of the default that tell seed noise."""
    asked = [question for one in candidates for question in search.quick(one, search.seed)]
    proposed = f"{len(candidates)} candidate{'s' * (len(candidates) > 1)}"
    title = f"generation {number} of {len(search.generations)}: {proposed} at {search.short_views} views"
    if number > 1:
        return Round(title, asked)
    noise = [question for asked_again in _noise(search)[1:] for question in asked_again]
    told = f"{title}, the first of them the default, which {search.noise_seeds} seeds try for seed noise"
    return Round(told, [*asked, *noise])


def _noise(search: Search) -> list[list[Question]]:
    """What is asked of the default with each seed, on the short budget."""
    return [search.quick(search.default, seed) for seed in search.of_seeds(search.noise_seeds)]


def margins(search: Search, found: Found) -> list[float]:
    """For each objective, how much worse than another a candidate may be before seed noise no longer explains it."""
    over_seeds = [search.values(asked, found) for asked in _noise(search)]
    return [margin(values) for values in zip(*over_seeds, strict=True)]


def _chosen(search: Search, candidates: Sequence[Candidate], found: Found) -> Iterator[Round]:
    """Promote all but the hopeless; then train the best of each objective, and the default, with fresh seeds."""
    promoted = _promoted(search, candidates, found)
    asked = [question for one in promoted for question in search.thorough(one, search.seed)]
    yield Round(_promotion(search, len(promoted), len(candidates), margins(search, found)), asked)
    values = [search.values(search.thorough(one, search.seed), found) for one in promoted]
    yield _fresh(search, promoted, values)


def _promoted(search: Search, candidates: Sequence[Candidate], found: Found) -> list[Candidate]:
    """The default, and every candidate that is not hopeless."""
    values = [search.values(search.quick(one, search.seed), found) for one in candidates]
    noise = margins(search, found)
    return [
        one
        for one, value in zip(candidates, values, strict=True)
        if one == search.default or not hopeless(value, values, noise)
    ]


def _promotion(search: Search, promoted: int, candidates: int, noise: Sequence[float]) -> str:
    told = " and ".join(
        f"{amount:.3g} of {name}" for amount, name in zip(noise, search.objectives.values(), strict=True)
    )
    return (
        f"promotion: {promoted} of {candidates} candidates to {search.views} views;"
        f" hopeless is what another beats by more than seed noise, {told}"
    )


def _fresh(search: Search, promoted: Sequence[Candidate], values: Sequence[Value]) -> Round:
    winners = [promoted[place] for place in dict.fromkeys(best_of_each(values))]
    challengers = [one for one in winners if one != search.default]
    on_front = f", of {len(front(values))} on the Pareto front" if len(search.objectives) > 1 else ""
    if not challengers:
        return Round(f"the default is best on validation{on_front}: nothing is left to compare", [])
    seeds = search.of_seeds(search.fresh_seeds, first=1)
    asked = [question for one in [*challengers, search.default] for s in seeds for question in search.thorough(one, s)]
    told = "; ".join(map(_name, challengers))
    return Round(f"fresh seeds {', '.join(map(str, seeds))} for the default and the best{on_front}: {told}", asked)


def _name(candidate: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:g}" for name, value in candidate.items())
