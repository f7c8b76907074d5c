"""A dry run: list the cells of an order, which are done, and the predicted cost of the others."""

from __future__ import annotations

from mi_ray.experiments.images.inventory import inventory
from mi_ray.experiments.images.missing import missing_files, unreadable_files
from mi_ray.experiments.plan.fit import refuse_unfit
from mi_ray.experiments.plan.forecast import forecast, forecast_search, notes
from mi_ray.running.order import Order
from mi_ray.running.refusals import known_digests


def print_images(order: Order) -> None:
    """Print what the folders of images hold, and how many views it takes to learn them."""
    for line in [*inventory(order.questions), *notes(order.questions)]:
        print(line, flush=True)


def print_cells(order: Order) -> None:
    """Print the cells that are known by now and the predicted cost of those not done; computes and writes nothing."""
    refuse_unfit(order.questions)
    print_images(order)
    known = order.renewed(known_digests(order))
    for line in [*known.titles, *forecast(known.plan, known.store)]:
        print(line)
    if known.study.searches:
        print(*forecast_search(known.study.search(known.grid), known.plan, known.store), sep="\n")
    for absent in missing_files(order.questions):
        print(f"missing   {absent}")
    for fault in unreadable_files(order.questions):
        print(f"unusable  {fault}")
