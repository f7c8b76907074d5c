"""The training loop of one cell: steps, reports, checkpoints, and resuming an attempt that was interrupted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_ray.experiments.declare.checks import say
from mi_ray.experiments.declare.measures import LEARNING_RATE, VIEWS_PER_SECOND
from mi_ray.experiments.store.failpoints import failpoint
from mi_ray.experiments.store.files import append_line, sha256
from mi_ray.experiments.store.store import Attempt

if TYPE_CHECKING:
    from torch import Tensor

    from mi_ray.compute.training.trainer import Trainer
    from mi_ray.experiments.run.history import History

REPORTS = 50
LOOK_SECONDS = 5.0
"""Approximate time between checks for a due checkpoint or a preemption notice; some clouds give 30 seconds' notice."""
CHECKPOINT_SECONDS = 20.0
SAVE_SECONDS = 10.0
"""Seconds that running trainings have to save a checkpoint once the run is to stop."""
KEPT = 2
"""Number of checkpoints kept. If the newest is incomplete, only the steps since the one before are lost."""


class Leaving(Exception):
    """The machine is about to be preempted, or the run is to stop. A checkpoint is saved, from which another attempt
    resumes."""


class Stopping:
    """Whether the run that this process computes for is to stop. A signal's handler may ask: no lock is taken."""

    def __init__(self) -> None:
        self.asked = False
        self._heeding = 0

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """What runs in the block looks at ``asked``, and ends soon once it is true."""
        self._heeding += 1
        try:
            yield
        finally:
            self._heeding -= 1

    def ask(self) -> bool:
        """Ask for the stop; returns whether what runs now heeds that."""
        self.asked = True
        return self._heeding > 0


STOPPING = Stopping()
"""That of this process."""


def staying() -> bool:
    """The default of ``leaving``, for machines that are not preempted: always False."""
    return False


@dataclass(frozen=True)
class Progress:
    """A callback that writes the attempt's progress, a share in 0..1, to the store."""

    attempt: Attempt

    def __call__(self, share: float, latest: Mapping[str, float] | None = None) -> None:
        self.attempt.report_progress(share, latest)


def train(trainer: Trainer, attempt: Attempt | None, leaving: Callable[[], bool] = staying) -> History:
    """Train to the last step and return the `History`.

    If several workers train together, only the first has the ``attempt``: it writes, and reads the checkpoint of an
    earlier attempt for all. Raises Diverged if the loss is not finite, and Leaving, after saving a checkpoint, if
    ``leaving()`` is true on any worker or the run is to stop. History and weights do not depend on where a training was
    interrupted.
    """
    history = _resume(trainer, attempt)
    every = max(1, trainer.steps // REPORTS)
    watch = _Watch(trainer, attempt, leaving)
    while trainer.step_number < trainer.steps:
        history.losses.append(trainer.step())
        failpoint("train.step")
        report_is_due = trainer.step_number % every == 0 or trainer.step_number == trainer.steps
        if report_is_due:
            history.report(trainer)
        if report_is_due or watch.is_due():
            watch.look(history)
    if attempt:
        for record in history.records:
            append_line(attempt.payload / "history.jsonl", record)
    return history


class _Watch:
    """Checks at every report, and about every `LOOK_SECONDS` between reports, whether to save or to leave. All workers
    check after the same step."""

    def __init__(self, trainer: Trainer, attempt: Attempt | None, leaving: Callable[[], bool]) -> None:
        self._trainer, self._attempt, self._leaving = trainer, attempt, leaving
        self._step, self._next = trainer.step_number, trainer.step_number + 1
        self._looked = self._saved = time.monotonic()

    def is_due(self) -> bool:
        hurries = STOPPING.asked and self._trainer.workers.size == 1  # several look after the same step
        return hurries or self._trainer.step_number >= self._next

    def look(self, history: History) -> None:
        """Report progress, and save a checkpoint if one is due; if any worker is leaving, save and raise Leaving."""
        trainer, attempt = self._trainer, self._attempt
        if attempt:
            attempt.refuse_if_stale()
            Progress(attempt)(trainer.step_number / trainer.steps, self._latest(history))
        if trainer.step_number == trainer.steps:
            return
        leaves = trainer.workers.any(STOPPING.asked or self._leaving())
        self._next, saves = trainer.workers.from_first(self._plan())
        if saves or leaves:
            _save(trainer, history, attempt)
        if leaves:
            trainer.workers.from_first(None)
            raise Leaving(f"at step {trainer.step_number} of {trainer.steps}")

    def _latest(self, history: History) -> dict[str, float]:
        """The training now: step, loss and estimate of this worker since the last report, learning rate, views/s."""
        trainer, now = self._trainer, time.monotonic()
        views = 2 * trainer.k_tr * (trainer.step_number - self._step)
        seconds = max(now - self._looked, 1e-9)
        known = history.latest(trainer) | {LEARNING_RATE: trainer.learning_rate}
        return known | ({VIEWS_PER_SECOND: views / seconds} if views else {})

    def _plan(self) -> tuple[int, bool]:
        """The step after which to check next, and whether a checkpoint is due."""
        now, step = time.monotonic(), self._trainer.step_number
        steps = LOOK_SECONDS * (step - self._step) / max(now - self._looked, 1e-9)
        saves = now - self._saved > CHECKPOINT_SECONDS
        self._step, self._looked, self._saved = step, now, now if saves else self._saved
        return step + max(1, int(steps)), saves


def _save(trainer: Trainer, history: History, attempt: Attempt | None) -> None:
    """Write a checkpoint of trainer and history, named by its step and sha256, and remove all but the newest `KEPT`.

    All workers must call it; only the one with the ``attempt`` writes."""
    from mi_ray.compute.numerics.tensor_files import save_tensors

    history_tensors = history.state(trainer.workers)
    if not attempt:
        return
    folder = attempt.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    unnamed = folder / "new.safetensors"
    save_tensors(trainer.state() | history_tensors, unnamed)
    named = unnamed.rename(folder / f"{trainer.step_number:09d}-{sha256(unnamed)[:32]}.safetensors")
    attempt.keep_checkpoint(named, drop=sorted(folder.glob("*-*.safetensors"))[:-KEPT])
    failpoint("train.checkpoint")


def _resume(trainer: Trainer, attempt: Attempt | None) -> History:
    """Load the newest intact checkpoint of any earlier attempt into every worker's trainer, and return its history,
    which is empty if there is no checkpoint."""
    from mi_ray.experiments.run.history import History

    state = trainer.workers.from_first(_newest_checkpoint(attempt) if attempt else None)
    if not state:
        return History()
    trainer.load(state)
    return History.of(state, trainer.device)


def _newest_checkpoint(attempt: Attempt) -> dict[str, Tensor]:
    """The tensors of the newest intact checkpoint; empty if there is none. Damaged ones are named on stderr."""
    from mi_ray.compute.numerics.tensor_files import load_tensors

    for path in attempt.checkpoints():
        with suppress(FileNotFoundError):  # another attempt has committed the cell meanwhile
            if sha256(path)[:32] == path.stem.partition("-")[2]:
                return load_tensors(path)
            say(f"store: checkpoint {path} is damaged; the one before it is used", file=sys.stderr)
    return {}
