"""What a plan needs beside what a machine has, in lines; and the refusal of what cannot fit, with what would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mi_ray.compute.images.labelled import largest_side
from mi_ray.experiments.declare import CDP, data_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.images import LEAST_SIDE
from mi_ray.experiments.plan.plan import Cell
from mi_ray.experiments.plan.resources import (
    LOADER_BYTES,
    LOADER_VIEWS,
    Disk,
    Machine,
    array_bytes,
    counted,
    disk,
    is_streamed,
    loaders_needed,
    loaders_of,
    memory,
    most_needed,
    stored_bytes,
    views_per_second,
)

ROUGH = 1.5
"""Times the memory of a machine that a training's activations may be estimated at: the estimate is that rough."""

IMAGES_SHARE = 0.8
"""Share of a machine's memory that resident images may fill."""

ARTICLES = {"training": "a", "embedding": "an", "views": "the"}
UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where cells are to run: the ``store`` by name, ``in_bucket`` or not; ``machine``: this one, ``is_node`` if cells
    run on it; ``slots``: jobs side by side; ``loaders``: the option, None if automatic; ``on_gpu``: whether it has one.
    """

    store: str
    in_bucket: bool
    machine: Machine
    is_node: bool = True
    slots: int = 1
    loaders: int | None = None
    on_gpu: bool = False


def amount(size: float) -> str:
    """Bytes in the largest unit that leaves a number of 1 or more, such as 18.5 GiB."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 1000 * unit else f"{size / unit:,.0f} {name}"
    return f"{size:.0f} B"


def room(missing: Sequence[Cell], site: Site) -> Iterator[str]:
    """A line each for disk, memory and loader cores that the ``missing`` cells need; none if nothing is missing."""
    if not missing:
        return
    needs, machine = disk(missing, in_bucket=site.in_bucket, slots=site.slots), site.machine
    free = "a bucket" if site.in_bucket else f"{amount(machine.disk)} free"
    yield f"disk      {amount(needs.total)} more in {site.store} ({free}): {_parts(needs)}"
    of_node = memory(missing, on_gpu=site.on_gpu)
    here = "this machine has" if site.is_node else "cells run on the cluster; this machine has"
    yield (
        f"memory    of a node: {amount(of_node.resident)} of images once, and up to {amount(of_node.process)} for each"
        f" of {site.slots} processes ({here} {amount(machine.memory)})"
    )
    yield from _loaders(missing, site)


def _parts(needs: Disk) -> str:
    return ", ".join(f"{name} {amount(size)}" for name, size in vars(needs).items() if size) or "nothing"


def _loaders(missing: Sequence[Cell], site: Site) -> Iterator[str]:
    """A line for a GPU and one for a CPU core, with what is used on this machine; none if no cell streams images."""
    for on_gpu, place in ((True, "a GPU"), (False, "a CPU core")):
        cell = most_needed(missing, on_gpu=on_gpu)
        if cell is None:
            return
        given = loaders_of(cell, site.loaders, site.machine.cores - 1, on_gpu=on_gpu)
        is_here = site.is_node and on_gpu == site.on_gpu
        use = f"; {given} of this machine's {site.machine.cores:g} cores are used" if is_here else ""
        needed, rate = loaders_needed(cell, on_gpu=on_gpu), views_per_second(cell.declaration, on_gpu=on_gpu)
        wanted = f"{needed} loader cores of {LOADER_VIEWS:g} and {amount(LOADER_BYTES)} each" if needed else "no loader"
        yield (
            f"loaders   {ARTICLES[cell.kind]} {cell.kind} on {place} takes {rate:,.0f} views a second: {wanted}"
            f" (assumed, not measured){use}"
        )


def refuse_no_room(missing: Sequence[Cell], site: Site) -> None:
    """Refuse cells that the store's disk or the memory of this machine cannot hold; the message says what would fit."""
    if not missing:
        return
    if not site.in_bucket:
        _refuse_disk(missing, site)
    if site.is_node:
        _refuse_memory(missing, site)


def _refuse_disk(missing: Sequence[Cell], site: Site) -> None:
    needs, free = disk(missing, in_bucket=False, slots=site.slots), site.machine.disk
    if needs.total <= free:
        return
    smaller = _smaller_images(missing, free - (needs.total - needs.images)) if needs.images > needs.embeddings else ""
    raise Refused(
        f"store: {site.store} needs {amount(needs.total)} more ({_parts(needs)}) and has {amount(free)} free; allowed:"
        f" --store on a disk with more room, or in a bucket{smaller or '; --only for a part of the cells'}"
    )


def _refuse_memory(missing: Sequence[Cell], site: Site) -> None:
    needs, has = memory(missing, on_gpu=site.on_gpu, slots=site.slots), site.machine.memory
    if needs.resident > IMAGES_SHARE * has:
        smaller = _smaller_images(missing, int(IMAGES_SHARE * has)) or "; fewer images"
        raise Refused(
            f"memory: the images take {amount(needs.resident)}, this machine has {amount(has)}; allowed: a machine with"
            f" more memory{smaller}"
        )
    if needs.process > ROUGH * has:
        raise Refused(
            f"memory: a training takes about {amount(needs.process)}, most of it for the activations of a step, this"
            f" machine has {amount(has)}; allowed: a GPU or a machine with more memory, a smaller side, arch or k_tr"
        )
    if needs.side_by_side > ROUGH * has:
        raise Refused(
            f"memory: trainings in {site.slots} processes take about {amount(needs.side_by_side)} together, this"
            f" machine has {amount(has)}; allowed: --on here, one after another, or a machine with more memory"
        )


def _smaller_images(missing: Sequence[Cell], budget: int) -> str:
    """The values of an axis at which the largest images take at most ``budget`` bytes, as the end of a refusal."""
    held = {data_of(cell.declaration): counted(cell) for cell in missing}
    resident = {data: found for data, found in held.items() if not is_streamed(data, found)}
    if not resident:
        return ""
    largest = max(resident, key=lambda data: array_bytes(data, resident[data]))
    others = sum(stored_bytes(data, found, in_bucket=False) for data, found in resident.items() if data != largest)
    if isinstance(largest, CDP):
        return "; a smaller canvas or fewer train_images and test_images"
    held_images = resident[largest].images + resident[largest].negatives
    side = largest_side(held_images, max(0, budget - others))
    return f"; --axis side={side} or less" if side >= LEAST_SIDE else ""
