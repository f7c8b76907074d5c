"""Cells that are lost: that failed, or whose computation killed its process again and again.

Marks lie beside the attempts at a cell, and go with them when it is committed:

<store>/work/<key>/<n>/died   attempt n ended with its process, and that is laid to the cell
<store>/work/<key>/failed     why the cell failed, one line; only searches, which go on without it, read it

An attempt that ended in order says so itself (`Attempt.end`). What neither ended nor committed is settled by the next
driver, or at the end of a run: while a driver is at work nobody else can tell an attempt that died from one that runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mi_ray.experiments.store.backends import ENDED
from mi_ray.experiments.store.store import Store

DIED, FAILED = "died", "failed"
MOST_DEATHS = 3
"""Deaths of its process, without a step forward between them, after which a cell is skipped."""

Traces = Mapping[str, Mapping[int, frozenset[str]]]
"""Key of a cell that has attempts -> their numbers -> names of the files in each, relative to its folder."""


def traces(store: Store) -> Traces:
    """What the attempts at all cells that are not committed have left."""
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, number, rest in (name.split("/", 2) for name in _names(store) if name.count("/") >= 2):
        if number.isdigit():
            found[key][int(number)].add(rest)
    return {key: {number: frozenset(names) for number, names in of.items()} for key, of in found.items()}


def _names(store: Store) -> list[str]:
    """Names below ``work/``. An attempt of a folder is there from its claim on, so that folders are named as well."""
    if store.bucket:
        return store.bucket.below("work")
    return [path.relative_to(store.work).as_posix() + "/" * path.is_dir() for path in store.work.glob("*/*/**/*")] + [
        f"{path.relative_to(store.work).as_posix()}/" for path in store.work.glob("*/*/")
    ]


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


def settle(store: Store, *, counts: bool) -> None:
    """Mark every attempt that neither committed nor ended, once no process computes any: as died if its death
    ``counts``, since the cell's process died with it alone, else as ended with its driver."""
    for key, attempts in traces(store).items():
        for number, names in attempts.items():
            if not names & {ENDED, DIED}:
                with suppress(OSError):
                    _mark(store, f"{key}/{number}/{DIED if counts else ENDED}", "" if counts else "its driver ended")


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
        with suppress(OSError):
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
