"""Run jobs where the options say: one after another in this process, or on Ray."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.serial import DataByDigest, Listener, run_here
from mi_ray.experiments.store.store import Store
from mi_ray.running.exit import end_in_order_on_sigterm
from mi_ray.running.order import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Runner:
    """Connects to Ray with the first jobs and disconnects at the end. ``images``: by digest."""

    def __init__(self, options: Options, store: Store, images: DataByDigest) -> None:
        self._options, self._store, self._images = options, store, images
        self._connection = ExitStack()
        self._is_connected = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def run(self, jobs: Sequence[Job], listener: Listener, set_slots: Callable[[int], None]) -> None:
        """Run all jobs. ``set_slots`` is called with the number of jobs that the cluster runs side by side."""
        if self._options.on == "here":
            run_here(jobs, self._images, self._store, listener, loaders=self._options.loaders)
            return
        from mi_ray.orchestration.cluster import capacity
        from mi_ray.orchestration.connection import connected
        from mi_ray.orchestration.placement import training_slots
        from mi_ray.orchestration.sweep import run_on_ray

        if not self._is_connected:
            self._connection.enter_context(connected(self._options.address, self._options.cores))
            end_in_order_on_sigterm()
            self._is_connected = True
        room, team = capacity(), self._options.team
        set_slots(training_slots(room, team, jobs))
        run_on_ray(jobs, self._images, self._store, listener, capacity=room, team=team)
