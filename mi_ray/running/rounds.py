"""Run an order: prepare the images, compute missing cells round by round, mirror and draw them, print the summary."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from mi_ray.compute.numerics.memory import give_back
from mi_ray.experiments.declare.checks import Refused, Stopped, say
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import Job, Plan, build
from mi_ray.experiments.run.failures import EXIT, death_of, stop_of, unusable
from mi_ray.experiments.store.healing import heal
from mi_ray.experiments.store.lost import (
    Numbered,
    fail,
    forgive,
    lost,
    poison,
    settle,
    settle_after,
    settle_run,
    unsettled,
)
from mi_ray.running.clock import Accounting, Reading
from mi_ray.running.exit import DONE, FAILED, INTERRUPTED, STOPPED
from mi_ray.running.order import Order
from mi_ray.running.recording import Recording
from mi_ray.running.runner import Runner
from mi_ray.running.screen import Screen
from mi_ray.running.stop import stopping_in_order

if TYPE_CHECKING:
    from mi_ray.running.probing.process import OnlineProbe


def run_order(order: Order, before: str = "") -> int:
    """Run everything that an order asks for and print the summary; returns the exit code. ``before``: what the store's
    lock says of a driver that did not end in order.

    Stopped, after the summary of what is there, if the store, Ray or this machine failed in the middle.
    """
    recording = Recording(order)
    try:
        settle_after(order.store, before)
        if order.options.retry:
            forgive(order.store, order.plan.cells)
        rounds = _computed(order, recording)
        if rounds.stop and unusable(order.store):
            raise rounds.stop
        code, lines = recording.finish(rounds.order, rounds.code)
        rounds.screen.summary([*rounds.report(), ("store", order.store.name), *lines])
    except Refused:
        recording.give_up()
        raise
    except Exception as error:
        with suppress(Exception):
            recording.give_up()
        if stop := stop_of(error, order.store):
            raise stop from error
        raise
    except BaseException:
        recording.give_up()
        raise
    if rounds.stop:
        raise rounds.stop
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code


def _computed(order: Order, recording: Recording) -> Rounds:
    """Prepare the images, and compute all cells that are missing."""
    images = {data: prepare(data, order.store, Reading(data)) for data in order.data}
    give_back()
    digests = {data: prepared.digest for data, prepared in images.items()}
    rounds: Rounds | None = None
    try:
        by_digest = {made.digest: made for made in images.values()}
        with ExitStack() as stack:
            runner = stack.enter_context(Runner(order.options, order.store, by_digest))
            rounds = Rounds(healed(order.renewed(digests.get)), runner, recording)
            if order.options.probe:
                from mi_ray.running.probing.process import OnlineProbe

                rounds.followers.append(stack.enter_context(OnlineProbe(rounds.plan, order.store, by_digest)))
            rounds.run()
    except Stopped as stop:  # Ray died; what is there is summed up
        if rounds is None:
            raise
        rounds.stop, rounds.code = rounds.stop or stop, STOPPED
    settle_run(order.store, rounds.exits if rounds.code in (DONE, FAILED) else set())  # else they ended with the run
    return rounds


def healed(order: Order) -> Order:
    """The order without the cells of the store that may not be used: they are set aside and named."""
    found = heal(order.store, {key: cell.upstream for key, cell in order.whole.cells.items()})
    for aside in found:
        if aside.is_damaged:
            say(f"store     {aside}")
    if resting := sum(not aside.is_damaged for aside in found):
        cells = "1 cell that rests" if resting == 1 else f"{resting} cells that rest"
        say(f"store     {cells} on others that changed or are gone: set aside until those are computed")
    return order.renewed() if found else order


def todo(order: Order) -> tuple[list[Job], list[tuple[Job, str]]]:
    """Jobs of the missing cells that can be computed, and jobs that are skipped, with the reason.

    Skipped are cells that killed their process too often and, in a search, those that raised an error; the cells below
    them cannot be computed.
    """
    missing = order.plan.missing_jobs(order.store)
    missed = lost(order.store) if order.study.searches else poison(order.store)
    below = {cell.key for key in missed for cell in order.plan.downstream(key)}
    skipped = [(Job((cell,)), missed[cell.key]) for job in missing for cell in job.cells if cell.key in missed]
    left = (tuple(cell for cell in job.cells if cell.key not in missed.keys() | below) for job in missing)
    return [Job(cells) for cells in left if cells], skipped


def lacks_answers(order: Order) -> bool:
    """Whether the last round of a search needs an answer that it does not have."""
    last = order.rounds[-1]
    needed = build(last.questions, order.digest_of).cells
    return not last.may_fail and bool(needed.keys() - order.store.committed(needed))


class Rounds:
    """Computes the missing cells of an order, then renews it until nothing is missing.

    Every round has a screen of its own; one account of the slots runs through all of them.
    """

    def __init__(self, order: Order, runner: Runner, recording: Recording) -> None:
        self.order = order
        self._runner, self._recording = runner, recording
        self.followers: list[Recording | OnlineProbe] = [recording]
        """Who hears which jobs run."""
        self.code = DONE
        """Exit code: that of the first round that did not end well, if one did not."""
        self.stop: Stopped | None = None
        """What stopped the run in the middle, if something did."""
        self.exits: set[Numbered] = set()
        """Attempts whose process ended by itself."""
        self._missing = 0
        self._committed: set[str] = set()
        self.screen = self._new_screen()
        self._accounting: Accounting = self.screen.accounting

    def run(self) -> None:
        """Compute round after round until nothing is missing, or one does not end well.

        A search goes on without the cells that failed; it fails if its last round needs one of them.
        """
        searches, tried = self.order.study.searches, set[str]()
        while True:
            jobs, skipped = todo(self.order)
            for job, reason in skipped:
                self.screen.failed(job, f"{reason}; --retry tries it again")
            if jobs:
                self.code = self._compute(jobs)
            elif skipped:
                self.code = FAILED
            keys = {cell.key for job in jobs for cell in job.cells}
            if self.code in (INTERRUPTED, STOPPED) or not searches or (jobs and keys <= tried):
                return
            if not jobs:
                self.code = FAILED if skipped and lacks_answers(self.order) else DONE
                return
            tried |= keys
            self.order = healed(self.order.renewed())
            self.screen = self._new_screen()
            self.screen.accounting = self._accounting

    def plan(self) -> Plan:
        """The plan of all questions that are known by now."""
        return self.order.whole

    def _new_screen(self) -> Screen:
        return Screen(self.order.study, self.order.plan, self.order.store, slots=self.order.options.slots)

    def _compute(self, jobs: list[Job]) -> int:
        """Run jobs under the screen; returns the exit code of this round."""
        screen = self.screen
        self._missing += sum(len(job.cells) for job in jobs)
        keys = {cell.key for job in jobs for cell in job.cells}
        for title in self.order.titles[-1:]:
            say(f"\n{title}")
        interrupted = False
        try:
            with screen, stopping_in_order(self.order.study.name, lambda: [job for job, _ in screen.running]):
                searches = self.order.study.searches
                listener = Listeners(screen, self._recording, self.followers, marks=searches, exits=self.exits)
                self._runner.run(jobs, listener, screen.set_slots)
        except KeyboardInterrupt:
            interrupted = True
        except Exception as error:
            self.stop = stop_of(error, self.order.store)
            if self.stop is None:
                raise
        screen.look_again()
        self._committed |= screen.committed
        if interrupted:
            screen.stopped()
        if self.stop:
            return STOPPED
        if interrupted or keys - screen.lost - screen.store.committed(keys):
            return INTERRUPTED
        return FAILED if screen.failures else DONE

    def report(self) -> list[tuple[str, str]]:
        """Lines of the summary: the rounds of a search, the number of cells computed here, and the time."""
        lines = [(f"round {number}", title) for number, title in enumerate(self.order.titles, start=1)]
        if not self._missing and self.screen.failures:
            return [*lines, ("computed", "0 cells: the others were in the store")]
        if not self._missing:
            return [*lines, ("computed", "0 cells: everything was in the store")]
        computed = len(self._committed)
        count = f"{computed} cell" if computed == 1 else f"{computed} cells"
        few = f"; {self._missing} were not in the store" if computed < self._missing else ""
        return [*lines, ("computed", count + few), ("time", self._accounting.report())]


class Listeners:
    """The runners' listener: the screen shows every event, MLflow mirrors committed cells, and ``followers`` hear which
    jobs run."""

    def __init__(
        self,
        screen: Screen,
        recording: Recording,
        followers: Sequence[Recording | OnlineProbe],
        *,
        marks: bool,
        exits: set[Numbered],
    ) -> None:
        """``marks``: whether the store is told which cells raised an error, so that a search goes on without them;
        ``exits``: gets the attempts whose process ended by itself."""
        self._screen, self._recording, self._marks, self._exits = screen, recording, marks, exits
        self._followers = followers
        self.waiting, self.silent, self.tick = screen.waiting, screen.silent, screen.tick

    def started(self, job: Job) -> None:
        for follower in self._followers:
            follower.began(job)
        self._screen.started(job)

    def died(self, job: Job, reason: str) -> None:
        self._ended(job)
        self._lay(job, reason)
        self._screen.died(job, reason)

    def failed(self, job: Job, reason: str) -> None:
        self._ended(job)
        if death_of(reason):
            self._lay(job, reason)
        elif self._marks:
            fail(self._screen.store, [cell.key for cell in job.cells], reason)
        self._screen.failed(job, reason)

    def _lay(self, job: Job, reason: str) -> None:
        """Lay the attempts that a death has ended to their cells if their process ended by itself, else to nobody."""
        store = self._screen.store
        with suppress(Exception):  # a store that does not answer: at the end of the run they are laid to nobody
            dead = {attempt for cell in job.cells for attempt in unsettled(store, cell.key)} - self._exits
            if death_of(reason) == EXIT:
                self._exits |= dead
            else:
                settle(store, dead, counts=False, why=death_of(reason))

    def _ended(self, job: Job) -> None:
        for follower in self._followers:
            follower.ended(job)

    def finished(self, job: Job) -> None:
        self._ended(job)
        self._screen.finished(job)
        for cell in job.cells:
            self._recording.mirror(cell)
