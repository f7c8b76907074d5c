"""Kill those that make a database, at random instants: ``kills.py {making,running} FOLDER KILLS SEED``; prints JSON.

A process that has imported everything forks the ones that are killed, so that an instant is spent in what they do and
not in imports. ``making``: only the database is made, at every fourth kill by two processes of which one is killed.
``running``: the command of a study in a new store is killed within its first three seconds, or on a busy machine within
the time in which it makes its database, and then begins again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from mi_ray.experiments.images import census  # noqa: F401  (like the next ones, imported before the forks)
from mi_ray.launch import launch
from mi_ray.running import refusals, rounds  # noqa: F401
from mi_ray.running.exit import end_in_order_on_sigterm
from mi_ray.tracking.making import make_if_absent
from mi_ray.tracking.reach import Unreachable, sqlite_uri
from mi_ray.tracking.recorder import Recorder
from mi_ray.tracking.sqlite import condition
from sweeps.infomin_grid import STUDY

import_module("mlflow.store.tracking.sqlalchemy_store")

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FIRST_SECONDS = 3.0


def forked(action: Callable[[], object]) -> int:
    """The id of a new process that does only this."""
    if child := os.fork():
        return child
    code = 1
    try:
        end_in_order_on_sigterm()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        action()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        os._exit(code)


def ended(child: int, patience: float = 120.0) -> int:
    """Its exit code; it is killed if it does not end, since a command that has lost a signal would run for minutes."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(file: Path) -> str:
    try:
        return condition(file)
    except Unreachable as error:
        return f"ruined: {error}"


def progress(kill: int, seen: Counter[str]) -> None:
    if kill % 25 == 24:
        print(kill + 1, dict(seen), file=sys.stderr, flush=True)


def make(file: Path) -> None:
    make_if_absent(file, may_replace=False)


def making(folder: Path, kills: int, chance: random.Random) -> Counter[str]:
    """Goes on with what the last kill left, until a database is ready; then begins anew."""
    file, seen = folder / "mlflow.db", Counter[str]()
    began = time.monotonic()
    assert ended(forked(lambda: make(file))) == 0
    span = 1.2 * (time.monotonic() - began)
    for kill in range(kills):
        if state(file) == "ready":
            file.unlink()
        one = forked(lambda: make(file))
        other = forked(lambda: make(file)) if kill % 4 == 3 else None
        time.sleep(chance.uniform(0, span))
        os.kill(one, chance.choice(SIGNALS))
        ended(one)
        if other and (code := ended(other)):
            seen[f"ruined: the other maker ended with {code}"] += 1
        seen[state(file)] += 1
        progress(kill, seen)
    assert ended(forked(lambda: make(file))) == 0
    seen.update(f"ruined: left {path.name}" for path in folder.iterdir() if path != file)
    return seen


def begun_and_ended(mirror: Recorder) -> None:
    """What the next command does first and last. It writes: a process that died between making SQLite's journal and
    filling it leaves an empty one, which reading ignores and the next write removes."""
    mirror.begin()
    mirror.finish("KILLED")


def running(folder: Path, kills: int, chance: random.Random) -> Counter[str]:
    """Every kill hits the first command in a new store; another begins there, and leaves nothing behind."""
    seen, span = Counter[str](), FIRST_SECONDS
    for kill in range(-1, kills):
        store, began = folder / str(kill), time.monotonic()
        flags = ["--preset", "smoke", "--on", "here", "--store", str(store)]
        one = forked(partial(launch, STUDY, flags))
        if kill < 0:
            while not (store / "mlflow.db").exists():
                time.sleep(0.01)
            span = max(span, 1.2 * (time.monotonic() - began))
            os.kill(one, signal.SIGKILL)
            ended(one)
            continue
        time.sleep(chance.uniform(0, span))
        os.kill(one, chance.choice(SIGNALS))
        ended(one, patience=15.0)
        file = store / "mlflow.db"
        seen[state(file)] += 1
        mirror = Recorder(sqlite_uri(file), experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=None)
        if file.exists() or kill % 10 == 0:
            if ended(forked(partial(begun_and_ended, mirror))) or state(file) != "ready":
                seen["ruined: cannot begin again"] += 1
            for path in store.glob("mlflow.db?*"):
                print(f"left {path.name}: {path.stat().st_size} bytes, {path.read_bytes()[:8]!r}", file=sys.stderr)
                seen[f"ruined: left {path.name}"] += 1
        shutil.rmtree(store, ignore_errors=True)
        progress(kill, seen)
    return seen


if __name__ == "__main__":
    what, folder, kills, seed = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    todo = {"making": making, "running": running}[what]
    print(json.dumps(todo(Path(folder), int(kills), random.Random(int(seed)))))
