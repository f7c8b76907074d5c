"""The screen of a running study: its matrices as they fill in, the running jobs, the time to go.

On a terminal it redraws itself; elsewhere it prints a line per event.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TextIO

from mi_ray.experiments.declare.measures import IN_TRAINING, NOMINAL, NOT_LEARNED, Measure
from mi_ray.experiments.plan.plan import Cell, Job, Plan
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.run.learning import doubts, faults, reasons_below
from mi_ray.experiments.store.store import Store
from mi_ray.running.clock import Accounting, Clock, Forecast, to_go
from mi_ray.running.figures import VERDICT
from mi_ray.running.panels import UNLEARNED, Panel, aligned, certificates, entry, moment, panels, unlearned
from mi_ray.running.stop import kept
from mi_ray.running.terminal import BLOCKED, FAILED, PENDING, RUNNING, live, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

HEARTBEAT = 30.0
"""Seconds between lines about running trainings, where the output is no terminal."""

HEADLINES = {"training": IN_TRAINING, "estimation": NOMINAL}
"""The measure that is printed when a job of a kind without a matrix ends."""


class Screen:
    """The `Listener` of both runners that shows a study; a context manager. `summary` prints the results."""

    def __init__(
        self,
        study: Study,
        plan: Plan,
        store: Store,
        *,
        slots: int,
        stream: TextIO | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """``slots``: jobs that run side by side; ``stream``: stdout if None."""
        self._study, self.plan, self.store, self._clock = study, plan, store, clock
        self._stream = stream or sys.stdout
        self.slots = slots
        self._panels = panels(study, plan)
        self._jobs = {job.key: job for job in plan.missing_jobs(store)}
        self._running: dict[str, tuple[Job, float]] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._lost: dict[str, str] = {}
        self._begun: set[str] = set()
        self.failures: dict[str, tuple[str, str]] = {}
        """Key of each failed job -> its name and the reason."""
        self.committed: set[str] = set()
        """Keys of the cells that this run has committed, without those that the store held before."""
        self.accounting = Accounting(slots, clock)
        self._forecast = Forecast(self._jobs.values(), clock)
        self._notice(plan.cells.values())
        self._resting: dict[str, str] = {}
        """Why the encoder of a cell did not learn, by the cell's key; filled in by `summary`."""
        self._live: Live | None = None
        self._told = clock()

    def __enter__(self) -> Self:
        self._live = live(self.view, self._stream) if self._stream.isatty() else None
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        live, self._live = self._live, None
        if live:
            live.stop()

    # Events, called by the runners

    def started(self, job: Job) -> None:
        """A slot begins with ``job``."""
        self._ours(job)
        self._running[job.key] = job, self._clock()
        self.accounting.started(job)
        self._forecast.started(job)
        self._say("start", self.name(job))

    def finished(self, job: Job) -> None:
        """The cells of ``job`` are committed."""
        self._running.pop(job.key, None)
        self._ours(job)
        self._notice(job.cells)
        committed = [self.store.read(cell.key) for cell in job.cells if cell.key in self._results]
        worked = sum(cell.manifest.get("seconds", 0.0) for cell in committed) if committed else None
        seconds = self.accounting.ended(job, worked)
        took = f"in {seconds:.{int(seconds < 10)}f} s"
        doubt = next(filter(None, (cell.result.get(NOT_LEARNED) for cell in committed)), "")
        self._say("done", self.name(job), took, self._headline(job), doubt, counts=True)

    def waiting(self, job: Job, reason: str) -> None:
        """``job`` has found no room on the cluster yet; ``reason``: the room that it needs and that is free."""
        self._say("waits", self.name(job), f"for {reason}")

    def silent(self, job: Job, reason: str) -> None:
        """``job`` runs, but tells nothing of itself."""
        self._say("silent", self.name(job), reason)

    def died(self, job: Job, reason: str) -> None:
        """The process or node of ``job`` died, and it is tried again."""
        self._say("died", self.name(job), reason, "tried again")

    def failed(self, job: Job, reason: str) -> None:
        """``job`` failed for good; the cells downstream of it are blocked."""
        if self._running.pop(job.key, None):
            self.accounting.ended(job)
        self._ours(job)
        self._notice(job.cells)
        lost = [cell for cell in job.cells if cell.key not in self._results]
        below = {cell.key for above in lost for cell in self.plan.downstream(above.key)} - self._results.keys()
        self._lost |= dict.fromkeys(below, BLOCKED) | {cell.key: FAILED for cell in lost}
        self.failures[job.key] = self.name(job), reason
        self._say("failed", self.name(job), reason, counts=True)

    def stopped(self) -> None:
        """The run was interrupted: tell what is kept of each job that ran."""
        for job, seconds in self.running:
            if told := kept(self.store, job, seconds):
                self._say(told[0], self.name(job), told[1])

    def set_slots(self, slots: int) -> None:
        """The cluster runs ``slots`` jobs side by side."""
        self.slots = slots

    def tick(self) -> None:
        """Called once a second by the driver: lets the time to go settle, and tells every `HEARTBEAT` seconds how the
        trainings stand. The terminal redraws itself."""
        with suppress(Exception):
            self._seconds_to_go()
            if not self._live and self._clock() - self._told >= HEARTBEAT:
                self._told = self._clock()
                for job, _ in self.running:
                    if latest := self._now(job):
                        self._say("runs", self.name(job), f"{self.store.progress(job.key):.0%}", latest)

    # State

    @property
    def running(self) -> list[tuple[Job, float]]:
        """The jobs that run now, each with the seconds since it started."""
        now = self._clock()
        return [(job, now - since) for job, since in list(self._running.values())]

    @property
    def lost(self) -> set[str]:
        """Keys of the cells that failed or are blocked by one that did."""
        return set(self._lost)

    def name(self, job: Job) -> str:
        """A job's name for people: `Plan.job_name`."""
        return self.plan.job_name(job)

    def _ours(self, job: Job) -> None:
        """``job`` has started or ended: its cells count as this run's, and an earlier failure of it is forgotten."""
        self._begun |= {cell.key for cell in job.cells} - self._results.keys()
        if self.failures.pop(job.key, None):
            again = {cell.key for cell in job.cells}
            again |= {below.key for key in again for below in self.plan.downstream(key)}
            self._lost = {key: state for key, state in self._lost.items() if key not in again}

    def _notice(self, cells: Iterable[Cell]) -> None:
        """Read the results of cells that have been committed since the last call."""
        new = [self.store.read(c.key) for c in cells if c.key not in self._results and self.store.has(c.key)]
        self._results |= {cell.key: cell.result for cell in new}
        self.committed |= self._begun & {cell.key for cell in new}
        self._forecast.learn(new)

    def _headline(self, job: Job) -> str:
        measure = (HEADLINES | self._study.matrix.measures).get(job.kind)
        if measure is None:
            return ""
        results = [self._results.get(cell.key, {}) for cell in job.cells]
        values = [entry(measure, [result], 1, final=False) for result in results if measure.value(result) is not None]
        return f"{measure.heading}: {', '.join(values)}" if values else ""

    def _progress(self) -> dict[str, tuple[float, float]]:
        """Running job -> share done, seconds since it started."""
        return {job.key: (self.store.progress(job.key), seconds) for job, seconds in self.running}

    def _now(self, job: Job) -> str:
        """How a running training stands; empty for other jobs."""
        return moment(self.store.latest(job.key), self.store.last_probe(job.key)) if job.kind == "training" else ""

    def _seconds_to_go(self) -> float | None:
        over = self._results.keys() | self._lost.keys()
        waiting = [key for key, job in self._jobs.items() if not over.issuperset(cell.key for cell in job.cells)]
        return self._forecast.seconds(waiting, self._progress(), slots=self.slots)

    def _counts(self) -> str:
        done = f"{len(self._results)}/{len(self.plan.cells)}"
        lost = [f"{n} {word}" for word in (FAILED, BLOCKED) if (n := list(self._lost.values()).count(word))]
        return ", ".join(filter(None, [done, *lost, to_go(self._seconds_to_go())]))

    # Plain lines and tables

    def _say(self, event: str, *parts: str, counts: bool = False) -> None:
        """One line per event; on a terminal only failures, deaths and silences, above the display."""
        if self._live and event not in ("failed", "died", "silent"):
            return
        tail = f"   [{self._counts()}]" if counts else ""
        self._print(f"{time.strftime('%H:%M:%S')}  {'  '.join(filter(None, [f'{event:<6}', *parts]))}{tail}")

    def _print(self, text: str) -> None:
        """Print to the stream. A stream that is closed does not stop the study."""
        with suppress(OSError, ValueError):
            if self._live:
                self._live.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=self._stream, flush=True)

    def look_again(self) -> None:
        """Read the results of all committed cells, also of jobs whose end was not reported."""
        self._notice(self.plan.cells.values())

    def summary(self, lines: Sequence[tuple[str, str]]) -> None:
        """Print the verdict, the matrices with their certificates, the failures, then ``label: value`` lines."""
        self.__exit__()
        self.look_again()
        for _, sentence in (line for line in lines if line[0] == VERDICT):
            self._print(f"\n{VERDICT}: {sentence}")
        lines = [line for line in lines if line[0] != VERDICT]
        reasons = faults(self.plan, self.store)
        self._resting = reasons_below(self.plan, reasons)
        for panel in self._panels:
            matrix = self._study.matrix
            heading = f"{panel.heading} ({panel.legend}); rows: {matrix.row}, columns: {matrix.column}"
            parts = heading, aligned(self._grid(panel, {}, final=True)), certificates(panel, self._results)
            self._print("\n" + "\n\n".join(filter(None, parts)))
        if reasons:
            self._print("\n" + unlearned(doubts(self.plan, reasons)))
        failures = [(f"failed {name}", reason) for name, reason in self.failures.values()]
        width = max((len(label) for label, _ in lines), default=0)
        self._print("\n" + "\n".join(f"{label + ':':<{width + 1}} {value}" for label, value in [*failures, *lines]))

    def _grid(self, panel: Panel, shares: Mapping[str, float], *, final: bool = False) -> list[list[str]]:
        """The panel as text: a line of column names, then each row's name and entries."""
        rows, columns = panel.sheet.rows, panel.sheet.columns
        entries = [
            [row, *(self._entry(panel.at(row, column), panel.measure, shares, final) for column in columns)]
            for row in rows
        ]
        return [["", *columns], *entries]

    def _entry(self, cells: Sequence[Cell], measure: Measure, shares: Mapping[str, float], final: bool) -> str:
        """The text of an entry: results of its committed cells, else progress, else whether its cells failed or wait.

        ``final``: the run is over, so that standard errors and daggers are shown.
        """
        results = [self._results[cell.key] for cell in cells if measure.name in self._results.get(cell.key, {})]
        if results:
            text = entry(measure, results, len(cells), final=final)
            return f"{text} {UNLEARNED}" if final and any(cell.key in self._resting for cell in cells) else text
        running = [shares[cell.key] for cell in cells if cell.key in shares]
        if running:
            return _percent(max(running)) or RUNNING
        lost = [self._lost[cell.key] for cell in cells if cell.key in self._lost]
        return lost[0] if lost else PENDING if cells else ""

    # The terminal

    def view(self) -> RenderableType:
        """The display: counts and times, the matrices side by side, the running jobs."""
        from rich.columns import Columns
        from rich.console import Group
        from rich.text import Text

        progress = self._progress()
        jobs = [(job, *progress.get(job.key, (0.0, 0.0))) for job, _ in self.running]
        shares = {cell.key: share for job, share, _ in jobs for cell in job.cells}
        matrices = [table(panel.heading, self._grid(panel, shares)) for panel in self._panels]
        lines = (
            [f"  {RUNNING} {self.name(job)}", _minutes(elapsed), _percent(share), self._now(job)]
            for job, share, elapsed in jobs
        )
        running = ["  ".join(filter(None, line)) for line in lines]
        title = f"{self._study.name}   {self._counts()}   {_minutes(self.accounting.wall_seconds)} elapsed"
        return Group(Text(title, style="bold"), Text(), Columns(matrices, padding=(0, 4)), Text("\n".join(running)))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share > 0 else ""


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
