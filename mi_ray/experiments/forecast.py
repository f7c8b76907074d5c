"""What a plan would cost, told before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from mi_ray.experiments.cells import Store
from mi_ray.experiments.cost import DEFAULT_RATE, predicted_work, rates
from mi_ray.experiments.plan import Plan


def forecast(plan: Plan, store: Store) -> Iterator[str]:
    """A line per cell with its state and predicted core time, then the sum.

    Rates are those of the plan's finished cells, where it has any of that kind.
    """
    committed = [store.read(key) for key in plan.cells if store.has(key)]
    known = rates(committed)
    unseen = median(known.values()) if known else DEFAULT_RATE
    to_do = 0.0
    for cell in plan.cells.values():
        seconds = predicted_work(cell.declaration) / known.get(cell.kind, unseen)
        done = store.has(cell.key)
        to_do += 0.0 if done else seconds
        yield f"{'done' if done else 'to do':<8}{'' if done else f'{seconds:7.0f} s':>10}  {plan.name(cell)}"
    yield (
        f"{len(plan.cells)} cells, {len(committed)} done; the rest takes about {to_do / 60:.0f} core-minutes"
        f" ({'as measured in this store' if known else 'a guess: nothing has run in this store yet'})"
    )
