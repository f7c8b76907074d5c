"""Mirror cells while the sweep runs: a queue and one thread, so that no runner waits for MLflow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.reach import Unreachable, Unusable, line_of
from mi_ray.tracking.recorder import Recorder

LIVE_SECONDS = 5.0
"""Seconds between looks at the trainings that run."""

RESTS = 60.0
"""Seconds after a failure in which the thread does not try again."""

Tell = Callable[[str], object]


class BackgroundRecorder:
    """A `Recorder` behind a queue and a thread of the driver's process.

    A failure is told by ``tell`` when it begins, in one line; the thread then rests. After `RESTS` seconds it tries
    again, with the next cell that is committed or the next look at a running training; `drain` tries all cells.
    ``error`` is the present failure or None.
    """

    def __init__(self, recorder: Recorder, store: Store, tell: Tell = lambda line: None) -> None:
        self.recorder = recorder
        self.error: Exception | None = None
        self._store, self._tell = store, tell
        self._queue: SimpleQueue[Cell | None] = SimpleQueue()
        self._missed: deque[Cell] = deque()
        self._training: dict[str, Cell] = {}
        self._tried_at = 0.0
        self._thread = Thread(target=self._mirror_queued, name="mlflow mirror", daemon=True)

    @property
    def failure(self) -> str | None:
        """The present failure in one line."""
        return line_of(self.error)

    def begin(self) -> None:
        """Create or find database, experiment and sweep run, then start the thread.

        An MLflow that does not answer is told. `Unusable` is raised: waiting does not change it.
        """
        try:
            self.recorder.begin()
        except Unusable:
            raise
        except Unreachable as error:
            self._fail(error)
        self._thread.start()

    def enqueue(self, cell: Cell) -> None:
        """Queue a committed cell for mirroring. Returns at once."""
        self._queue.put(cell)

    def began(self, cell: Cell) -> None:
        """A training runs: its values of the moment go to a run of their own every `LIVE_SECONDS`, until it is over."""
        self._training[cell.key] = cell

    def ended(self, cell: Cell) -> None:
        """A training runs no more, or not now."""
        self._training.pop(cell.key, None)

    def drain(self, plan: Plan) -> int:
        """Wait for the thread, then mirror every committed cell of ``plan``; returns the number of failures."""
        self._queue.put(None)
        self._thread.join()
        unsynced = self.recorder.mirror_all(plan, self._store)
        self.error = self.recorder.error
        return unsynced

    def give_up(self) -> None:
        """Wait for the thread, then end the sweep run as FAILED if MLflow answers."""
        self._queue.put(None)
        self._thread.join()
        with suppress(Unreachable):
            self.recorder.finish("FAILED")

    def _mirror_queued(self) -> None:
        """Mirror cells until None arrives, and running trainings meanwhile (runs in the thread)."""
        next_look = time.monotonic() + LIVE_SECONDS
        while True:
            try:
                cell = self._queue.get(timeout=max(0.0, next_look - time.monotonic()))
            except Empty:
                self._look()
                next_look = time.monotonic() + LIVE_SECONDS
                continue
            if cell is None:
                return
            self._missed.append(cell)
            if self.error is None or self._has_rested():
                self._catch_up()

    def _look(self) -> None:
        """Log the values of the moment of every running training. What is missed is in its history in the end."""
        if self._training and self.error is not None and self._has_rested():
            self._try_again()
        if self.error is not None:
            return
        for cell in list(self._training.values()):
            with suppress(OSError):  # a store that cannot be read tells so elsewhere
                try:
                    self.recorder.log_live(cell, self._store.latest(cell.key), self._store.probes(cell.key))
                except Unreachable as error:
                    self._fail(error)
                    return

    def _has_rested(self) -> bool:
        return time.monotonic() - self._tried_at > RESTS

    def _try_again(self) -> None:
        try:
            self.recorder.begin()
        except Unreachable as error:
            self._fail(error)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        """Mirror all cells that wait. One that cannot be read is left to `drain`, which counts it."""
        while self._missed:
            if error := self._unreachable(self._missed[0]):
                self._fail(error)
                return
            self._missed.popleft()
        if self.error:
            self._tell(f"MLflow answers again: {self.recorder.place}")
            self.error = None

    def _unreachable(self, cell: Cell) -> Unreachable | None:
        """Mirror a cell; what MLflow says if it does not take it. No other error stops the thread of a mirror."""
        try:
            self.recorder.mirror(cell, self._store)
        except Unreachable as error:
            return error
        except Exception:
            return None
        return None

    def _fail(self, error: Unreachable) -> None:
        if self.error is None:
            self._tell(f"{error}; the computation goes on, unmirrored cells are counted at the end")
        self.error, self._tried_at = error, time.monotonic()
