"""The training loop of one cell: steps, reports, checkpoints, and picking up where an earlier attempt was cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.compute.training.trainer import Trainer
from mi_ray.experiments.run.history import History
from mi_ray.experiments.store.failpoints import failpoint
from mi_ray.experiments.store.files import append_line, sha256
from mi_ray.experiments.store.store import Attempt

REPORTS = 50
LOOK_SECONDS = 5.0
"""How often, about, is looked whether to save or to leave: some clouds give notice of 30 seconds."""
CHECKPOINT_SECONDS = 20.0
KEPT = 2
"""Checkpoints kept, so that a torn newest one costs an interval and not the run."""


class Leaving(Exception):
    """The machine is about to go. What was trained is in a checkpoint, and another attempt goes on from it."""


def staying() -> bool:
    """For machines that nobody takes away."""
    return False


@dataclass(frozen=True)
class Progress:
    """Tells whoever asks the store how far the attempt is."""

    attempt: Attempt

    def __call__(self, share: float) -> None:
        self.attempt.report_progress(share)


def train(trainer: Trainer, attempt: Attempt | None, leaving: Callable[[], bool] = staying) -> History:
    """Train to the end; returns its `History`.

    Of workers that train together the first has the attempt: it alone writes, and reads what an earlier one left for
    all. Raises Diverged when the loss is not finite, and Leaving, once a checkpoint is there, when any worker finds
    itself ``leaving``. The history and the weights do not depend on where it was cut off.
    """
    history = _resume(trainer, attempt)
    every = max(1, trainer.steps // REPORTS)
    watch = _Watch(trainer, attempt, leaving)
    while trainer.step_number < trainer.steps:
        history.losses.append(trainer.step())
        failpoint("train.step")
        reports = trainer.step_number % every == 0 or trainer.step_number == trainer.steps
        if reports:
            history.report(trainer)
        if reports or watch.is_due():
            watch.look(history)
    if attempt:
        for record in history.records:
            append_line(attempt.payload / "history.jsonl", record)
    return history


class _Watch:
    """Looks up from the steps at every report, and in between at the pace of the steps; on all workers after the same
    one."""

    def __init__(self, trainer: Trainer, attempt: Attempt | None, leaving: Callable[[], bool]) -> None:
        self._trainer, self._attempt, self._leaving = trainer, attempt, leaving
        self._step, self._next = trainer.step_number, trainer.step_number + 1
        self._looked = self._saved = time.monotonic()

    def is_due(self) -> bool:
        return self._trainer.step_number >= self._next

    def look(self, history: History) -> None:
        """Tell how far the training is; save it if it is time; raise Leaving if a worker leaves, which saves it."""
        trainer, attempt = self._trainer, self._attempt
        if attempt:
            attempt.refuse_if_stale()
            Progress(attempt)(trainer.step_number / trainer.steps)
        if trainer.step_number == trainer.steps:
            return
        leaves = trainer.workers.any(self._leaving())
        self._next, saves = trainer.workers.from_first(self._plan())
        if saves or leaves:
            _save(trainer, history, attempt)
        if leaves:
            trainer.workers.from_first(None)
            raise Leaving(f"at step {trainer.step_number} of {trainer.steps}")

    def _plan(self) -> tuple[int, bool]:
        """The step to look after next, and whether it is time to save."""
        now, step = time.monotonic(), self._trainer.step_number
        steps = LOOK_SECONDS * (step - self._step) / max(now - self._looked, 1e-9)
        saves = now - self._saved > CHECKPOINT_SECONDS
        self._step, self._looked, self._saved = step, now, now if saves else self._saved
        return step + max(1, int(steps)), saves


def _save(trainer: Trainer, history: History, attempt: Attempt | None) -> None:
    """Write a checkpoint named by its step and sha256, its history beside it, and drop the oldest."""
    told = history.state(trainer.workers)
    if not attempt:
        return
    folder = attempt.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    unnamed = folder / "new.safetensors"
    save_tensors(trainer.state() | told, unnamed)
    named = unnamed.rename(folder / f"{trainer.step_number:09d}-{sha256(unnamed)[:32]}.safetensors")
    attempt.keep_checkpoint(named, drop=sorted(folder.glob("*-*.safetensors"))[:-KEPT])
    failpoint("train.checkpoint")


def _resume(trainer: Trainer, attempt: Attempt | None) -> History:
    """Continue, on every worker, from the newest intact checkpoint of any earlier attempt; its history is returned."""
    state = trainer.workers.from_first(_left(attempt) if attempt else None)
    if not state:
        return History()
    trainer.load(state)
    return History.of(state, trainer.device)


def _left(attempt: Attempt) -> dict[str, Tensor]:
    """The newest intact checkpoint; nothing where there is none."""
    for path in attempt.checkpoints():
        if sha256(path)[:32] == path.stem.partition("-")[2]:
            return load_tensors(path)
    return {}
