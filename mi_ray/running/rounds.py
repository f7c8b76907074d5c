"""Run an order: prepare the images, compute missing cells round by round, mirror and draw them, print the summary."""

from __future__ import annotations

import sys
import time

from mi_ray.compute.numerics.memory import give_back
from mi_ray.experiments.declare import Data, Labelled, OwnImages
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import Job
from mi_ray.running.clock import Accounting
from mi_ray.running.exit import DONE, FAILED, INTERRUPTED
from mi_ray.running.order import Order
from mi_ray.running.recording import Recording
from mi_ray.running.runner import Runner
from mi_ray.running.screen import Screen


def run_order(order: Order) -> int:
    """Run everything that an order asks for and print the summary; returns the exit code."""
    recording = Recording(order)
    try:
        images = {data: prepare(data, order.store, Reading(data)) for data in order.data}
    except BaseException:
        recording.give_up()
        raise
    give_back()
    digests = {data: prepared.digest for data, prepared in images.items()}
    with Runner(order.options, order.store, {made.digest: made for made in images.values()}) as runner:
        rounds = Rounds(order.renewed(digests.get), runner, recording)
        code = rounds.run()
    code, lines = recording.finish(rounds.order, code)
    rounds.screen.summary([*rounds.report(), ("store", order.store.name), *lines])
    if code == INTERRUPTED:
        message = "interrupted; what is committed is kept, the same command goes on"
        print(f"{order.study.name}: {message}", file=sys.stderr)
    return code


class Reading:
    """Tells every `TELLS` seconds how many photographs of a data set have been read; nothing of a small one."""

    TELLS = 10.0

    def __init__(self, data: Data) -> None:
        self._name = data.name if isinstance(data, Labelled | OwnImages) else "images"
        self._read, self._began = 0, time.monotonic()
        self._told = self._began

    def __call__(self, images: int) -> None:
        """Count ``images`` more."""
        self._read += images
        now = time.monotonic()
        if now - self._told >= self.TELLS:
            self._told = now
            rate = self._read / (now - self._began)
            print(f"images    {self._name}: {self._read:,} read and checked, {rate:,.0f} a second", flush=True)


class Rounds:
    """Computes the missing cells of an order, then renews it until nothing is missing.

    Every round has a screen of its own; one account of the slots runs through all of them.
    """

    def __init__(self, order: Order, runner: Runner, recording: Recording) -> None:
        self.order = order
        self._runner, self._recording = runner, recording
        self._missing = 0
        self._committed: set[str] = set()
        self.screen = self._new_screen()
        self._accounting: Accounting = self.screen.accounting

    def run(self) -> int:
        """Returns the exit code: that of the first round that did not end well, if one did not."""
        while jobs := self.order.plan.missing_jobs(self.order.store):
            code = self._compute(jobs)
            if code != DONE or not self.order.study.searches:
                return code
            self.order = self.order.renewed()
            self.screen = self._new_screen()
            self.screen.accounting = self._accounting
        return DONE

    def _new_screen(self) -> Screen:
        return Screen(self.order.study, self.order.plan, self.order.store, slots=self.order.options.slots)

    def _compute(self, jobs: list[Job]) -> int:
        """Run jobs under the screen; returns the exit code of this round."""
        screen = self.screen
        self._missing += sum(len(job.cells) for job in jobs)
        for title in self.order.titles[-1:]:
            print(f"\n{title}", flush=True)
        interrupted = False
        try:
            with screen:
                self._runner.run(jobs, ScreenAndRecording(screen, self._recording), screen.set_slots)
        except KeyboardInterrupt:
            interrupted = True
        screen.look_again()
        self._committed |= screen.committed
        if screen.failures and not interrupted:
            return FAILED
        return INTERRUPTED if interrupted or screen.plan.missing_jobs(screen.store) else DONE

    def report(self) -> list[tuple[str, str]]:
        """Lines of the summary: the rounds of a search, the number of cells computed here, and the time."""
        lines = [(f"round {number}", title) for number, title in enumerate(self.order.titles, start=1)]
        if not self._missing:
            return [*lines, ("computed", "0 cells: everything was in the store")]
        computed = len(self._committed)
        count = f"{computed} cell" if computed == 1 else f"{computed} cells"
        few = f"; {self._missing} were not in the store" if computed < self._missing else ""
        return [*lines, ("computed", count + few), ("time", self._accounting.report())]


class ScreenAndRecording:
    """The runners' listener: the screen shows every event, MLflow mirrors committed cells."""

    def __init__(self, screen: Screen, recording: Recording) -> None:
        self._screen, self._recording = screen, recording
        self.waiting, self.started = screen.waiting, screen.started
        self.silent, self.lost = screen.silent, screen.lost
        self.failed, self.tick = screen.failed, screen.tick

    def finished(self, job: Job) -> None:
        self._screen.finished(job)
        for cell in job.cells:
            self._recording.mirror(cell)
