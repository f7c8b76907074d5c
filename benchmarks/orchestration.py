"""Cost of orchestration: synthetic cells that sleep, in chains of one training and four questions on its encoder.

    python benchmarks/orchestration.py --chains 200 --seconds 1 --slots 16

Everything is as in a sweep (one Tune run, dependent trials, cells committed to a store, a listener) but for the work of
a cell. Prints wall time over the least possible, work / slots, and how the driver's memory grew. Slots beyond this
machine's cores are in name only: cells sleep, but their processes start, and the driver works, on the cores there are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import ray

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.declare import CDP, Embedding, Estimation, SameClass, Training
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import QUIET, Capacity, Share
from mi_ray.orchestration.sweep import run_trials

QUESTIONS = 4
MARKS = (0.1, 0.5, 1.0)
"""Shares of all cells at which the driver's memory is printed."""


def chains(n: int) -> Iterator[Job]:
    """Jobs of ``n`` trainings and of `QUESTIONS` estimations on each."""
    pairing = SameClass(task="color")
    for chain in range(n):
        training = Training(data=CDP(), pairing=pairing, arch="test_resnet", seed=chain)
        above = f"training-{chain:06d}"
        yield Job((Cell(above, training, None, "none"),))
        for seed in range(QUESTIONS):
            question = Estimation(embedding=Embedding(encoder=training), pairing=pairing, seed=seed)
            yield Job((Cell(f"estimation-{chain:06d}-{seed}", question, above, "none"),))


@dataclass(frozen=True)
class Sleep:
    """Takes ``seconds`` and commits an empty cell."""

    store: Store
    seconds: float

    def __call__(self, job: Job, folder: Path) -> str:
        attempt = self.store.attempt(job.key)
        time.sleep(self.seconds)
        attempt.publish({"kind": job.kind}, result={})
        return ""


@dataclass
class Watch:
    """Counts what ends, and looks at the driver's memory on the way."""

    jobs: int
    done: int = 0
    megabytes: dict[float, float] = field(default_factory=dict)
    first: float = 0.0

    def started(self, job: Job) -> None:
        self.first = self.first or time.monotonic()

    def finished(self, job: Job) -> None:
        self.done += 1
        for mark in MARKS:
            if self.done >= mark * self.jobs:
                self.megabytes.setdefault(mark, psutil.Process().memory_info().rss / 1e6)

    def failed(self, job: Job, reason: str) -> None:
        raise RuntimeError(f"{job.key}: {reason}")

    def waiting(self, job: Job, reason: str) -> None:
        print(f"{job.key} waits for {reason}", flush=True)

    def tick(self) -> None: ...


def main(argv: list[str] | None = None) -> None:
    """Run all chains once and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--slots", type=int, default=16)
    flags = parser.parse_args(argv)
    jobs = list(chains(flags.chains))
    watch = Watch(len(jobs))
    os.environ.update(QUIET)
    ray.init(address="local", num_cpus=flags.slots, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.prepare()
        started = time.monotonic()
        run_trials(
            jobs, Sleep(store, flags.seconds), store, watch, capacity=Capacity((Share(float(flags.slots), 0.0),))
        )
        ended = time.monotonic()
    ray.shutdown()
    least = len(jobs) * flags.seconds / flags.slots
    print(f"{len(jobs)} cells of {flags.seconds:g} s on {flags.slots} slots, {cores()} cores")
    print(f"wall {ended - started:.1f} s, least {least:.1f} s, ratio {(ended - started) / least:.2f}")
    print(f"after the first trial had begun: {ended - watch.first:.1f} s, ratio {(ended - watch.first) / least:.2f}")
    print("driver's memory, MB: " + ", ".join(f"{size:.0f} at {mark:.0%}" for mark, size in watch.megabytes.items()))


if __name__ == "__main__":
    main()
