"""Below the roof: a study is computed round by round, mirrored and drawn; one round, unless it searches."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.plan.study import Axes, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mi_ray.experiments.declare import Data, Question
    from mi_ray.experiments.images.prepared import PreparedData
    from mi_ray.experiments.plan.plan import Job, Plan
    from mi_ray.experiments.store.store import Store
    from mi_ray.orchestration.cluster import Capacity
    from mi_ray.orchestration.placement import Team
    from mi_ray.running.clock import Accounting
    from mi_ray.running.screen import Screen
    from mi_ray.tracking.background import BackgroundRecorder

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
NO_MLFLOW = ("MLflow", "not installed here; the same command, run where it is, mirrors every finished cell")


def stop_in_order_when_told() -> None:
    """Treat SIGTERM (Slurm, Kubernetes) as Ctrl-C. Ray puts a handler of its own in place when it connects."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    """As Ctrl-C would, also where a shell that started us in the background has Ctrl-C ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def plans(
    questions: Sequence[Question], digest_of: Callable[[Data], str | None], only: str | None
) -> tuple[Plan, Plan]:
    """The whole plan, and the part of it that ``--only`` asks for."""
    from mi_ray.experiments.plan.plan import build

    whole = build(questions, digest_of)
    plan = whole.only(only) if only else whole
    if not plan.cells:
        names = [whole.name(cell) for cell in whole.cells.values()]
        raise refuse("only", only, f"a pattern that matches a cell, such as {names[0]!r}")
    return whole, plan


def sweep(study: Study, grid: Axes, questions: Sequence[Question], store: Store, flags: argparse.Namespace) -> int:
    """Prepare the images, compute what is missing, mirror it, draw it, and say where everything is."""
    recorder = _recorder(study, store, flags)
    with _ended_with(recorder):
        data = _prepare_all(questions, store)
    with Runner(flags, {made.digest: made for made in data.values()}, store) as runner:
        rounds = Rounds(study, grid, {declaration: made.digest for declaration, made in data.items()}, runner, recorder)
        code = rounds.run()
    lines = _mirrored(study, rounds.whole, store, recorder, code) if recorder else [NO_MLFLOW]
    rounds.screen.summary([*rounds.told(), ("store", store.name), *lines])
    if code == INTERRUPTED:
        print(f"{study.name}: interrupted; what is committed is kept, the same command goes on", file=sys.stderr)
    return code


def _prepare_all(questions: Sequence[Question], store: Store) -> dict[Data, PreparedData]:
    from mi_ray.experiments.declare import data_of
    from mi_ray.experiments.images.prepared import prepare

    declared = dict.fromkeys(map(data_of, questions))
    return {data: prepare(data, store) for data in declared}


class Rounds:
    """Asks, computes what is missing, and asks again until nothing new is asked; every round has a screen of its own,
    and one account of the slots runs through all of them."""

    def __init__(
        self, study: Study, grid: Axes, digests: dict[Data, str], runner: Runner, recorder: BackgroundRecorder | None
    ) -> None:
        self._study, self._grid, self._digests = study, grid, digests
        self._runner, self._recorder = runner, recorder
        self._titles: list[str] = []
        self._accounting: Accounting | None = None
        self._asked = 0
        self._committed: set[str] = set()
        self.whole: Plan
        self.screen: Screen

    def run(self) -> int:
        """Returns the exit code that the rounds deserve: that of the first that did not end well, if one did not."""
        code = DONE
        while code == DONE and (jobs := self._ask()):
            code = self._compute(jobs)
            if not self._study.searches:
                break
        return code

    def _ask(self) -> list[Job]:
        """What is to be computed by what the store holds, and a screen for it."""
        from mi_ray.running.asking import questions_of, rounds_of
        from mi_ray.running.screen import Screen

        store, flags = self._runner.store, self._runner.flags
        rounds = rounds_of(self._study, self._grid, self._digests.get, store)
        self.whole, plan = plans(questions_of(rounds), self._digests.get, flags.only)
        self.screen = Screen(self._study, plan, store, slots=_slots(flags))
        self.screen.accounting = self._accounting = self._accounting or self.screen.accounting
        self._titles = [one.title for one in rounds if one.title]
        return plan.missing_jobs(store)

    def _compute(self, jobs: list[Job]) -> int:
        """Run the jobs under the screen; returns the exit code that they deserve."""
        screen = self.screen
        self._asked += sum(len(job.cells) for job in jobs)
        for title in self._titles[-1:]:
            print(f"\n{title}", flush=True)
        try:
            with screen:
                self._runner.run(jobs, _Both(screen, self._recorder))
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
        screen.look_again()
        self._committed |= screen.committed
        if screen.failures and not interrupted:
            return FAILED
        return INTERRUPTED if interrupted or screen.plan.missing_jobs(screen.store) else DONE

    def told(self) -> list[tuple[str, str]]:
        """The rounds, how many cells were computed here, of how many that were not in the store, and the time."""
        searched = [(f"round {number}", title) for number, title in enumerate(self._titles, start=1)]
        if not self._asked:
            return [*searched, ("computed", "0 cells: everything was in the store")]
        done = len(self._committed)
        few = f" of {self._asked} that were not in the store" if done < self._asked else ""
        counted = f"{done}{few or (' cell' if done == 1 else ' cells')}"
        return [*searched, ("computed", counted), ("time", self.screen.accounting.report())]


