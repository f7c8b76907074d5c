"""The process that probes, and the driver's end of it.

It runs on the driver's machine at the lowest priority, so that no training waits for it. Its numbers enter no cell.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import torch

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.experiments.declare import LinearEvaluation, NearestNeighbours, SameClass, Training
from mi_ray.experiments.declare.checks import error_line, say
from mi_ray.experiments.declare.images import tasks
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.plan import Job, Plan
from mi_ray.experiments.store.store import Store
from mi_ray.running.probing.accuracy import Probed, encoder_in, online_accuracies, step_of

LOOK_SECONDS = 2.0
"""Seconds between looks at the checkpoints of the trainings that run."""

LEAST_PRIORITY = 19
"""Niceness."""


class OnlineProbe:
    """Tells a process which trainings run; the process writes the accuracies of their checkpoints to the store."""

    def __init__(self, plan: Callable[[], Plan], store: Store, images: Mapping[str, PreparedData]) -> None:
        """``plan()``: all cells that are known by now; ``images``: by digest. The process starts with the first
        training."""
        self._plan, self._store, self._images = plan, store, images
        self._told: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._told and self._process:
            self._told.close()
            self._process.terminate()
            self._process.join()

    def began(self, job: Job) -> None:
        """The checkpoints of a training are probed from now on; other jobs have none."""
        cell = job.cells[0]
        if isinstance(cell.declaration, Training):
            data, asked = self._images[cell.data_digest], tasks_of(self._plan(), cell.key, cell.declaration)
            self._tell(Probed(key=cell.key, training=cell.declaration, data=data, tasks=asked))

    def ended(self, job: Job) -> None:
        """A job runs no more, or not now."""
        if self._process:
            self._tell(job.key)

    def _tell(self, message: Probed | str) -> None:
        if self._process is None:
            there, self._told = multiprocessing.Pipe(duplex=False)
            context = multiprocessing.get_context("spawn")
            self._process = context.Process(target=probe, args=(self._store, there), name="online probe", daemon=True)
            self._process.start()
            there.close()
        with suppress(OSError):  # it has died: trainings do not need it
            assert self._told
            self._told.send(message)


def tasks_of(plan: Plan, key: str, training: Training) -> tuple[str, ...]:
    """The tasks that a plan evaluates on the encoder of a training; that of its pairs, or the first, if none."""
    below = [cell.declaration for cell in plan.downstream(key)]
    asked = [each.task for each in below if isinstance(each, LinearEvaluation | NearestNeighbours)]
    if not asked and isinstance(training.pairing, SameClass):
        asked = [training.pairing.task]
    return tuple(dict.fromkeys(asked)) or tuple(tasks(training.data))[:1]


def take_least_priority() -> None:
    """Let every other process go first, also those of other sessions, such as Ray's: where Linux groups processes by
    session, niceness counts within a group, and the group has its own."""
    os.nice(LEAST_PRIORITY)
    with suppress(OSError):
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(LEAST_PRIORITY))


def probe(store: Store, told: Connection) -> None:
    """Probe every new checkpoint of the trainings that ``told`` names, until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends in order, and closes the pipe
    take_least_priority()
    torch.set_num_threads(1)
    running: dict[str, Probed] = {}
    parts: dict[str, dict[str, ImageSet]] = {}
    while True:
        try:
            while told.poll(LOOK_SECONDS):
                message = told.recv()
                if isinstance(message, Probed):
                    running[message.key] = message
                else:
                    running.pop(message, None)
        except EOFError:
            return
        for key, probed in list(running.items()):
            try:
                _look(store, probed, parts)
            except FileNotFoundError:  # a newer checkpoint has replaced it, or the cell is committed
                continue
            except Exception as error:
                say(f"probe: {probed.training.arch}: {error_line(error)}; not probed any more", file=sys.stderr)
                del running[key]


def _look(store: Store, probed: Probed, parts: dict[str, dict[str, ImageSet]]) -> None:
    """Probe the newest checkpoint of a training unless that was done."""
    newest = next(iter(store.backend.checkpoints(probed.key)), None)
    if newest is None or step_of(newest) in {row["step"] for row in store.probes(probed.key)}:
        return
    digest = probed.data.digest
    if digest not in parts:
        parts[digest] = probed.parts()
    found = online_accuracies(encoder_in(newest, probed.training), parts[digest], probed.tasks)
    store.note_probe(probed.key, {"step": step_of(newest), **found})
