"""A dry run: list the cells of an order, which are done, what the others need, and what they could tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mi_ray.experiments.declare import CDP, Labelled
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.experiments.declare.kind import MOST_CLASSES
from mi_ray.experiments.images.census import Census
from mi_ray.experiments.images.inventory import inventory
from mi_ray.experiments.images.missing import missing_files, unreadable_files
from mi_ray.experiments.plan.costs import costs
from mi_ray.experiments.plan.fit import refuse_unfit
from mi_ray.experiments.plan.forecast import forecast, forecast_search, notes
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.power import lines
from mi_ray.experiments.plan.room import Site, refuse_no_room, room
from mi_ray.experiments.store.lost import poison
from mi_ray.running.order import Order
from mi_ray.running.refusals import known_digests, missing_cells, site_of


def print_images(order: Order, census: Census) -> None:
    """Print what the folders of images hold, and how many views it takes to learn them."""
    for line in [*inventory(order.questions, census), *notes(order.questions)]:
        say(line)


def print_cells(order: Order, census: Census) -> None:
    """Print the cells that are known by now and the predicted cost of those not done; computes and writes nothing."""
    refuse_unfit(order.questions)
    print_images(order, census)
    known = order.renewed(known_digests(order), census.counts)
    for line in [*known.titles, *forecast(known.plan, known.store)]:
        say(line)
    for key, reason in poison(known.store).items():
        if key in known.plan.cells:
            say(f"skipped   {known.plan.name(known.plan.cells[key])}: {reason}; --retry tries it again")
    missing, site = missing_cells(known), site_of(known)
    say("", *costs(known.plan, known.store, site), "")
    for line in [*room(missing, site), *lines(known.study.power, known.grid), *assumed(known, census)]:
        say(line)
    for line in would_be_refused(missing, site):
        say(line)
    if known.study.searches:
        say(*forecast_search(known.study.search(known.grid), known.plan, known.store, census.counts))
    for absent in missing_files(order.questions):
        say(f"missing   {absent}")
    for fault in unreadable_files(order.questions):
        say(f"unusable  {fault}")


def assumed(order: Order, census: Census) -> Iterator[str]:
    """A line for each data set whose images are not there to be counted, so that predictions rest on a guess."""
    for data in order.data:
        held = census.counts(data)
        if not held.exact and not isinstance(data, CDP):
            classes = f" of {held.classes or MOST_CLASSES} classes" if isinstance(data, Labelled) else ""
            place = f" {data.root}" if isinstance(data, Labelled) else ""
            yield f"note      {data.name}{place} has not been read: {held.images:,} images{classes} are assumed"


def would_be_refused(missing: Sequence[Cell], site: Site) -> Iterator[str]:
    """A line with the refusal that the command would end with for want of disk or memory."""
    try:
        refuse_no_room(missing, site)
    except Refused as refusal:
        yield f"refused   {refusal}"
