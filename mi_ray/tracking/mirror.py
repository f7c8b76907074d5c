"""Read mirrored cells back from MLflow as a tidy table. Reading makes nothing: no database, no experiment, no run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.measures import CERTIFIED, NOT_CERTIFIED, NOT_LEARNED
from mi_ray.tracking.reach import SQLITE, reaching, refuse_bad_uri, shown

CELL_KEY = "cell_key"
MIRRORED = "mirrored"
COMPLETE = "complete, 3"
"""What ``mirrored`` says of a finished run. Count up when cells are mirrored otherwise: older runs are filled again."""

CLAIMED = "claimed"
"""What ``mirrored`` says of a run that is being filled."""

CERTIFICATE_TYPES = {CERTIFIED: "boolean", NOT_CERTIFIED: "string"}
TRUTH = {True: "true", False: "false"}
"""How a tag tells a boolean."""

READ = ("layout", "sha256")
"""Words that a checkpoint's result says of the file that was read."""

HISTORY = "history/"
"""Curves are metrics below this prefix, so that a curve and the result read from it never share a name."""

PAGE = 1000


def database(tracking_uri: str) -> Path | None:
    """The file of an SQLite tracking URI, None for any other."""
    if not tracking_uri.startswith(SQLITE):
        return None
    return Path(tracking_uri.removeprefix(SQLITE).partition("?")[0])


def runs(client: MlflowClient, experiment_id: str, chosen: str = "") -> Iterator[Run]:
    """Every run of an experiment that is not deleted (and that MLflow's filter chooses), oldest first, page by page."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], chosen, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def read_cells(tracking_uri: str, experiment: str, keys: Collection[str]) -> pd.DataFrame:
    """One row per mirrored cell among ``keys``: ``key``, ``kind``, its parameters and its final metrics.

    A metric that is called like a parameter is found under ``measured_<name>``; parameters that are numbers in every
    row are numbers. ``read_layout`` and ``read_sha256`` are of a checkpoint's file. ``certified`` is a nullable boolean
    and ``not_certified`` a nullable string, empty where there is nothing against a certificate; both are null on cells
    that are not asked for one. ``not_learned`` is empty but on trainings and embeddings whose encoder did not learn:
    why. Half-mirrored cells are left out.
    Refuses a database or experiment that does not exist.
    """
    refuse_bad_uri(tracking_uri)
    file = database(tracking_uri)
    if file is not None and not (file.is_file() and file.stat().st_size):
        raise Refused(f"tracking-uri: there is no database {str(file)!r}; run the sweep first, or name its own")
    with reaching(tracking_uri):
        client = MlflowClient(tracking_uri)
        found = client.get_experiment_by_name(experiment)
    if found is None:
        raise Refused(f"tracking-uri: {shown(tracking_uri)} holds no experiment {experiment!r}; run its sweep first")
    with reaching(tracking_uri):
        rows = [_row(run) for run in runs(client, found.experiment_id) if _complete(run, keys)]
    return _typed(pd.DataFrame(rows, columns=None if rows else ["key", "kind", NOT_LEARNED]))


def _certificate(tags: Mapping[str, str]) -> dict[str, object]:
    """Whether a cell is certified and why not, in columns of their own type; null if its tags do not say."""
    said = tags.get(CERTIFIED)
    against = tags.get(NOT_CERTIFIED, "") if said else None
    return {CERTIFIED: said == TRUTH[True] if said else None, NOT_CERTIFIED: against}


def _said(tags: Mapping[str, str]) -> dict[str, object]:
    """Why an encoder did not learn, in a column of its own; empty if its tags say nothing against it."""
    return {NOT_LEARNED: tags.get(NOT_LEARNED, "")}


def _complete(run: Run, keys: Collection[str]) -> bool:
    return run.data.tags.get(CELL_KEY) in keys and run.data.tags.get(MIRRORED) == COMPLETE


def _row(run: Run) -> dict[str, object]:
    parameters = {name: value for name, value in run.data.params.items() if name != "kind"}
    metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith(HISTORY)}
    measured = {f"measured_{name}" if name in parameters else name: value for name, value in metrics.items()}
    named = {"key": run.data.tags[CELL_KEY], "kind": run.data.params["kind"]}
    read = {f"read_{name}": run.data.tags[name] for name in READ if name in run.data.tags}
    return named | parameters | measured | read | _certificate(run.data.tags) | _said(run.data.tags)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers, and the certificate's columns as what they are."""
    frame = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *CERTIFICATE_TYPES]))).astype(CERTIFICATE_TYPES)
    for name in frame.columns.difference(["key", "kind", NOT_LEARNED, *CERTIFICATE_TYPES]):
        try:
            frame[name] = pd.to_numeric(frame[name])
        except (ValueError, TypeError):
            continue
    return frame
