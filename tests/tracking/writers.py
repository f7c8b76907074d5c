"""A driver's mirror as a process: ``writers.py URI EXPERIMENT STORE SEED,SEED GO``; waits until the file GO exists."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mi_ray.experiments.store.store import Store
from mi_ray.tracking.recorder import Recorder
from tests.committed import plan_of


def main(uri: str, experiment: str, store: str, seeds: str, go: str) -> int:
    """Exit code 0: everything is mirrored."""
    plan = plan_of(seed=tuple(map(int, seeds.split(","))))
    recorder = Recorder(uri, experiment=experiment, sweep=f"{experiment}/{seeds}", artifacts=None)
    Path(f"{go}-{seeds}").touch()
    while not Path(go).exists():
        time.sleep(0.01)
    recorder.begin()
    unsynced = recorder.mirror_all(plan, Store(Path(store)))
    print(unsynced, recorder.failure)
    return int(unsynced > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
