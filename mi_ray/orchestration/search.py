"""Searches with Optuna, without a database of Optuna's: a search is replayed from finished cells on every run.

The sampler is seeded and receives values in the order of its proposals, so the same cells give the same proposals. The
cells in the store are the only state, and a search is resumed by running its command again. (Another release of Optuna
may propose other candidates.)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState

from mi_ray.experiments.declare import Question
from mi_ray.experiments.plan.search import DIGITS, Candidate, NotYet, ResultOf, Round, Search
from mi_ray.theory.selection import Value, best_of_each, front, hopeless, margin


def rounds(search: Search, results: ResultOf) -> list[Round]:
    """The rounds that the values in ``results`` decide: generations, promotion, fresh seeds.

    ``results`` gives the result of a question, or None. The questions of the last round are to be answered next; if all
    have results, the search is over.
    """
    reached: list[Round] = []
    with suppress(NotYet):
        for step in replay(search, results):
            reached.append(step)
    return reached


def replay(search: Search, results: ResultOf) -> Iterator[Round]:
    """Yield round after round; raises `NotYet` when the next round depends on a value that ``results`` lacks."""
    tried: dict[tuple[float, ...], Candidate] = {}
    with quiet_optuna():
        proposals = Proposals(search)
        for number, size in enumerate(search.generations, start=1):
            candidates = proposals.ask(size)
            tried |= {tuple(candidate.values()): candidate for candidate in candidates}
            questions = [question for candidate in candidates for question in search.quick(candidate, search.seed)]
            proposed = f"{len(candidates)} candidate{'s' * (len(candidates) > 1)}"
            title = f"generation {number} of {len(search.generations)}: {proposed} at {search.short_views} views"
            if number == 1:  # with the seeds of the default that measure seed noise; the first is a candidate already
                title += f", the first of them the default, which {search.noise_seeds} seeds try for seed noise"
                questions += [question for of_seed in default_over_seeds(search)[1:] for question in of_seed]
            yield Round(title, questions, may_fail=True)
            proposals.tell([search.values(search.quick(candidate, search.seed), results) for candidate in candidates])
    yield from _selection(search, list(tried.values()), results)


class Proposals:
    """Candidates from Optuna's TPE sampler. The first candidate is the default; the rest of generation 1 is random."""

    def __init__(self, search: Search) -> None:
        self._space: dict[str, BaseDistribution] = {
            name: FloatDistribution(allowed.low, allowed.high, step=allowed.step)
            for name, allowed in search.space.items()
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

    def tell(self, values: Sequence[Value | None]) -> None:
        """Give Optuna the values of the candidates of the last `ask`, in their order; None: a candidate without one."""
        for trial, value in zip(self._pending, values, strict=True):
            self._study.tell(trial, value, state=TrialState.COMPLETE if value else TrialState.FAIL)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Suppress Optuna's lines about trials, and its warning that options of TPE are experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def default_over_seeds(search: Search) -> list[list[Question]]:
    """Questions on the default candidate for each seed of the seed noise, on the short budget."""
    return [search.quick(search.default, seed) for seed in search.of_seeds(search.noise_seeds)]


def margins(search: Search, results: ResultOf) -> list[float]:
    """For each objective, the largest difference between two candidates that seed noise explains; empty if fewer than
    two seeds have a value."""
    over_seeds = [search.values(questions, results) for questions in default_over_seeds(search)]
    known = [values for values in over_seeds if values]
    return [margin(values) for values in zip(*known, strict=True)] if len(known) > 1 else []


def _selection(search: Search, candidates: Sequence[Candidate], results: ResultOf) -> Iterator[Round]:
    """Promotion of the default and of all candidates that are not hopeless; then fresh seeds for the best.

    A candidate without a value drops out. Without one of the default, nothing is left to compare with.
    """
    short = {index: search.values(search.quick(each, search.seed), results) for index, each in enumerate(candidates)}
    quick = {index: value for index, value in short.items() if value}
    noise = margins(search, results)
    if not noise or candidates.index(search.default) not in quick:
        yield _without_default([question for of_seed in default_over_seeds(search) for question in of_seed])
        return
    promoted = [
        candidates[index]
        for index, value in quick.items()
        if candidates[index] == search.default or not hopeless(value, list(quick.values()), noise)
    ]
    amounts = " and ".join(
        f"{amount:.3g} of {name}" for amount, name in zip(noise, search.objectives.values(), strict=True)
    )
    title = (
        f"promotion: {len(promoted)} of {len(candidates)} candidates to {search.views} views;"
        f" hopeless is what another beats by more than seed noise, {amounts}"
    )
    questions = [question for candidate in promoted for question in search.thorough(candidate, search.seed)]
    yield Round(title, questions, may_fail=True)
    full = [(candidate, search.values(search.thorough(candidate, search.seed), results)) for candidate in promoted]
    valued = [(candidate, value) for candidate, value in full if value]
    if search.default not in [candidate for candidate, _ in valued]:
        yield _without_default(search.thorough(search.default, search.seed))
        return
    yield _fresh_seeds(search, [candidate for candidate, _ in valued], [value for _, value in valued])


def _without_default(questions: Sequence[Question]) -> Round:
    """The end of a search whose default failed; ``questions`` are those that lack an answer."""
    return Round("the default has no value: there is nothing to compare candidates with", questions)


def _fresh_seeds(search: Search, promoted: Sequence[Candidate], values: Sequence[Value]) -> Round:
    """The default and the best candidate of each objective, with seeds that had no part in the selection."""
    winners = [promoted[index] for index in dict.fromkeys(best_of_each(values))]
    challengers = [candidate for candidate in winners if candidate != search.default]
    on_front = f", of {len(front(values))} on the Pareto front" if len(search.objectives) > 1 else ""
    if not challengers:
        return Round(f"the default is best on validation{on_front}: nothing is left to compare", [])
    seeds = search.of_seeds(search.fresh_seeds, first=1)
    questions = [
        question
        for candidate in [*challengers, search.default]
        for seed in seeds
        for question in search.thorough(candidate, seed)
    ]
    names = "; ".join(" ".join(f"{name}={value:g}" for name, value in best.items()) for best in challengers)
    return Round(f"fresh seeds {', '.join(map(str, seeds))} for the default and the best{on_front}: {names}", questions)
