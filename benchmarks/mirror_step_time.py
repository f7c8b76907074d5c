"""Step time of a training that is mirrored, while the server is up, down or hanging: ratios of neighbouring blocks.

    OMP_NUM_THREADS=1 python benchmarks/mirror_step_time.py [--pairs N] [--minutes M]

As in a sweep with ``--on here``: the mirror is a thread of the process that trains, and shares Python's lock with it;
with Ray, trainings are other processes. A block trains for `STEPS` steps, while a cell is committed every `EVERY`
seconds, far more often than in a sweep. "up": the server takes what it is told; "down": nobody listens at the port;
"hanging": the server accepts and never answers. The mirror does not rest after a failure, as it otherwise does for a
minute, so that every block has failures. "live" and "live, hanging": the training reports its values after every
`REPORTED` steps, and the mirror follows them every `EVERY` seconds, instead of every 5; they are compared with a block
that has neither reports nor a mirror.

Printed are the medians of the ratios of neighbouring blocks with a 95 % interval, by the clock and by the
processor time of the training's thread, and the processor time of the mirror: about what Python's lock can cost the
training.

It ends after N pairs of blocks (40) or, at the end of a pair, after M minutes (10), whichever comes first; a server of
its own starts before, in seconds to a minute. One pair is a first look: ``--minutes 0`` measures it after a warm-up.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from threading import Event, Thread

import torch

from benchmarks.training_step import stepper
from mi_ray.experiments.declare.measures import LEARNING_RATE, LOSS, VIEWS_PER_SECOND
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking import background
from mi_ray.tracking.background import BackgroundRecorder
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit_all, plan_of
from tests.servers import Server, free_port

STEPS, EVERY, REPORTED = 6, 0.2, 2


@dataclass(frozen=True)
class Alone:
    """No mirror, and no reports."""


@dataclass(frozen=True)
class Mirrored:
    """Cells are committed and mirrored at ``uri``."""

    uri: str


@dataclass(frozen=True)
class Followed:
    """The values of the training are followed at ``uri``."""

    uri: str


State = Alone | Mirrored | Followed
LEAVES = 2.0
"""Seconds that a block waits, after its steps, for its mirror to end."""

Times = tuple[float, float, float]
"""Seconds of a block: by the clock, and of the processor time of the training's thread and of all others."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What blocks of steps share."""

    step: Callable[[], None]
    store: Store
    plan: Plan

    def block(self, state: State) -> Times:
        """Train for `STEPS` steps in a state."""
        match state:
            case Alone():
                return timed(self.step)
            case Mirrored(uri):
                with self._mirror(uri) as mirror, self._commits(mirror):
                    return timed(self.step)
            case Followed(uri):
                with self._mirror(uri) as mirror:
                    return self._followed(mirror)

    @contextmanager
    def _mirror(self, uri: str) -> Iterator[BackgroundRecorder]:
        """A mirror at ``uri``, each time for a new experiment."""
        recorder = Recorder(uri, experiment=f"step time {time.monotonic_ns()}", sweep="s", artifacts=None)
        mirror = BackgroundRecorder(recorder, self.store)
        starts = Thread(target=mirror.begin, daemon=True)
        starts.start()
        try:
            yield mirror
        finally:
            ends = Thread(target=lambda: (starts.join(), mirror.give_up()), daemon=True)
            ends.start()
            ends.join(LEAVES)  # a hanging server is left alone: its mirror sleeps until its own time limits

    @contextmanager
    def _commits(self, mirror: BackgroundRecorder) -> Iterator[None]:
        """A cell is committed every `EVERY` seconds."""
        over = Event()

        def commit() -> None:
            for cell in self.plan.cells.values():
                if over.wait(EVERY):
                    return
                mirror.enqueue(cell)

        commits = Thread(target=commit, daemon=True)
        commits.start()
        try:
            yield
        finally:
            over.set()
            commits.join()

    def _followed(self, mirror: BackgroundRecorder) -> Times:
        """The training reports its values, which the mirror follows."""
        cell = next(cell for cell in plan_of(views=(20_000,)).cells.values() if cell.kind == "training")
        attempt, steps = self.store.attempt(cell.key), count(1)
        mirror.began(cell)

        def step() -> None:
            self.step()
            number = next(steps)
            if number % REPORTED == 0:
                values = {"step": number, LOSS.name: 4.0, LEARNING_RATE: 0.1, VIEWS_PER_SECOND: 500.0}
                attempt.report_progress(number / STEPS, values)

        return timed(step)


