"""Mirror cells while the sweep runs: a queue and one thread, so that no runner waits for MLflow."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.reach import Denied, Unreachable
from mi_ray.tracking.recorder import Recorder


class BackgroundRecorder:
    """A `Recorder` behind a queue and a thread of the driver's process.

    After the first failure the thread mirrors nothing more; `drain` tries all cells again. ``failure`` is that failure
    in one line, or None.
    """

    def __init__(self, recorder: Recorder, store: Store) -> None:
        self.recorder = recorder
        self.failure: str | None = None
        self._store = store
        self._queue: SimpleQueue[Cell | None] = SimpleQueue()
        self._thread = Thread(target=self._mirror_queued, name="mlflow mirror", daemon=True)

    def begin(self) -> None:
        """Create or find database, experiment and sweep run, then start the thread.

        An unreachable MLflow is recorded in ``failure``. `Denied` is raised: waiting does not change it.
        """
        try:
            self.recorder.begin()
        except Denied:
            raise
        except Unreachable as error:
            self.failure = str(error)
        self._thread.start()

    def enqueue(self, cell: Cell) -> None:
        """Queue a committed cell for mirroring. Returns at once."""
        self._queue.put(cell)

    def drain(self, plan: Plan) -> int:
        """Wait for the thread, then mirror every committed cell of ``plan``; returns the number of failures."""
        self._queue.put(None)
        self._thread.join()
        unsynced = self.recorder.mirror_all(plan, self._store)
        self.failure = self.recorder.failure
        return unsynced

    def give_up(self) -> None:
        """Wait for the thread, then end the sweep run as FAILED if MLflow answers."""
        self._queue.put(None)
        self._thread.join()
        with suppress(Unreachable):
            self.recorder.finish("FAILED")

    def _mirror_queued(self) -> None:
        """Mirror cells until None arrives (runs in the thread)."""
        while (cell := self._queue.get()) is not None:
            if self.failure is None:
                try:
                    self.recorder.mirror(cell, self._store)
                except Exception as error:  # a mirror must never stop a sweep
                    self.failure = str(error)
