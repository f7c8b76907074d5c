"""The roof: a study file calls `launch(STUDY)`. Reads the few flags, refuses nonsense, picks runner and recorder.

The lazy imports here are the only ones in the house that decide what must be installed: ``--on here`` needs no ray, and
without mlflow a study runs all the same and is mirrored when its command is next run where mlflow is.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mi_ray.experiments.checks import Refused, refuse
from mi_ray.experiments.study import Study, parse_axes

if TYPE_CHECKING:
    from mi_ray.experiments.cells import Store
    from mi_ray.experiments.data import PreparedData
    from mi_ray.experiments.declare import CDP, Question
    from mi_ray.experiments.plan import Job, Plan
    from mi_ray.screen import Screen
    from mi_ray.tracking.background import BackgroundRecorder

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
NO_MLFLOW = ("MLflow", "not installed here; the same command, run where it is, mirrors every finished cell")


def launch(study: Study, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a study from the command line. Exit code 0: complete; 1: cells failed; 2: refused; 130: interrupted."""
    _stop_in_order_when_told()
    try:
        sys.exit(_launch(study, flags_of(study).parse_args(argv)))
    except Refused as refusal:
        print(f"{study.name}: {refusal}", file=sys.stderr)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _stop_in_order_when_told() -> None:
    """Treat SIGTERM (Slurm, Kubernetes) as Ctrl-C. Ray puts a handler of its own in place when it connects."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> None:
    """As Ctrl-C would, also where a shell that started us in the background has Ctrl-C ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def flags_of(study: Study) -> argparse.ArgumentParser:
    """The flags that every study has, and no others: settings of the science are axes."""
    first, _, rest = (sys.modules[study.trial.__module__].__doc__ or study.name).partition("\n")
    parser = _OneLineParser(
        prog=study.name, description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default=study.default_preset, help=f"one of {', '.join(study.presets)} (%(default)s)")
    add("--axis", action="append", default=[], metavar="NAME=V1,V2", help=f"override an axis: {', '.join(study.types)}")
    add("--only", metavar="GLOB", help="compute only cells whose name matches, and what they need")
    add("--dry-run", action="store_true", help="list cells, what is done, and the predicted cost")
    add("--on", choices=("ray", "here"), default="ray", help="Ray Tune, or one after another in this process")
    add("--address", help="a running Ray cluster (auto, or host:port); a local one is started otherwise")
    add("--store", type=Path, default=Path("runs"), help="folder of finished cells (%(default)s)")
    add("--tracking-uri", help="MLflow tracking URI (SQLite in the store)")
    return parser


def _launch(study: Study, flags: argparse.Namespace) -> int:
    questions = list(study.questions(study.grid(flags.preset, parse_axes(study, flags.axis))))
    _refuse_what_is_not_installed(flags)
    from mi_ray.experiments.cells import Store
    from mi_ray.experiments.lock import driver_lock

    store = Store(flags.store.absolute())
    if flags.dry_run:
        return _dry_run(questions, store, flags)
    _refuse_what_is_not_there(questions, flags)
    store.prepare()
    with driver_lock(store.root):
        return _sweep(study, questions, store, flags)


def _refuse_what_is_not_installed(flags: argparse.Namespace) -> None:
    if flags.on == "ray" and find_spec("ray") is None:
        raise refuse("on", "ray", "here (ray is not installed in this environment)")
    if flags.tracking_uri and find_spec("mlflow") is None:
        raise refuse("tracking-uri", flags.tracking_uri, "nothing (mlflow is not installed in this environment)")


def _refuse_what_is_not_there(questions: list[Question], flags: argparse.Namespace) -> None:
    from mi_ray.experiments.declare import training_of
    from mi_ray.experiments.folders import refuse_missing

    for data in dict.fromkeys(training_of(question).data for question in questions):
        refuse_missing(data)
    _plans(questions, {}, flags.only)


def _sweep(study: Study, questions: list[Question], store: Store, flags: argparse.Namespace) -> int:
    """Prepare the images, compute what is missing, mirror it, draw it, and say where everything is."""
    from mi_ray.screen import Screen

    data = _prepare_all(questions, store)
    whole, plan = _plans(questions, {declaration: made.digest for declaration, made in data.items()}, flags.only)
    jobs = plan.missing_jobs(store)
    recorder = _recorder(study, store, flags)
    by_digest = {made.digest: made for made in data.values()}
    screen = Screen(study, plan, store, slots=_slots(flags))
    code = _computed(jobs, by_digest, _Both(screen, recorder), flags)
    lines = _mirrored(study, whole, store, recorder, code) if recorder else [NO_MLFLOW]
    screen.summary([*_accounts(screen, jobs), ("store", str(store.root)), *lines])
    if code == INTERRUPTED:
        print(f"{study.name}: interrupted; what is committed is kept, the same command goes on", file=sys.stderr)
    return code


def _prepare_all(questions: list[Question], store: Store) -> dict[CDP, PreparedData]:
    from mi_ray.experiments.data import prepare
    from mi_ray.experiments.declare import training_of

    declared = dict.fromkeys(training_of(question).data for question in questions)
    return {data: prepare(data, store) for data in declared}


