"""Refusals of an order before anything is computed: absent packages, files, functions, and room on the cluster."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec

from mi_ray.compute.numerics.cores import count_gpus
from mi_ray.experiments.declare import OwnQuestion
from mi_ray.experiments.declare.checks import at_least, one_of, refuse
from mi_ray.experiments.images.missing import refuse_missing_files
from mi_ray.experiments.images.prepared import prepared
from mi_ray.experiments.plan.fit import refuse_unfit
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.room import Site, refuse_no_room
from mi_ray.running.machine import this_machine
from mi_ray.running.order import DigestOf, Options, Order


def refuse_absent_packages(order: Order) -> None:
    """Refuse options that need a package which is not installed here."""
    options = order.options
    if options.on == "ray" and find_spec("ray") is None:
        raise refuse("on", "ray", "here (ray is not installed in this environment)")
    if options.on == "here" and options.workers != 1:
        raise refuse("workers", options.workers, "1 with --on here")
    if options.cores is not None:
        _refuse_slots(options)
    if options.tracking_uri and find_spec("mlflow") is None:
        raise refuse("tracking-uri", options.tracking_uri, "nothing (mlflow is not installed in this environment)")


def _refuse_slots(options: Options) -> None:
    """Refuse a number of slots where this command does not decide it."""
    if options.on == "here" and options.cores != 1:
        raise refuse("slots", options.cores, "1 with --on here")
    if options.address is not None:
        raise refuse("slots", options.cores, "nothing with --address: the cluster has the slots that it has")
    at_least("slots", options.cores or 0, 1)


def refuse_unknown_panels(order: Order) -> None:
    """Refuse a panel whose measure a question of the user's own does not declare: its entries would be empty."""
    shown = order.study.matrix.measures
    for question in order.questions:
        if isinstance(question, OwnQuestion) and question.kind in shown:
            one_of(f"panels: {question.kind}", shown[question.kind].name, question.numbers)


def refuse_absent_files(order: Order) -> None:
    """Refuse questions whose images or checkpoints are not there, or that their encoder cannot answer."""
    refuse_missing_files(order.questions)
    refuse_unfit(order.questions)


def refuse_jobs_too_large(order: Order) -> None:
    """Refuse jobs that would wait for ever, before images are made; one core or one GPU is always there."""
    options = order.options
    if options.on == "here" or (options.workers, options.gpus, options.loaders) == (1, None, None):
        return
    from mi_ray.orchestration.cluster import local
    from mi_ray.orchestration.connection import connected
    from mi_ray.orchestration.placement import refuse_what_cannot_fit

    team = options.team
    jobs = order.plan.missing_jobs(order.store)
    with connected(options.address) if options.address else nullcontext(local(options.cores)) as capacity:
        refuse_what_cannot_fit(jobs, capacity, team)


def refuse_what_lacks_room(order: Order) -> None:
    """Refuse cells that the store's disk or this machine's memory cannot hold, before images are made."""
    refuse_no_room(missing_cells(order), site_of(order))


def missing_cells(order: Order) -> list[Cell]:
    """The cells that the store does not hold."""
    return [cell for job in order.plan.missing_jobs(order.store) for cell in job.cells]


def site_of(order: Order) -> Site:
    """The store and the machine of an order. The nodes of a cluster at an address are other machines."""
    options, store = order.options, order.store
    on_gpu = options.gpus != 0 and count_gpus() > 0
    return Site(
        store=store.name, in_bucket=store.bucket is not None, machine=this_machine(store.root),
        is_node=options.address is None, slots=options.slots, loaders=options.loaders, on_gpu=on_gpu,
    )  # fmt: skip


def known_digests(order: Order) -> DigestOf:
    """Digests of the images that the store holds already."""
    known = {data: images.digest for data in order.data if (images := prepared(data, order.store))}
    return known.get
