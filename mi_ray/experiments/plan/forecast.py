"""Forecast of a plan's cost, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from mi_ray.experiments.declare import BUNDLED, CDP, Question, Training, training_of
from mi_ray.experiments.plan.cost import DEFAULT_RATE, cell_work, rates
from mi_ray.experiments.plan.plan import Cell, CountsOf, Plan, build, uncounted
from mi_ray.experiments.plan.search import Search
from mi_ray.experiments.store.store import Store

ENCODERS = frozenset({"training", "embedding", "views"})
"""Kinds of cells that run images through an encoder: the work of a GPU."""

NEEDS_A_GPU = 24 * 3600.0
"""Core seconds of encoders above which the forecast states GPU-hours too."""

H100_FLOPS = 30e12
"""Operations per second that one H100 is assumed to achieve on encoders: an assumption until it is measured.

It is 3 % of the 989e12 that the data sheet gives for dense bfloat16: residual networks on small images are bound by
memory, not by arithmetic.
"""

H100_STEP_SECONDS = 0.015
"""Assumed seconds to launch one optimiser step, added to its arithmetic; they dominate if K_tr and images are small."""

MNIST_VIEWS = 300_000
"""Views in which the recipe of `infomin_grid` learns to tell MNIST's digits apart."""


@dataclass(frozen=True)
class Prices:
    """Operations per second of a core by kind of cell, measured on finished cells; empty if there are none."""

    rates: Mapping[str, float]

    def seconds(self, cell: Cell) -> float:
        """Core seconds of a cell; a kind without a rate runs at the median rate of the others."""
        unseen = median(self.rates.values()) if self.rates else DEFAULT_RATE
        return cell_work(cell) / self.rates.get(cell.kind, unseen)

    @property
    def source(self) -> str:
        """Origin of the rates."""
        return "as measured in this store" if self.rates else "a guess: nothing has run in this store yet"


def prices(plan: Plan, store: Store) -> Prices:
    """The rates of the plan's finished cells."""
    return Prices(rates(store.read(key) for key in plan.cells if store.has(key)))


def forecast(plan: Plan, store: Store) -> Iterator[str]:
    """A line per cell with its state and predicted core time, then the sum; in GPU-hours too where it needs a GPU."""
    known = prices(plan, store)
    missing = [cell for cell in plan.cells.values() if not store.has(cell.key)]
    for cell in plan.cells.values():
        done = store.has(cell.key)
        seconds = "" if done else f"{known.seconds(cell):7.0f} s"
        yield f"{'done' if done else 'to do':<8}{seconds:>10}  {plan.name(cell)}"
    to_do = sum(map(known.seconds, missing))
    yield (
        f"{len(plan.cells)} cells, {len(plan.cells) - len(missing)} done; the rest takes about {to_do / 60:.0f}"
        f" core-minutes ({known.source})"
    )
    yield from on_a_gpu(missing, known)


def notes(questions: Iterable[Question]) -> Iterator[str]:
    """A warning if trainings on MNIST's digits see fewer views than it took to learn them."""
    trainings = dict.fromkeys(filter(None, map(training_of, questions)))
    on_mnist = [t for t in trainings if isinstance(t.data, CDP) and t.data.digits != BUNDLED]
    few = {training.views for training in on_mnist if training.views < MNIST_VIEWS}
    if few:
        yield (
            f"note      MNIST's digits on a canvas of 32 pixels took {MNIST_VIEWS:,} views to learn; pairing digit"
            f" learned nothing in 100,000 (in-training estimate 0.00 bits). Here are {min(few):,}:"
            f" --axis views={MNIST_VIEWS}"
        )


def on_a_gpu(cells: Iterable[Cell], known: Prices) -> Iterator[str]:
    """One line with GPU-hours of encoders and core-hours of questions; none if cores suffice."""
    listed = list(cells)
    encoders = [cell for cell in listed if cell.kind in ENCODERS]
    if sum(map(known.seconds, encoders)) < NEEDS_A_GPU:
        return
    declared = [cell.declaration for cell in encoders]
    steps = sum(encoder.steps for encoder in declared if isinstance(encoder, Training))
    hours = (sum(map(cell_work, encoders)) / H100_FLOPS + steps * H100_STEP_SECONDS) / 3600
    others = sum(known.seconds(each) for each in listed if each.kind not in ENCODERS) / 3600
    yield (
        f"about {_hours(hours)} GPU-hours on one H100 (assumed {H100_FLOPS / 1e12:g} TFLOP/s achieved and"
        f" {1e3 * H100_STEP_SECONDS:g} ms to launch a step, neither measured)"
        f" and {_hours(others)} core-hours for questions"
    )


def forecast_search(search: Search, plan: Plan, store: Store, counts_of: CountsOf = uncounted) -> Iterator[str]:
    """Cost of a whole search from an empty store: least if all candidates but the default are hopeless, and most."""
    known = prices(plan, store)
    least, most = [], []
    for questions, fewest, largest in search.stages.values():
        cells_of_stage = list(build(questions, lambda data: None, counts_of).cells.values())
        least += cells_of_stage * fewest
        most += cells_of_stage * largest
    minutes = [sum(map(known.seconds, cells)) / 60 for cells in (least, most)]
    trainings = [sum(cell.kind == "training" for cell in cells) for cells in (least, most)]
    yield (
        f"the whole search: {search.candidates} candidates, {trainings[0]} to {trainings[1]} trainings,"
        f" {minutes[0]:.0f} to {minutes[1]:.0f} core-minutes ({known.source});"
        f" most if no candidate is hopeless"
    )
    yield from (f"at most {line}" for line in on_a_gpu(most, known))


def _hours(hours: float) -> str:
    return "under 0.1" if hours < 0.1 else f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"