def _plans(questions: list[Question], digests: dict[CDP, str], only: str | None) -> tuple[Plan, Plan]:
    """The whole plan, and the part of it that ``--only`` asks for."""
    from mi_ray.experiments.plan import build

    whole = build(questions, digests.get)
    plan = whole.only(only) if only else whole
    if not plan.cells:
        names = [whole.name(cell) for cell in whole.cells.values()]
        raise refuse("only", only, f"a pattern that matches a cell, such as {names[0]!r}")
    return whole, plan


def _slots(flags: argparse.Namespace) -> int:
    from os import cpu_count

    return 1 if flags.on == "here" else cpu_count() or 1


def _computed(jobs: list[Job], data: dict[str, PreparedData], listener: _Both, flags: argparse.Namespace) -> int:
    """Run the jobs under the screen; returns the exit code that they deserve."""
    screen = listener.screen
    try:
        with screen:
            _run(jobs, data, listener, flags)
    except KeyboardInterrupt:
        return INTERRUPTED
    if screen.failures:
        return FAILED
    return INTERRUPTED if screen.plan.missing_jobs(screen.store) else DONE


def _run(jobs: list[Job], data: dict[str, PreparedData], listener: _Both, flags: argparse.Namespace) -> None:
    store = listener.screen.store
    if not jobs:
        return
    if flags.on == "here":
        from mi_ray.experiments.serial import run_here

        run_here(jobs, data, store, listener)
        return
    from mi_ray.orchestration.cluster import connected
    from mi_ray.orchestration.placement import training_slots
    from mi_ray.orchestration.sweep import run_on_ray

    with connected(flags.address) as capacity:
        _stop_in_order_when_told()
        listener.screen.slots = training_slots(capacity)
        run_on_ray(jobs, data, store, listener, capacity=capacity)


class _Both:
    """Listens for the screen and the recorder."""

    def __init__(self, screen: Screen, recorder: BackgroundRecorder | None) -> None:
        self.screen, self._recorder = screen, recorder

    def started(self, job: Job) -> None:
        self.screen.started(job)

    def finished(self, job: Job) -> None:
        self.screen.finished(job)
        if self._recorder:
            for cell in job.cells:
                self._recorder.tell(cell)

    def failed(self, job: Job, reason: str) -> None:
        self.screen.failed(job, reason)

    def tick(self) -> None:
        self.screen.tick()


def _recorder(study: Study, store: Store, flags: argparse.Namespace) -> BackgroundRecorder | None:
    """The mirror into MLflow, its database and sweep run made before anything else; None where mlflow is absent."""
    if find_spec("mlflow") is None:
        return None
    from mi_ray.tracking.background import BackgroundRecorder
    from mi_ray.tracking.recorder import Recorder

    bundled = flags.tracking_uri is None
    uri = f"sqlite:///{store.root}/mlflow.db" if bundled else flags.tracking_uri
    artifacts = store.root / "artifacts" if bundled else None
    sweep = f"{study.name}/{flags.preset}"
    recorder = BackgroundRecorder(Recorder(uri, experiment=study.name, sweep=sweep, artifacts=artifacts), store)
    recorder.begin()
    return recorder


def _mirrored(
    study: Study, whole: Plan, store: Store, recorder: BackgroundRecorder, code: int
) -> list[tuple[str, str]]:
    """Mirror what is left, draw the figures from MLflow, and say where both are; MLflow's failure loses nothing."""
    from mi_ray.tracking.store import Unreachable

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
        ("MLflow", f"{mlflow.tracking_uri}, experiment {mlflow.experiment}"),
        ("open it", mlflow.url or f"mlflow ui --backend-store-uri {mlflow.tracking_uri}"),
    ]


def _draw(study: Study, whole: Plan, store: Store, recorder: BackgroundRecorder) -> list[Path]:
    """The figures of the whole plan (cells not asked for are hatched), attached to the sweep run."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    analysis = import_module(f"analysis.{study.analysis}")
    mlflow = recorder.recorder
    figures = analysis.draw(whole, mlflow.tracking_uri, store.root / "figures" / mlflow.sweep, partial=True)
    mlflow.attach(figures)
    return figures


def _accounts(screen: Screen, jobs: list[Job]) -> list[tuple[str, str]]:
    if not jobs:
        return [("computed", "0 cells: everything was in the store")]
    cells = sum(len(job.cells) for job in jobs)
    return [("computed", f"{cells} cells"), ("time", screen.accounting.report())]


def _dry_run(questions: list[Question], store: Store, flags: argparse.Namespace) -> int:
    """List the cells, which are done, and what the rest is predicted to cost; computes and writes nothing."""
    from mi_ray.experiments.data import prepared
    from mi_ray.experiments.declare import training_of
    from mi_ray.experiments.folders import missing
    from mi_ray.experiments.forecast import forecast

    declared = dict.fromkeys(training_of(question).data for question in questions)
    found = {data: made.digest for data in declared if (made := prepared(data, store))}
    _, plan = _plans(questions, found, flags.only)
    for line in forecast(plan, store):
        print(line)
    for absent in sorted({line for data in declared for line in missing(data)}):
        print(f"missing   {absent}")
    return DONE
