"""Cells that are lost: that failed, or whose computation killed its process again and again.

Marks lie beside the attempts at a cell, and go with them when it is committed:

<store>/work/<key>/<n>/died   attempt n ended with its process, and that is laid to the cell
<store>/work/<key>/failed     why the cell failed, one line; only searches, which go on without it, read it

An attempt that ended in order says so itself (`Attempt.end`). What neither ended nor committed is settled by its
driver, which hears of deaths, or by the next: while a driver is at work nobody else can tell an attempt that died from
one that runs.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mi_ray.experiments.store.backends import ENDED
from mi_ray.experiments.store.store import Store

DIED, FAILED = "died", "failed"
ON_HERE = "--on here"
"""What the store's lock says of a driver that computes in its own process, so that its death is that of the cell."""

MOST_DEATHS = 3
"""Deaths of its process, without a step forward between them, after which a cell is skipped."""

Numbered = tuple[str, int]
"""An attempt: the key of its cell, and its number."""

Traces = Mapping[str, Mapping[int, frozenset[str]]]
"""Key of a cell that has attempts -> their numbers -> names of the files in each, relative to its folder."""


def traces(store: Store, of: str = "") -> Traces:
    """What the attempts at all cells that are not committed have left, or those at the cell with the key ``of``."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, number, rest in (name.split("/", 2) for name in _names(store, of) if name.count("/") >= 2):
        if number.isdigit():
            found[key][int(number)].add(rest)
    return {key: {number: frozenset(names) for number, names in of.items()} for key, of in found.items()}


def _names(store: Store, of: str) -> list[str]:
    """Names below ``work/``, or of one cell's there. An attempt of a folder is there from its claim on, so that folders
    are named as well."""
    if store.bucket:
        return [f"{of}/{name}" for name in store.bucket.below(f"work/{of}")] if of else store.bucket.below("work")
    names: list[str] = []
    for place, folders, files in os.walk(store.work / of):  # which skips what is removed meanwhile
        below = Path(place).relative_to(store.work)
        names += [f"{(below / name).as_posix()}/" for name in folders] + [(below / name).as_posix() for name in files]
    return names


def deaths(attempts: Mapping[int, frozenset[str]]) -> int:
    """Deaths that are laid to a cell since an attempt last came further: one that leaves a later checkpoint than those
    before it was killed for another reason than what the cell does."""
    count, furthest = 0, -1
    for number in sorted(attempts):
        names = attempts[number]
        steps = [Path(name).name.partition("-")[0] for name in names if name.startswith("checkpoints/")]
        step = max((int(step) for step in steps if step.isdigit()), default=-1)
        if step > furthest:
            count, furthest = 0, step
        count += DIED in names
    return count


def kept_step(store: Store, key: str) -> int:
    """The step of the latest checkpoint of any attempt at a training that is not committed; 0 if there is none."""
    names = (name for attempt in traces(store, key).get(key, {}).values() for name in attempt)
    steps = (Path(name).name.partition("-")[0] for name in names if name.startswith("checkpoints/"))
    return max((int(step) for step in steps if step.isdigit()), default=0)


def unsettled(store: Store, of: str = "") -> set[Numbered]:
    """Attempts that neither committed nor ended and are not laid to a cell: all, or those at the cell ``of``."""
    return {
        (key, number)
        for key, attempts in traces(store, of).items()
        for number, names in attempts.items()
        if not names & {ENDED, DIED}
    }


def settle(store: Store, attempts: Iterable[Numbered] | None = None, *, counts: bool, why: str = "its driver") -> None:
    """Mark `unsettled` attempts (None: all) that no process computes any more: as died if their death ``counts``, since
    the cell's process died with it alone, else as ended with ``why``."""
    for key, number in sorted(unsettled(store) if attempts is None else attempts):
        with suppress(Exception):  # of a client of a bucket: then the next driver settles it
            _mark(store, f"{key}/{number}/{DIED if counts else ENDED}", "" if counts else f"{why} ended")


def settle_run(store: Store, exits: set[Numbered]) -> None:
    """`settle` what a run has left, at its end: as died only the attempts ``exits``, whose process ended by itself."""
    settle(store, exits & unsettled(store), counts=True)
    settle(store, counts=False)


def settle_after(store: Store, before: str) -> None:
    """`settle` what a driver has left of which the lock says ``before``; "" if it ended in order."""
    settle(store, counts=before.endswith(ON_HERE))


def poison(store: Store) -> dict[str, str]:
    """Keys of cells that killed their process `MOST_DEATHS` times, with that reason."""
    counts = {key: deaths(attempts) for key, attempts in traces(store).items()}
    return {key: f"killed its process {n} times; skipped" for key, n in counts.items() if n >= MOST_DEATHS}


def lost(store: Store) -> dict[str, str]:
    """Keys of the cells without which a search goes on, with the reason: failed, or skipped."""
    return failed(store) | poison(store)


def failed(store: Store) -> dict[str, str]:
    """Keys of cells that failed, with the reason."""
    if store.bucket:
        names = [name for name in store.bucket.below("work") if name.endswith(f"/{FAILED}") and name.count("/") == 1]
        return {name.partition("/")[0]: store.bucket.read(f"work/{name}").decode().strip() for name in names}
    return {path.parent.name: path.read_text().strip() for path in store.work.glob(f"*/{FAILED}")}


def fail(store: Store, keys: Iterable[str], reason: str) -> None:
    """Mark cells that are not committed as failed."""
    for key in keys:
        with suppress(Exception):
            if not store.has(key):
                _mark(store, f"{key}/{FAILED}", reason)


def forgive(store: Store, keys: Iterable[str]) -> None:
    """Take the marks from cells, so that they are tried again."""
    found, names = traces(store), set(keys)
    for key in names & (found.keys() | failed(store).keys()):
        for number, of_attempt in found.get(key, {}).items():
            if DIED in of_attempt:
                _mark(store, f"{key}/{number}/{ENDED}", "forgiven")
                _unmark(store, f"{key}/{number}/{DIED}")
        _unmark(store, f"{key}/{FAILED}")


def _mark(store: Store, name: str, text: str) -> None:
    if store.bucket:
        store.bucket.write(f"work/{name}", f"{text}\n".encode())
    else:
        (store.work / name).parent.mkdir(parents=True, exist_ok=True)
        (store.work / name).write_text(f"{text}\n")


def _unmark(store: Store, name: str) -> None:
    if store.bucket:
        store.bucket.remove(f"work/{name}")
    else:
        (store.work / name).unlink(missing_ok=True)
