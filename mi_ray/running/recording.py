"""MLflow's part of a run: mirror cells as they are committed, then draw the figures and attach them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.running.exit import DONE, FAILED, INTERRUPTED
from mi_ray.running.figures import VERDICT, VERDICT_FILE, draw_figures
from mi_ray.running.order import Order

if TYPE_CHECKING:
    from mi_ray.tracking.background import BackgroundRecorder
    from mi_ray.tracking.views import View

NOT_INSTALLED = ("MLflow", "not installed here; the same command, run where it is, mirrors every finished cell")
STATUS = {DONE: "FINISHED", INTERRUPTED: "KILLED"}
"""Status of the sweep run in MLflow by exit code; FAILED for every other code."""


LOCAL = "http://127.0.0.1:5000"
"""Where ``mi-ray ui`` serves MLflow."""


def server_command(order: Order, is_own: bool, tracking_uri: str) -> str:
    """The command that serves a database on this machine at `LOCAL`."""
    return f"mi-ray ui --store {order.store.name}" if is_own else f"mlflow ui --backend-store-uri {tracking_uri}"


def views_of(order: Order, sweep: str) -> list[View]:
    """Saved views of the cells of an order: those that its screen shows."""
    from mi_ray.tracking.views import views

    matrix = order.study.matrix
    return list(views(order.whole, sweep, (matrix.column, matrix.row), matrix.measures))


def described_sweep(order: Order, files: Sequence[Path]) -> tuple[str, dict[str, str]]:
    """The description of the sweep's run, and its tags."""
    from mi_ray.tracking.page import described

    verdict = next((sentence for _, sentence in verdict_line(files)), "")
    pictures = [path.name for path in files if path.suffix == ".png"]
    question = order.study.docstring.partition("\n")[0]
    return described(question, verdict, order.whole, order.grid, pictures)


def verdict_line(files: Sequence[Path]) -> list[tuple[str, str]]:
    """The sentence of the verdict among the drawn files, if a study has one."""
    for path in files:
        if path.name == VERDICT_FILE:
            with suppress(OSError, ValueError, KeyError, TypeError):  # a file of the user's own
                return [(VERDICT, str(json.loads(path.read_text(encoding="utf-8"))["sentence"]))]
    return []


def figures_line(order: Order, files: Sequence[Path]) -> list[tuple[str, str]]:
    """The folder of the figures, and the command that puts all of a store on one page."""
    if not files:
        return []
    pictures = [path.name for path in files if path.suffix == ".png"]
    return [
        ("figures", f"{files[0].parent}: {', '.join(pictures) or f'{len(files)} files'}"),
        ("report", f"mi-ray report --store {order.store.name}, one page of all that the store holds"),
    ]


def tell(study: str, line: str) -> None:
    """Print a line about the mirror on stderr, which may be closed. Above a live display if there is one."""
    with suppress(OSError, ValueError):
        print(f"{study}: {line}", file=sys.stderr, flush=True)


class Recording:
    """Mirrors the cells of an order into MLflow. Does nothing where mlflow is not installed."""

    def __init__(self, order: Order) -> None:
        """Make the database and the sweep run before anything is computed; `Refused` if they cannot be used.

        A server that does not answer is told at once, and again by `finish` if cells are not mirrored by then.
        """
        self._recorder: BackgroundRecorder | None = None
        if find_spec("mlflow") is None:
            return
        from mi_ray.tracking.background import BackgroundRecorder
        from mi_ray.tracking.reach import Unusable, database, sqlite_uri
        from mi_ray.tracking.recorder import Recorder

        study, options, store = order.study, order.options, order.store
        own = store.root / "mlflow.db"
        uri = options.tracking_uri or sqlite_uri(own)
        recorder = Recorder(
            uri, experiment=study.name, sweep=f"{study.name}/{options.preset}", is_own=database(uri) == own,
            artifacts=None if uri.startswith("http") else store.root / "artifacts",
        )  # fmt: skip
        self._recorder = BackgroundRecorder(recorder, store, partial(tell, study.name))
        try:
            self._recorder.begin()
        except Unusable as error:
            raise Refused(f"tracking-uri: {error}") from error

    def mirror(self, cell: Cell) -> None:
        """Recording a committed cell in the background."""
        if self._recorder:
            self._recorder.enqueue(cell)

    def began(self, job: Job) -> None:
        """Following the trainings of a job that runs."""
        for cell in job.cells:
            if self._recorder and cell.kind == "training":
                self._recorder.began(cell)

    def ended(self, job: Job) -> None:
        """Following the cells of a job no more."""
        for cell in job.cells:
            if self._recorder:
                self._recorder.ended(cell)

    def give_up(self) -> None:
        """End the sweep run as failed: nothing will be computed."""
        if self._recorder:
            self._recorder.give_up()

    def finish(self, order: Order, code: int) -> tuple[int, list[tuple[str, str]]]:
        """Recording the remaining cells, draw and attach the figures, end the sweep run.

        Returns the exit code, which is `FAILED` also where drawing failed, and lines for the summary. A failure of
        MLflow's is one of these lines and loses nothing: the same command mirrors and draws again.
        """
        if self._recorder is None:
            return code, [NOT_INSTALLED]
        from mi_ray.tracking.reach import Unreachable, Unusable, shown

        mlflow = self._recorder.recorder
        if unsynced := self._recorder.drain(order.whole):
            promise = "" if isinstance(self._recorder.error, Unusable) else "; the same command mirrors them"
            return code, [("MLflow", f"unsynced: {unsynced} cells ({self._recorder.failure}){promise}")]
        try:
            drawn = draw_figures(order, mlflow.tracking_uri, mlflow.sweep)
            mlflow.attach(drawn.files)
            mlflow.describe(*described_sweep(order, drawn.files))
            base = mlflow.tracking_uri if mlflow.url else LOCAL
            links = mlflow.save_views(order.whole, views_of(order, mlflow.sweep), shown(base))
            code = FAILED if drawn.failure and code == DONE else code
            mlflow.finish(STATUS.get(code, "FAILED"))
        except Unreachable as error:
            promise = "" if isinstance(error, Unusable) else "; the same command draws the figures"
            return code, [("MLflow", f"{error}{promise}")]
        failures = [("figures", f"{drawn.failure}; the same command draws them again")] if drawn.failure else []
        return code, [
            *verdict_line(drawn.files),
            *failures,
            *figures_line(order, drawn.files),
            ("MLflow", f"{shown(mlflow.tracking_uri)}, experiment {mlflow.experiment}"),
            *(
                []
                if mlflow.url
                else [("open it", f"{server_command(order, mlflow.is_own, mlflow.tracking_uri)}, then")]
            ),
            *[("chart" if "CHART" in address else "table", address) for _, address in links[-2:]],
        ]
