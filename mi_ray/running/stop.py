"""An interrupted run: one line at once, a checkpoint of every running training, and what is kept of each job."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from mi_ray.experiments.declare import Training
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.loop import SAVE_SECONDS, STOPPING
from mi_ray.experiments.store.lost import kept_step
from mi_ray.experiments.store.store import Store
from mi_ray.running.exit import at_first

SAVED, LOST = "saved", "lost"
"""Events: a training goes on from its checkpoint; nothing of a job is kept."""


@contextmanager
def stopping_in_order(study: str, running: Callable[[], Sequence[Job]]) -> Iterator[None]:
    """The first interruption in the block says at once what of ``running()`` is saved and what is lost.

    Where trainings can save, KeyboardInterrupt waits for them, for at most ``2 * SAVE_SECONDS``; the next interruption
    does not wait. It is raised at the end of the block if nothing else was.
    """
    late = threading.Timer(2 * SAVE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    late.daemon = True

    def act() -> bool:
        waits = STOPPING.ask()
        _say_at_once(f"{study}: {announced(running())}{'; again: at once' if waits else ''}")
        if waits:
            late.start()
        return waits

    try:
        with at_first(act):
            yield
        if STOPPING.asked:
            raise KeyboardInterrupt
    finally:
        late.cancel()
        STOPPING.asked = False


def announced(jobs: Sequence[Job]) -> str:
    """What a stop does to running jobs: trainings save a checkpoint, all else begins anew."""
    saving = _counted(job.kind for job in jobs if job.kind == "training")
    losing = _counted(job.kind for job in jobs if job.kind != "training")
    parts = [f"saving {saving}" if saving else "", f"losing {losing}" if losing else ""]
    return "; ".join(["stopping", *filter(None, [", ".join(filter(None, parts))])])


def kept(store: Store, job: Job, seconds: float) -> tuple[str, str] | None:
    """`SAVED` or `LOST` with how far, of a job that ran for ``seconds`` when the run stopped; None if it is committed
    after all."""
    with suppress(Exception):  # a store that does not answer
        missing = [cell for cell in job.cells if not store.has(cell.key)]
        if not missing:
            return None
        training = missing[0].declaration
        if isinstance(training, Training) and (step := kept_step(store, job.key)):
            after = round(store.progress(job.key) * training.steps) - step
            return SAVED, f"at step {step} of {training.steps}{f'; {after} steps after it are lost' * (after > 0)}"
    return LOST, f"{seconds:.0f} s of work"


def _counted(kinds: Iterator[str]) -> str:
    """As "2 trainings, 1 estimation"."""
    return ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in Counter(kinds).items())


def _say_at_once(line: str) -> None:
    """Print on stderr from a signal's handler, which may have come in the middle of another line."""
    try:
        print(line, file=sys.stderr, flush=True)
    except RuntimeError:
        with suppress(OSError):
            os.write(2, f"\n{line}\n".encode())
    except (OSError, ValueError):  # a stream that is closed
        pass
