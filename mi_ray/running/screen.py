"""A study while it runs: its matrices filling in, what runs now, the time to go; plain lines where no terminal is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TextIO

from mi_ray.experiments.declare.measures import NOT_LEARNED
from mi_ray.experiments.plan.plan import Cell, Job, Plan
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.results.statement import STATED
from mi_ray.experiments.run.learning import doubts, faults, reasons_below
from mi_ray.experiments.store.store import Store
from mi_ray.running.clock import Accounting, Clock, Forecast, to_go
from mi_ray.running.panels import UNLEARNED, Panel, aligned, certificates, entry, panels, unlearned

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

PENDING, RUNNING, FAILED, BLOCKED = "·", "…", "failed", "blocked"
HEADLINES = {"training": "in_training_bits", "estimation": "nominal_bits"}
"""The value told of a kind that has no matrix of its own."""


class Screen:
    """Shows a study while it runs: the `Listener` of both runners, to be entered; `summary` prints what came out."""

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
        """``plan`` holds the cells of the study, ``slots``: how many jobs run at once; ``stream``: stdout if None."""
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
        """Keys of the cells that jobs started here have committed; those that were there before are not among them."""
        self.accounting = Accounting(slots, clock)
        self._forecast = Forecast(self._jobs.values(), clock)
        self._notice(plan.cells.values())
        self._resting: dict[str, str] = {}
        """Why the encoder that a cell rests on did not learn, by the cell's key; known in the end."""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._live = _live(self) if self._stream.isatty() else None
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        live, self._live = self._live, None
        if live:
            live.stop()

    # What the runners tell

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
        seconds = self.accounting.ended(job, self._computed(job))
        took = f"in {seconds:.{int(seconds < 10)}f} s"
        self._say("done", self.name(job), took, self._headline(job), self._doubt(job), counts=True)

    def waiting(self, job: Job, reason: str) -> None:
        """``job`` has found no room on the cluster yet; ``reason``: what it waits for, and what is free."""
        self._say("waits", self.name(job), f"for {reason}")

    def failed(self, job: Job, reason: str) -> None:
        """``job`` is given up; what needs it is blocked."""
        self._running.pop(job.key, None)
        self.accounting.ended(job)
        self._ours(job)
        self._notice(job.cells)
        lost = [cell for cell in job.cells if cell.key not in self._results]
        below = {cell.key for one in lost for cell in self.plan.downstream(one.key)} - self._results.keys()
        self._lost |= dict.fromkeys(below, BLOCKED) | {cell.key: FAILED for cell in lost}
        self.failures[job.key] = self.name(job), reason
        self._say("failed", self.name(job), reason, counts=True)

    def set_slots(self, slots: int) -> None:
        """The cluster runs ``slots`` jobs side by side."""
        self.slots = slots

    def tick(self) -> None:
        """Once a second from the driver: lets the time to go settle. The terminal redraws itself."""
        with suppress(Exception):
            self._seconds_to_go()

    # What is known

    def name(self, job: Job) -> str:
        """A job's name for people: `Plan.job_name`."""
        return self.plan.job_name(job)

    def _ours(self, job: Job) -> None:
        """``job`` is on its way, or over: its cells count as this run's, and what an earlier failure said is void."""
        self._begun |= {cell.key for cell in job.cells} - self._results.keys()
        if self.failures.pop(job.key, None):
            again = {cell.key for cell in job.cells}
            again |= {below.key for key in again for below in self.plan.downstream(key)}
            self._lost = {key: state for key, state in self._lost.items() if key not in again}

    def _notice(self, cells: Iterable[Cell]) -> None:
        """Read the results of the cells that are committed by now."""
        found = [self.store.read(c.key) for c in cells if c.key not in self._results and self.store.has(c.key)]
        self._results |= {cell.key: cell.result for cell in found}
        self.committed |= self._begun & {cell.key for cell in found}
        self._forecast.learn(found)

    def _computed(self, job: Job) -> float | None:
        """Seconds that the cells of ``job`` say they took."""
        committed = [self.store.read(cell.key) for cell in job.cells if cell.key in self._results]
        return sum(cell.manifest.get("seconds", 0.0) for cell in committed) if committed else None

    def _headline(self, job: Job) -> str:
        value = self._study.matrix.panels.get(job.kind, HEADLINES.get(job.kind, ""))
        results = [self._results.get(cell.key, {}) for cell in job.cells]
        told = [entry(value, [result], 1, final=False) for result in results if result.get(value) is not None]
        return f"{'estimate, bits:' if value == STATED else value} {', '.join(told)}" if told else ""

    def _doubt(self, job: Job) -> str:
        """Why the job's encoder did not learn; empty if nothing is against it."""
        return next(filter(None, (self._results.get(cell.key, {}).get(NOT_LEARNED) for cell in job.cells)), "")

    def _progress(self) -> dict[str, tuple[float, float]]:
        """Running job -> share done, seconds since it started."""
        now = self._clock()
        return {key: (self.store.progress(key), now - since) for key, (_, since) in list(self._running.items())}

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
        """One line per event; on a terminal only failures, above the display."""
        if self._live and event != "failed":
            return
        tail = f"   [{self._counts()}]" if counts else ""
        self._print(f"{time.strftime('%H:%M:%S')}  {'  '.join(filter(None, [f'{event:<6}', *parts]))}{tail}")

    def _print(self, text: str) -> None:
        """To the stream; one that nobody reads any more does not stop the study."""
        with suppress(OSError, ValueError):
            if self._live:
                self._live.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=self._stream, flush=True)

    def look_again(self) -> None:
        """Notice what has been committed by now, also by jobs whose end nobody has told."""
        self._notice(self.plan.cells.values())

    def summary(self, lines: Sequence[tuple[str, str]]) -> None:
        """The matrices as text, each with why its cells are not certified, what failed, then ``label: value`` lines."""
        self.__exit__()
        self.look_again()
        found = faults(self.plan, self.store)
        self._resting = reasons_below(self.plan, found)
        for panel in self._panels:
            self._print("\n" + self._text(panel))
        if found:
            self._print("\n" + unlearned(doubts(self.plan, found)))
        told = [*((f"failed {name}", reason) for name, reason in self.failures.values()), *lines]
        width = max((len(label) for label, _ in lines), default=0)
        self._print("\n" + "\n".join(f"{label + ':':<{width + 1}} {value}" for label, value in told))

    def _text(self, panel: Panel) -> str:
        heading = (
            f"{panel.heading} ({panel.over}); rows: {self._study.matrix.row}, columns: {self._study.matrix.column}"
        )
        told = [heading, aligned(self._grid(panel, {}, final=True)), certificates(panel, self._results)]
        return "\n\n".join(filter(None, told))

    def _grid(self, panel: Panel, shares: Mapping[str, float], *, final: bool = False) -> list[list[str]]:
        """The panel as text: a line of column names, then each row's name and entries."""

        rows, columns = panel.sheet.rows, panel.sheet.columns
        entries = [
            [row, *(self._entry(panel.at(row, column), panel.value, shares, final) for column in columns)]
            for row in rows
        ]
        return [["", *columns], *entries]

    def _entry(self, cells: Sequence[Cell], value: str, shares: Mapping[str, float], final: bool) -> str:
        """What the committed cells say together, else how far the entry is; in the end with what is known of its
        error."""
        results = [self._results[cell.key] for cell in cells if value in self._results.get(cell.key, {})]
        if not results:
            return self._state(cells, shares)
        text = entry(value, results, len(cells), final=final)
        return f"{text} {UNLEARNED}" if final and any(cell.key in self._resting for cell in cells) else text

    def _state(self, cells: Sequence[Cell], shares: Mapping[str, float]) -> str:
        running = [shares[cell.key] for cell in cells if cell.key in shares]
        if running:
            return _percent(max(running)) or RUNNING
        lost = [self._lost[cell.key] for cell in cells if cell.key in self._lost]
        return lost[0] if lost else PENDING if cells else ""

    # The terminal

    def view(self) -> RenderableType:
        """The display: counts and times, the matrices side by side, what runs now."""
        from rich.columns import Columns
        from rich.console import Group
        from rich.text import Text

        progress = self._progress()
        jobs = [(job, *progress.get(key, (0.0, 0.0))) for key, (job, _) in list(self._running.items())]
        shares = {cell.key: share for job, share, _ in jobs for cell in job.cells}
        matrices = [_matrix(panel.heading, self._grid(panel, shares)) for panel in self._panels]
        running = [
            f"  {RUNNING} {self.name(job)}  {_minutes(elapsed)}  {_percent(share)}" for job, share, elapsed in jobs
        ]
        return Group(
            Text(self._title(), style="bold"), Text(), Columns(matrices, padding=(0, 4)), Text("\n".join(running))
        )

    def _title(self) -> str:
        return f"{self._study.name}   {self._counts()}   {_minutes(self.accounting.wall_seconds)} elapsed"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share > 0 else ""


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _live(screen: Screen) -> Live | None:
    """A display that redraws itself once a second, or None where rich is absent."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    latest: list[RenderableType] = [""]

    def view() -> RenderableType:
        with suppress(Exception):
            latest[0] = screen.view()
        return latest[0]

    console = Console(file=screen._stream)
    return Live(console=console, get_renderable=view, refresh_per_second=1, transient=True)


def _matrix(heading: str, grid: Sequence[Sequence[str]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=heading, box=box.SIMPLE_HEAD, title_style="", title_justify="left")
    for column in grid[0]:
        table.add_column(Text(column))
    for name, *entries in grid[1:]:
        table.add_row(Text(name, style="bold"), *(Text(entry, style=_style(entry)) for entry in entries))
    return table


def _style(entry: str) -> str:
    if entry in (FAILED, BLOCKED):
        return "red"
    return "dim" if entry in (PENDING, RUNNING, "") or entry.endswith("%") else "green"
