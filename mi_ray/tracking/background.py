"""Mirror cells while the sweep goes on: a queue and one thread, so that no runner ever waits for MLflow."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.reach import Denied, Unreachable
from mi_ray.tracking.recorder import Recorder


class BackgroundRecorder:
    """A `Recorder` behind a queue. After its first failure it rests until `drain`; ``failure`` says why in one line."""

    def __init__(self, recorder: Recorder, store: Store) -> None:
        self.recorder = recorder
        self.failure: str | None = None
        self._store = store
        self._told: SimpleQueue[Cell | None] = SimpleQueue()
        self._thread = Thread(target=self._follow, name="mlflow mirror", daemon=True)

    def begin(self) -> None:
        """Make database, experiment and sweep run before anything else does; a failure is kept, not raised, but for
        `Denied`, which would only be said again at the end."""
        try:
            self.recorder.begin()
        except Denied:
            raise
        except Unreachable as error:
            self.failure = str(error)
        self._thread.start()

    def enqueue(self, cell: Cell) -> None:
        """A cell was committed. Returns at once."""
        self._told.put(cell)

    def drain(self, plan: Plan) -> int:
        """Wait for the thread, then mirror every committed cell of ``plan``; returns how many could not be."""
        self._told.put(None)
        self._thread.join()
        unsynced = self.recorder.mirror_all(plan, self._store)
        self.failure = self.recorder.failure
        return unsynced

    def give_up(self) -> None:
        """Nothing more will be told: end the sweep run as failed, if MLflow answers."""
        self._told.put(None)
        self._thread.join()
        with suppress(Unreachable):
            self.recorder.finish("FAILED")

    def _follow(self) -> None:
        while (cell := self._told.get()) is not None:
            if self.failure is None:
                self._mirror(cell)

    def _mirror(self, cell: Cell) -> None:
        try:
            self.recorder.mirror(cell, self._store)
        except Exception as error:  # a mirror must never stop a sweep
            self.failure = str(error)