def timed(step: Callable[[], None]) -> Times:
    """Take `STEPS` steps."""
    clock, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
    for _ in range(STEPS):
        step()
    clock, thread, process = time.perf_counter() - clock, time.thread_time() - thread, time.process_time() - process
    return clock, thread, process - thread


def interval(values: list[float]) -> tuple[float, float, float]:
    """Median with the order statistics that enclose it with 95 % confidence, in the normal approximation."""
    ordered, half = sorted(values), 0.98 * len(values) ** 0.5
    low, high = int(max(0, len(values) / 2 - half)), int(min(len(values) - 1, len(values) / 2 + half))
    return median(values), ordered[low], ordered[high]


def main(pairs: int, minutes: float) -> None:
    """Measure at least one pair, and print."""
    torch.set_num_threads(1)
    background.RESTS, background.LIVE_SECONDS = 0.0, EVERY
    with tempfile.TemporaryDirectory() as folder, socket.socket() as silent:
        bench = Bench(
            step=stepper("resnet10t", torch.float32, torch.channels_last),
            store=Store(Path(folder, "store")),
            plan=plan_of(),
        )
        commit_all(bench.plan.cells.values(), bench.store)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hangs, server = f"http://127.0.0.1:{silent.getsockname()[1]}", Server(Path(folder, "mlflow"))
        server.start()
        compared: dict[str, tuple[State, State]] = {
            "down": (Mirrored(f"http://127.0.0.1:{free_port()}"), Mirrored(server.url)),
            "hanging": (Mirrored(hangs), Mirrored(server.url)),
            "live": (Followed(server.url), Alone()),
            "live, hanging": (Followed(hangs), Alone()),
        }
        try:
            found = measured(bench, compared, pairs, minutes)
        finally:
            server.stop()
    print(f"{len(found['down'])} pairs")
    for name, ratios in found.items():
        by_clock, by_processor, mirrors = (interval(list(values)) for values in zip(*ratios, strict=True))
        other = "that without reports" if isinstance(compared[name][1], Alone) else "that with the server up"
        for kind, (middle, low, high) in (("clock", by_clock), ("processor time", by_processor)):
            print(f"{name}: step time {middle:.4f} of {other} ({low:.4f} to {high:.4f}), by {kind}")
        print(f"{name}: the mirror used {mirrors[0]:.2%} of the processor time of the training")


def measured(
    bench: Bench, compared: Mapping[str, tuple[State, State]], pairs: int, minutes: float
) -> dict[str, list[Times]]:
    """For each name and pair: ratios of clock and thread time, and the mirror's share of the processor time."""
    found: dict[str, list[Times]] = {name: [] for name in compared}
    until = time.monotonic() + 60 * minutes
    for number in range(pairs + 1):
        if number > 1 and time.monotonic() > until:
            break
        for name, states in compared.items():
            order = (0, 1) if number % 2 else (1, 0)
            blocks = {index: bench.block(states[index]) for index in order}
            if number:
                (clock, thread, others), (base_clock, base_thread, _) = blocks[0], blocks[1]
                found[name].append((clock / base_clock, thread / base_thread, others / thread))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40, help="most pairs of blocks per state of the server")
    parser.add_argument("--minutes", type=float, default=10.0, help="after which no pair begins")
    flags = parser.parse_args()
    main(max(1, flags.pairs), flags.minutes)
