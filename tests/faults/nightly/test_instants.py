"""kill -9 at random instants of a commit: the cell is whole or absent, and computing it again completes the store."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from mi_ray.experiments.store.files import append_line, sha256
from mi_ray.experiments.store.store import Store

SEED, INSTANTS = 0, 200
NUMBERS = np.arange(20_000, dtype=np.float32)
FILES = {"declaration.json", "history.jsonl", "result.json", "h.npy"}


def commit(key: str, store: Store) -> None:
    """Commit a cell with a history, numbers and two documents, unless the store holds it."""
    if store.has(key):
        return
    attempt = store.attempt(key)
    for step in range(5):
        append_line(attempt.payload / "history.jsonl", {"step": step, "loss_nats": step / 7})
    np.save(attempt.payload / "h.npy", NUMBERS)
    attempt.publish({"kind": "embedding"}, result={"width": 7}, declaration={"arch": "test_resnet"})


def killed(key: str, store: Store, seconds: float) -> None:
    """Commit a cell in a process of its own and kill it after ``seconds``."""
    child = os.fork()
    if child == 0:
        commit(key, store)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def content(key: str, store: Store) -> dict[str, str]:
    cell = store.read(key)
    assert cell.result == {"width": 7} and len(cell.history) == 5
    return {name: sha256(cell.file(name)) for name in FILES}


def fire(store: Store, instants: int) -> int:
    """Kill ``instants`` commits, then commit all cells; returns how many the killed processes had committed."""
    store.prepare()
    commit("embedding-undisturbed", store)
    whole = content("embedding-undisturbed", store)
    began = time.monotonic()
    killed("embedding-timed", store, 0)
    commit("embedding-timed", store)
    longest = 1.5 * (time.monotonic() - began)
    draws = random.Random(SEED)
    keys = [f"embedding-{number}" for number in range(instants)]
    for key in keys:
        killed(key, store, draws.uniform(0, longest))
    before = store.committed(keys)
    assert all(content(key, store) == whole for key in before)
    for key in keys:
        commit(key, store)
    assert store.committed(keys) == set(keys)
    assert all(content(key, store) == whole for key in keys)
    return len(before)


@pytest.mark.slow
@pytest.mark.fault("F3", f"kill -9 at {INSTANTS} random instants of a commit in a folder")
def test_a_cell_in_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    assert 0 < fire(Store(tmp_path / "runs"), INSTANTS) < INSTANTS
