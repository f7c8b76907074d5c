"""The cost of a plan as a table: a row for each kind of cell, then totals and the time on the clock."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ray.experiments.plan.forecast import ENCODERS, prices
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.resources import disk
from mi_ray.experiments.plan.room import Site, amount
from mi_ray.experiments.store.store import Store

HEAD = ("kind", "cells", "done", "core time", "disk", "device")


def costs(plan: Plan, store: Store, site: Site) -> Iterator[str]:
    """The lines of the table, and one on wall time; nothing if every cell is done."""
    known, done = prices(plan, store), store.committed(plan.cells)
    missing = [cell for cell in plan.cells.values() if cell.key not in done]
    if not missing:
        return
    kinds = dict.fromkeys(cell.kind for cell in plan.cells.values())
    rows = [HEAD]
    for kind in [*kinds, ""]:
        of_kind = [cell for cell in plan.cells.values() if kind in (cell.kind, "")]
        to_do = [cell for cell in of_kind if cell.key not in done]
        device = "GPU" if site.on_gpu and kind in ENCODERS else "CPU"
        rows.append((
            kind or "all", str(len(of_kind)), str(len(of_kind) - len(to_do)), span(sum(map(known.seconds, to_do))),
            amount(stored(to_do, site)), device if kind else "",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest, last in rows:
        numbers = (f"{text:>{width}}" for text, width in zip(rest, widths[1:-1], strict=True))
        yield "  ".join([f"{first:<{widths[0]}}", *numbers, last]).rstrip()
    chain = max(chains(plan, {cell.key: known.seconds(cell) for cell in missing}))
    total = sum(map(known.seconds, missing))
    if site.is_node:
        wall = max(chain, total / site.slots)
        yield f"wall time about {span(wall)} on {site.slots} slots of this machine; longest chain {span(chain)}"
    else:
        yield f"wall time at least {span(chain)}, the longest chain of cells, and {span(total)} / slots of the cluster"


def chains(plan: Plan, seconds: dict[str, float]) -> Iterator[float]:
    """Seconds of each missing cell and of the missing cells upstream of it."""
    for key in seconds:
        total, at = 0.0, key or None
        while at is not None:
            total += seconds.get(at, 0.0)
            at = plan.cells[at].upstream
        yield total


def stored(cells: list[Cell], site: Site) -> int:
    """Bytes that cells add to the store, without their images."""
    if not cells:
        return 0
    needs = disk(cells, in_bucket=site.in_bucket, slots=site.slots)
    return needs.total - needs.images


def span(seconds: float) -> str:
    """A time in the unit that people use for it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 100 * 3600 else f"{seconds / 86400:.1f} days"
