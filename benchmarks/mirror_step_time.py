"""Step time of a training while the mirror's server is up, down or hanging: ratios of neighbouring blocks of steps.

    OMP_NUM_THREADS=1 python benchmarks/mirror_step_time.py [--pairs N] [--minutes M]

As in a sweep with ``--on here``: the mirror is a thread of the process that trains, and shares Python's lock with it;
with Ray, trainings are other processes. A block trains for `STEPS` steps, while a cell is committed every `EVERY`
seconds, far more often than in a sweep. "up": the server takes what it is told; "down": nobody listens at the port;
"hanging": the server accepts and never answers. The mirror does not rest after a failure, as it otherwise does for a
minute, so that every block has failures.

Printed are the medians of the ratios to "up" of neighbouring blocks with a 95 % interval, by the clock and by the
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

import torch

from benchmarks.training_step import stepper
from mi_ray.experiments.store.store import Store
from mi_ray.tracking import background
from mi_ray.tracking.background import BackgroundRecorder
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit_all, plan_of
from tests.servers import Server, free_port

STEPS, EVERY = 6, 0.2
Times = tuple[float, float, float]
"""Seconds of a block: by the clock, and of the processor time of the training's thread and of all others."""


@contextmanager
def mirroring(uri: str, store: Store) -> Iterator[None]:
    """Commit cells to a mirror at ``uri`` while the block runs, each time for a new experiment."""
    plan, over = plan_of(), Event()
    mirror = BackgroundRecorder(
        Recorder(uri, experiment=f"step time {time.monotonic_ns()}", sweep="s", artifacts=None), store
    )
    starts = Thread(target=mirror.begin, daemon=True)
    starts.start()

    def commit() -> None:
        for cell in plan.cells.values():
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
        starts.join()
        mirror.give_up()


def timed(step: Callable[[], None]) -> Times:
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
    background.RESTS = 0.0
    step = stepper("resnet10t", torch.float32, torch.channels_last)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as silent:
        store = Store(Path(folder, "store"))
        commit_all(plan_of().cells.values(), store)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = Server(Path(folder, "mlflow"))
        server.start()
        places = {"down": f"http://127.0.0.1:{free_port()}", "hanging": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        try:
            found: dict[str, list[Times]] = {name: [] for name in places}
            until = time.monotonic() + 60 * minutes
            for number in range(pairs + 1):
                if number > 1 and time.monotonic() > until:
                    break
                for name, uri in places.items():
                    pair = {}
                    for state, place in sorted({"up": server.url, name: uri}.items(), reverse=bool(number % 2)):
                        with mirroring(place, store):
                            pair[state] = timed(step)
                    if number:
                        (clock, thread, _), (up_clock, up_thread, _) = pair[name], pair["up"]
                        found[name].append((clock / up_clock, thread / up_thread, pair[name][2] / thread))
        finally:
            server.stop()
    print(f"{len(found['down'])} pairs")
    for name, ratios in found.items():
        by_clock, by_processor, mirrors = (interval(list(values)) for values in zip(*ratios, strict=True))
        for kind, (middle, low, high) in (("clock", by_clock), ("processor time", by_processor)):
            print(f"{name}: step time {middle:.4f} of that with the server up ({low:.4f} to {high:.4f}), by {kind}")
        print(f"{name}: the mirror used {mirrors[0]:.2%} of the processor time of the training")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40, help="most pairs of blocks per state of the server")
    parser.add_argument("--minutes", type=float, default=10.0, help="after which no pair begins")
    flags = parser.parse_args()
    main(max(1, flags.pairs), flags.minutes)