def _slots(flags: argparse.Namespace) -> int:
    from os import cpu_count

    return 1 if flags.on == "here" else cpu_count() or 1


class Runner:
    """Runs jobs where the flags say; connects to Ray with the first of them and leaves it at the end."""

    def __init__(self, flags: argparse.Namespace, data: dict[str, PreparedData], store: Store) -> None:
        self.flags, self.store = flags, store
        self._data = data
        self._open = ExitStack()
        self._is_connected = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def run(self, jobs: list[Job], listener: _Both) -> None:
        """Run jobs one after another in this process, or on Ray."""
        if self.flags.on == "here":
            from mi_ray.experiments.run.serial import run_here

            run_here(jobs, self._data, self.store, listener)
            return
        from mi_ray.orchestration.placement import training_slots
        from mi_ray.orchestration.sweep import run_on_ray

        capacity, team = self._connected(), team_of(self.flags)
        listener.screen.slots = training_slots(capacity, team)
        run_on_ray(jobs, self._data, self.store, listener, capacity=capacity, team=team)

    def _connected(self) -> Capacity:
        """What the cluster has now; connects to it the first time."""
        from mi_ray.orchestration.cluster import capacity, connected

        if not self._is_connected:
            self._open.enter_context(connected(self.flags.address))
            stop_in_order_when_told()
            self._is_connected = True
        return capacity()


def team_of(flags: argparse.Namespace) -> Team:
    """How many workers train together, and what of a GPU each takes."""
    from mi_ray.orchestration.placement import Team

    return Team(workers=flags.workers, gpus=flags.gpus)


class _Both:
    """Listens for the screen and the recorder."""

    def __init__(self, screen: Screen, recorder: BackgroundRecorder | None) -> None:
        self.screen, self._recorder = screen, recorder

    def waiting(self, job: Job, reason: str) -> None:
        self.screen.waiting(job, reason)

    def started(self, job: Job) -> None:
        self.screen.started(job)

    def finished(self, job: Job) -> None:
        self.screen.finished(job)
        if self._recorder:
            for cell in job.cells:
                self._recorder.enqueue(cell)

    def failed(self, job: Job, reason: str) -> None:
        self.screen.failed(job, reason)

    def tick(self) -> None:
        self.screen.tick()


def _recorder(study: Study, store: Store, flags: argparse.Namespace) -> BackgroundRecorder | None:
    """The mirror into MLflow, its database and sweep run made before anything else; None where mlflow is absent. A
    server that does not answer is told at the end, one that turns us away is bad input."""
    if find_spec("mlflow") is None:
        return None
    from mi_ray.tracking.background import BackgroundRecorder
    from mi_ray.tracking.reach import Denied
    from mi_ray.tracking.recorder import Recorder

    uri = flags.tracking_uri or f"sqlite:///{store.root}/mlflow.db"
    artifacts = None if uri.startswith("http") else store.root / "artifacts"
    sweep = f"{study.name}/{flags.preset}"
    recorder = BackgroundRecorder(Recorder(uri, experiment=study.name, sweep=sweep, artifacts=artifacts), store)
    try:
        recorder.begin()
    except Denied as error:
        raise Refused(f"tracking-uri: {error}") from error
    return recorder


@contextmanager
def _ended_with(recorder: BackgroundRecorder | None) -> Iterator[None]:
    """End the sweep run as failed if what is done here fails, such as images that are not what they should be."""
    try:
        yield
    except BaseException:
        if recorder:
            recorder.give_up()
        raise


def _mirrored(
    study: Study, whole: Plan, store: Store, recorder: BackgroundRecorder, code: int
) -> list[tuple[str, str]]:
    """Mirror what is left, draw the figures from MLflow, and say where both are; MLflow's failure loses nothing."""
    from mi_ray.tracking.reach import Unreachable, shown

    mlflow = recorder.recorder
    unsynced = recorder.drain(whole)
    if unsynced:
        return [("MLflow", f"unsynced: {unsynced} cells ({recorder.failure}); the same command mirrors them")]
    try:
        figures = _draw(study, whole, store, recorder)
        mlflow.finish({DONE: "FINISHED", INTERRUPTED: "KILLED"}.get(code, "FAILED"))
    except Unreachable as error:
        return [("MLflow", f"{error}; the same command draws the figures")]
    return [
        *(("figure", str(path)) for path in figures if path.suffix != ".pdf"),
        ("MLflow", f"{shown(mlflow.tracking_uri)}, experiment {mlflow.experiment}"),
        ("open it", mlflow.url or f"mlflow ui --backend-store-uri {mlflow.tracking_uri}"),
    ]


def _draw(study: Study, whole: Plan, store: Store, recorder: BackgroundRecorder) -> list[Path]:
    """The figures of the whole plan (cells not asked for are hatched), attached to the sweep run; none if the study
    names no analysis."""
    if not study.analysis:
        return []
    sys.path.insert(0, str(Path(__file__).parents[2]))
    analysis = import_module(f"analysis.{study.analysis}")
    mlflow = recorder.recorder
    figures = analysis.draw(whole, mlflow.tracking_uri, store.root / "figures" / mlflow.sweep, partial=True)
    mlflow.attach(figures)
    return figures
