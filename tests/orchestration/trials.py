"""Small jobs without images on a real local cluster, whose computation may kill or stop its own process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mi_ray.experiments.declare import CDP, Embedding, Estimation, SameClass, Training
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.store.store import Store

BAD = "training-0"


def chains(n: int, questions: int = 1) -> Iterator[Job]:
    """``n`` trainings and as many ``questions`` on each."""
    pairing = SameClass(task="color")
    for chain in range(n):
        training = Training(data=CDP(), pairing=pairing, arch="test_resnet", seed=chain)
        yield Job((Cell(f"training-{chain}", training, None, "none"),))
        for number in range(questions):
            question = Estimation(embedding=Embedding(encoder=training), pairing=pairing, seed=number)
            key = f"estimation-{chain}" + (f"-{number}" if questions > 1 else "")
            yield Job((Cell(key, question, f"training-{chain}", "none"),))


@dataclass(frozen=True)
class Faulty:
    """Commits a cell that names the folder of its trial; the attempts at ``bad`` up to number ``times`` meet the fault
    ``what`` first."""

    store: Store
    what: str = ""
    times: int = 99
    seconds: float = 0.0
    bad: str = BAD

    def __call__(self, job: Job, folder: Path) -> str:
        attempt = self.store.attempt(job.key)
        time.sleep(self.seconds)
        if job.key == self.bad and attempt.number <= self.times:
            self._meet()
        attempt.publish({"kind": job.kind}, result={"trial": folder.name})
        return ""

    def _meet(self) -> None:
        match self.what:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                time.sleep(1.0)
                os.kill(os.getpid(), signal.SIGSTOP)
            case "memory":
                raise MemoryError("unable to allocate 9 GB")
            case "raise":
                raise ValueError("no")


@dataclass
class Heard:
    """A listener that keeps what it is told: (event, job, text)."""

    events: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def _hear(self, event: str, job: Job, text: str = "") -> None:
        self.events.append((event, job.key, text))
        self.seconds.append(time.monotonic())

    def waiting(self, job: Job, reason: str) -> None:
        self._hear("waiting", job, reason)

    def started(self, job: Job) -> None:
        self._hear("started", job)

    def silent(self, job: Job, reason: str) -> None:
        self._hear("silent", job, reason)

    def died(self, job: Job, reason: str) -> None:
        self._hear("died", job, reason)

    def finished(self, job: Job) -> None:
        self._hear("finished", job)

    def failed(self, job: Job, reason: str) -> None:
        self._hear("failed", job, reason)

    def tick(self) -> None: ...

    def told(self, event: str) -> dict[str, str]:
        """The last text of each job with this event."""
        return {key: text for name, key, text in self.events if name == event}
