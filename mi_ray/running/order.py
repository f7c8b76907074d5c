"""An order of work: the study, its grid, the options of the command, and the plan that follows from them.

`launch` builds one and hands it down. Images that get prepared, and results that a search waits for, change the plan;
`Order.renewed` then builds the order again, so that the plan is built here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.declare import Data, Question, data_of
from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.plan.plan import UNPREPARED, CountsOf, Plan, build, line, uncounted
from mi_ray.experiments.plan.search import LOST, Round
from mi_ray.experiments.plan.study import Axes, Study
from mi_ray.experiments.store.lost import lost
from mi_ray.experiments.store.store import Store

if TYPE_CHECKING:
    from mi_ray.orchestration.placement import Team

DigestOf = Callable[[Data], str | None]
"""The digest of a data set's images; None while they are not prepared."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of a study's command, parsed. ``axes``: overrides of the preset; ``gpus`` None: the cluster decides;
    ``loaders`` None: as many as a training needs and a node has; ``cores``: those that a local cluster uses (--slots),
    None: all that this process may use; ``retry``: try skipped and lost cells again; ``probe``: follow the kNN accuracy
    of running trainings."""

    preset: str
    axes: Axes
    only: str | None
    dry_run: bool
    on: Literal["ray", "here"]
    address: str | None
    workers: int
    gpus: float | None
    loaders: int | None
    store: str
    tracking_uri: str | None
    cores: int | None = None
    retry: bool = False
    probe: bool = False

    @property
    def slots(self) -> int:
        """Jobs that run side by side, as far as this machine tells: Ray's capacity is known once it is connected."""
        return 1 if self.on == "here" else self.cores or cores()

    @property
    def team(self) -> Team:
        """The number of workers that train one encoder together, and the GPUs and loaders of each; `Refused` if
        invalid."""
        from mi_ray.orchestration.placement import Team

        return Team(workers=self.workers, gpus=self.gpus, loaders=self.loaders)


@dataclass(frozen=True, kw_only=True)
class Order:
    """Everything that a run needs to know.

    ``counts_of``: what the images hold, as far as it was counted. ``rounds``: the questions known by now, in one round
    unless the study searches; ``whole``: the plan of all of them; ``plan``: the part of it that ``--only`` selects.
    """

    study: Study
    grid: Axes
    options: Options
    store: Store
    digest_of: DigestOf
    counts_of: CountsOf
    rounds: Sequence[Round]
    whole: Plan
    plan: Plan

    @property
    def questions(self) -> list[Question]:
        """The questions of all rounds."""
        return questions_of(self.rounds)

    @property
    def data(self) -> list[Data]:
        """The data sets of all questions, each once."""
        return list(dict.fromkeys(map(data_of, self.questions)))

    @property
    def titles(self) -> list[str]:
        """Why a search asks each of its rounds; empty for other studies."""
        return [known.title for known in self.rounds if known.title]

    def renewed(self, digest_of: DigestOf | None = None, counts_of: CountsOf | None = None) -> Order:
        """The same order by what the store holds now and, if given, by other digests or counts of images."""
        return order_of(
            self.study, self.grid, self.options, self.store, digest_of or self.digest_of, counts_of or self.counts_of
        )


def order_of(
    study: Study,
    grid: Axes,
    options: Options,
    store: Store,
    digest_of: DigestOf = lambda data: None,
    counts_of: CountsOf = uncounted,
) -> Order:
    """The order as far as the store tells; `Refused` where ``--only`` matches no cell. Reads no images."""
    if study.searches and options.only:
        raise refuse("only", options.only, "nothing in a search, which needs every cell of a round to go on")
    rounds = rounds_of(study, grid, digest_of, store)
    whole = replace(
        build(questions_of(rounds), digest_of, counts_of), made_with=made_with(options.preset, options.axes)
    )
    plan = whole.only(options.only) if options.only else whole
    if not plan.cells:
        names = [whole.name(cell) for cell in whole.cells.values()]
        raise refuse("only", options.only, f"a pattern that matches a cell, such as {names[0]!r}")
    return Order(
        study=study, grid=grid, options=options, store=store, digest_of=digest_of, counts_of=counts_of, rounds=rounds,
        whole=whole, plan=plan,
    )  # fmt: skip


def made_with(preset: str, axes: Axes) -> str:
    """``preset smoke with seed 0, 1``: what a caption says of the grid of a plan."""
    others = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in axes.items())
    return f"preset {preset}" + (f" with {others}" if others else "")


def plan_of(study: Study, grid: Axes, digest_of: DigestOf, store: Store) -> Plan:
    """The plan of every question that is known by now."""
    return build(questions_of(rounds_of(study, grid, digest_of, store)), digest_of)


def rounds_of(study: Study, grid: Axes, digest_of: DigestOf, store: Store) -> list[Round]:
    """The rounds known by now: one without a title unless the study searches.

    A search is replayed from results in the store, so its last round is the one to compute unless the store holds it.
    """
    if not study.searches:
        return [Round("", list(study.questions(grid)))]
    if find_spec("optuna") is None:
        raise Refused("a search needs optuna, which is not installed in this environment")
    from mi_ray.orchestration.search import rounds

    missed = lost(store)

    def result_of(question: Question) -> Mapping[str, Any] | None:
        digest = digest_of(data_of(question)) or UNPREPARED
        key = cell_key(question, digest)
        if store.has(key):
            return store.read(key).result
        return LOST if any(cell_key(each, digest) in missed for each in line(question)) else None

    return rounds(study.search(grid), result_of)


def questions_of(rounds: Sequence[Round]) -> list[Question]:
    """The questions of all rounds."""
    return [question for known in rounds for question in known.questions]
