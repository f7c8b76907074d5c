"""The serial runner: it computes the jobs of a plan one after another in this process, without Ray (floors 0 to 2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import Event, Thread
from typing import Protocol

from mi_ray.compute.numerics.cores import cores
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.plan.queue import Queue
from mi_ray.experiments.plan.resources import loaders_of
from mi_ray.experiments.run.failures import failure_line, stop_of
from mi_ray.experiments.run.loop import STOPPING, Leaving
from mi_ray.experiments.store.store import Store

DataByDigest = Mapping[str, PreparedData]

TICK_SECONDS = 1.0


class Listener(Protocol):
    """Receives the events of jobs in the driver's process."""

    def waiting(self, job: Job, reason: str) -> None: ...

    def started(self, job: Job) -> None: ...

    def silent(self, job: Job, reason: str) -> None: ...

    def died(self, job: Job, reason: str) -> None: ...

    def finished(self, job: Job) -> None: ...

    def failed(self, job: Job, reason: str) -> None: ...

    def tick(self) -> None: ...


def run_here(
    jobs: Iterable[Job], data: DataByDigest, store: Store, listener: Listener, *, loaders: int | None = None
) -> None:
    """Run every job whose upstream cell is committed or becomes so. A failed job blocks only its downstream jobs.

    Stopped if the store's disk is full, or the store cannot be written or reached any more. KeyboardInterrupt once the
    run is to stop and a running training has saved a checkpoint.

    ``loaders``: processes that decode streamed images; None: as many as needed, and as the cores beside this process.
    """
    with ticking(listener):
        _run_all(Queue(jobs, store), data, store, listener, loaders)


@contextmanager
def ticking(listener: Listener) -> Iterator[None]:
    """Call ``listener.tick`` every `TICK_SECONDS`, in a thread: this one computes."""
    over = Event()

    def tick() -> None:
        while not over.wait(TICK_SECONDS):
            listener.tick()

    thread = Thread(target=tick, name="tick", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _run_all(queue: Queue, data: DataByDigest, store: Store, listener: Listener, loaders: int | None) -> None:
    import torch

    from mi_ray.experiments.run.job import compute

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    spare = cores() - 1
    while (job := queue.take()) is not None:
        listener.started(job)
        try:
            decoding = loaders_of(job.cells[0], loaders, spare, on_gpu=device.type == "cuda")
            with STOPPING.heeded() if job.kind == "training" else nullcontext():
                compute(job, data[job.cells[0].data_digest], store, device=device, loaders=decoding)
        except Leaving:
            raise KeyboardInterrupt from None
        except (Exception, SystemExit) as error:  # a question of a user's own may call exit()
            if stop := stop_of(error, store, job.cells):
                raise stop from error
            queue.fail(job)
            listener.failed(job, failure_line(error))
        else:
            queue.done(job)
            listener.finished(job)
            if STOPPING.asked:  # in the last step of a training
                raise KeyboardInterrupt
