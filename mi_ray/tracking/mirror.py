"""The layout of the mirror in MLflow, and its reader. Reading creates no database, no experiment and no run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.measures import CERTIFIED, NOT_CERTIFIED, NOT_LEARNED
from mi_ray.tracking.reach import database, deleted_experiment, reaching, refuse_bad_uri, shown
from mi_ray.tracking.sqlite import condition

CELL_KEY = "cell_key"
MIRRORED = "mirrored"
COMPLETE = "complete, 4"
"""Value of the tag ``mirrored`` on a complete run. Raise the number if entries change, to refill older runs."""

CLAIMED = "claimed"
"""Value of the tag ``mirrored`` on a run that is being filled."""

CERTIFICATE_TYPES = {CERTIFIED: "boolean", NOT_CERTIFIED: "string"}
BOOLEAN_TAGS = {True: "true", False: "false"}
"""Booleans as values of tags."""

READ = ("layout", "sha256")
"""Tags of a checkpoint that describe its file; in the table they are ``read_layout`` and ``read_sha256``."""

HISTORY = "history/"
"""Prefix of curves, so that a curve and a result never share a name."""

PAGE = 1000


def runs(client: MlflowClient, experiment_id: str, where: str = "") -> Iterator[Run]:
    """All runs of an experiment that are not deleted, oldest first; ``where``: a filter in MLflow's syntax."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], where, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def read_cells(tracking_uri: str, experiment: str, keys: Collection[str]) -> pd.DataFrame:
    """One row per completely mirrored cell among ``keys``: ``key``, ``kind``, parameters and final metrics.

    Columns: a metric with the name of a parameter becomes ``measured_<name>``. A parameter that is a number in every
    row becomes numeric. ``read_layout`` and ``read_sha256`` describe a checkpoint's file. ``certified`` (nullable
    boolean) and ``not_certified`` (nullable string: the reasons, or "") are null for cells without a certificate.
    ``not_learned`` is the reason why a cell's encoder did not learn, or "".

    Refused if the database or the experiment does not exist.
    """
    refuse_bad_uri(tracking_uri)
    file = database(tracking_uri)
    if file is not None and condition(file, writes=False) != "ready":
        raise Refused(f"tracking-uri: there is no database {str(file)!r}; run the sweep first, or name its own")
    with reaching(tracking_uri):
        client = MlflowClient(tracking_uri)
        mirrored = client.get_experiment_by_name(experiment)
    if mirrored is None:
        raise Refused(f"tracking-uri: {shown(tracking_uri)} holds no experiment {experiment!r}; run its sweep first")
    if mirrored.lifecycle_stage == LifecycleStage.DELETED:
        raise deleted_experiment(tracking_uri, experiment, mirrored.experiment_id)
    with reaching(tracking_uri):
        rows = [
            row(run)
            for run in runs(client, mirrored.experiment_id)
            if run.data.tags.get(CELL_KEY) in keys and run.data.tags.get(MIRRORED) == COMPLETE
        ]
    frame = pd.DataFrame(rows, columns=None if rows else ["key", "kind", NOT_LEARNED])
    frame = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *CERTIFICATE_TYPES]))).astype(CERTIFICATE_TYPES)
    for name in frame.columns.difference(["key", "kind", NOT_LEARNED, *CERTIFICATE_TYPES]):
        try:
            frame[name] = pd.to_numeric(frame[name])
        except (ValueError, TypeError):
            continue
    return frame


def row(run: Run) -> dict[str, object]:
    """The row of a complete run. All values are strings, but for metrics and ``certified``."""
    tags = run.data.tags
    parameters = {name: value for name, value in run.data.params.items() if name != "kind"}
    metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith(HISTORY)}
    certified = tags.get(CERTIFIED)
    return {
        "key": tags[CELL_KEY],
        "kind": run.data.params["kind"],
        **parameters,
        **{f"measured_{name}" if name in parameters else name: value for name, value in metrics.items()},
        **{f"read_{name}": tags[name] for name in READ if name in tags},
        CERTIFIED: certified == BOOLEAN_TAGS[True] if certified else None,
        NOT_CERTIFIED: tags.get(NOT_CERTIFIED, "") if certified else None,
        NOT_LEARNED: tags.get(NOT_LEARNED, ""),
    }
