"""Why a Tune trial died: what Ray's exceptions say, in one line whose first word is the kind of death.

    oom        Ray's memory monitor, the kernel or an allocation that failed; with the memory figures and what helps
    node       its node died, or lost its connection to the head
    hung       it gave no sign of life, and was ended (see `mi_ray.orchestration.silence`)
    preempted  its node is taken back by the cloud
    exit       its process ended without an exception: a signal, a crash, or a call of ``_exit``
    start      its process or its environment did not come into being

A job that raises an exception has failed and is not tried again; after a death, it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError
from ray.train import TrainingFailedError
from ray.tune.execution import tune_controller
from ray.tune.experiment import Trial

from mi_ray.experiments.run.failures import OOM, failure_line, oom
from mi_ray.orchestration.lifeline import interrupt_if_cut

PREEMPTED = "preempted"
"""First word of the reason of a trial whose node is taken back, which does not count as a failure."""

NODE_DIED = "node has died"
"""In the texts of Ray's about an actor whose node is gone."""

FIGURES = (
    (re.compile(r"actual memory used=([\d.]+) ?GB"), "its process held {} GB"),
    (re.compile(r"was ([\d.]+) ?GB used / ([\d.]+) ?GB limit"), "its node used {} of {} GB"),
    (re.compile(r"threshold of \d+B \(([\d.]+%) of"), "above the threshold of {}"),
)
"""What Ray's memory monitor tells, and how it is told here."""

NO_WORD = "connection error code 2"
"""In the texts of Ray's about a process that ended without a word, that is by a signal or a call of ``_exit``."""

EXIT_DETAIL = re.compile(
    r"Worker exit detail: (.*?)(?: Some common causes| There are some potential| Last exception|\n|$)"
)


class Died(RayActorError):
    """An actor's death that Ray tells by an exception of another class, as Tune expects it."""

    def __init__(self, actor_id: str | None, cause: BaseException) -> None:
        super().__init__(actor_id, str(cause))  # type: ignore[arg-type]
        self.cause = cause

    def __reduce__(self) -> tuple[Any, ...]:
        return Died, (self.actor_id, self.cause)


class Actors(RayActorManager):
    """Tune's actors, of which every death is a `RayActorError`.

    For an exception of a task that is neither that nor a `RayTaskError`, such as the `OutOfMemoryError` of Ray's memory
    monitor, Tune raises RuntimeError and ends all trials. Here it is the death of one actor.
    """

    def next(self, timeout: float | None = None) -> bool:
        """Wait for the next event; `Interrupted` if the cluster is dead."""
        interrupt_if_cut()
        return super().next(timeout)

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if not isinstance(exception, RayActorError | RayTaskError):
            exception = Died(tracked_actor_task._tracked_actor.actor_id, exception)
        super()._actor_task_failed(tracked_actor_task, exception)


@contextmanager
def surviving_every_death() -> Iterator[None]:
    """Tune runs that begin in the block keep their actors by `Actors`."""
    before = tune_controller.RayActorManager
    tune_controller.RayActorManager = Actors  # type: ignore[misc]
    try:
        yield
    finally:
        tune_controller.RayActorManager = before  # type: ignore[misc]


class JobTrialRecord(Trial):
    """Tune's record of a trial, which keeps the reason of the last death in ``death``; ``hung``: why the driver ends
    its process, or ""."""

    death, hung = "", ""

    def handle_error(self, exc: Any = None) -> None:
        self.death, self.hung = self.hung or reason_of(exc), ""
        super().handle_error(exc)


def reason_of(error: BaseException | None) -> str:
    """The reason of a death, or of an exception that a job raised, on one line."""
    match error:
        case None:
            return "exit: its process ended"
        case Died(cause=cause):
            return reason_of(cause)
        case RayTaskError(cause=cause) if isinstance(cause, Exception):
            return reason_of(cause)
        case OutOfMemoryError():
            return oom("Ray's memory monitor ended its process", figures(str(error)))
        case TrainingFailedError():
            return _of_training(error)
        case RayActorError(preempted=True):
            return f"{PREEMPTED}: its node is taken back"
        case RayActorError():
            return _of_actor(error)
        case NodeDiedError():
            return f"node: {_one_line(str(error))}"
    return failure_line(error)


def figures(text: str) -> str:
    """The memory figures in the text of Ray's memory monitor, as far as they are found there."""
    found = [(pattern.search(text), words) for pattern, words in FIGURES]
    return ", ".join(words.format(*match.groups()) for match, words in found if match)


def _of_training(error: TrainingFailedError) -> str:
    """The reason of a data-parallel training: that of the first worker that died, else of Train's controller."""
    failures = list(getattr(error, "worker_failures", {}).values())
    cause = getattr(error, "controller_failure", None)
    known = [reason_of(failure) for failure in [*failures, cause] if failure is not None]
    return min(known, key=lambda reason: not reason.startswith(OOM), default=failure_line(error))


def _of_actor(error: RayActorError) -> str:
    text = str(error)
    if "running low on memory" in text:
        return oom("Ray's memory monitor ended its process", figures(text))
    if NODE_DIED in text or "node was terminated" in text:
        return f"node: {_one_line(text[text.find('The actor died because its node') :])}"
    if error.actor_init_failed or not isinstance(error, ActorDiedError):
        return f"start: {_one_line(text)}"
    if NO_WORD in text:
        return "exit: its process was killed or crashed (SIGKILL, by hand or by the kernel for lack of memory; SIGSEGV)"
    if detail := EXIT_DETAIL.search(text):
        return f"exit: its process ended ({_one_line(detail[1])})"
    return f"exit: {_one_line(text)}"


def _one_line(text: str, most: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
