"""Saved views of MLflow's page: links that open on the cells of one plan, with chosen columns, or on their chart.

A saved view is an experiment tag ``mlflow.sharedViewState.<key>``: JSON with a name, times in milliseconds, and a state
that is compressed as `_packed` does it. MLflow documents none of this; seen in the source of its page, 3.17.2, and held
by `tests/browser/test_mlflow.py` in a real browser.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient

from mi_ray.experiments.declare.measures import CERTIFIED, LOWER, NOT_CERTIFIED, STATEMENT, UPPER, Measure
from mi_ray.experiments.declare.parameters import is_detail
from mi_ray.experiments.plan.plan import Plan
from mi_ray.tracking.reach import database, reaching
from mi_ray.tracking.sqlite import condition

SHARED = "mlflow.sharedViewState."
"""Beginning of the names of the experiment tags that hold saved views."""

OWN_KEY = re.compile(r"[0-9a-f]{8}-\w+(-chart)?")
"""Keys of views that mi-ray saves; people save others."""

LONGEST_STATE = 5000
"""Characters of an experiment tag."""

MOST_COLUMNS = 8
"""Parameters that a view shows, those of the matrix first."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One saved view. ``key``: its part of the address; ``title``: for people; ``is_chart``: opens on the chart."""

    key: str
    title: str
    state: Mapping[str, Any]
    is_chart: bool

    @property
    def tag(self) -> str:
        """The name of the experiment tag."""
        return f"{SHARED}{self.key}"

    def value(self, at_ms: int) -> str:
        """The value of the experiment tag."""
        told = {"name": self.title, "createdAt": at_ms, "updatedAt": at_ms, "state": _packed(self.state)}
        return json.dumps(told)

    def address(self, base: str, experiment_id: str) -> str:
        """The link that opens the view on the MLflow server at ``base``."""
        return link(base, experiment_id, self.key, is_chart=self.is_chart)


def link(base: str, experiment_id: str, key: str, *, is_chart: bool) -> str:
    """The address of a saved view. Without the workflow a fresh browser opens the page for language models."""
    mode = "&compareRunsMode=CHART" if is_chart else ""
    query = f"workflowType=machine_learning&viewStateShareKey={key}{mode}"
    return f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs?{query}"


def plan_tag(plan: Plan) -> str:
    """The tag of the runs of a plan's cells; equal plans have equal tags, so that no run gets one twice."""
    return f"plan/{hashlib.sha256(' '.join(sorted(plan.cells)).encode()).hexdigest()[:8]}"


def views(plan: Plan, sweep: str, axes: Sequence[str], panels: Mapping[str, Measure]) -> Iterator[View]:
    """A table for each kind of cell in ``panels`` and a chart of the last one, which is the one that a study is about.

    ``axes``: parameters that come first, such as those of the matrix's rows and columns.
    """
    tag = plan_tag(plan)
    shown = [kind for kind in panels if any(cell.kind == kind for cell in plan.cells.values())]
    for kind in shown:
        columns = parameters_of(plan, kind, axes)
        key = f"{tag.partition('/')[2]}-{kind}"
        state = _table(tag, sweep, kind, columns, panels[kind])
        yield View(key=key, title=f"{sweep}: {kind}s", state=state, is_chart=False)
        if kind == shown[-1]:
            charted = state | _chart(columns, panels[kind])
            yield View(key=f"{key}-chart", title=f"{sweep}: {kind}s, chart", state=charted, is_chart=True)


def parameters_of(plan: Plan, kind: str, axes: Sequence[str]) -> list[str]:
    """``axes``, then the parameters in which cells of a kind differ, without those that spell others out."""
    cells = [cell.parameters for cell in plan.cells.values() if cell.kind == kind]
    known = dict.fromkeys(name for cell in cells for name in cell)
    differing = [name for name in known if len({cell.get(name) for cell in cells}) > 1 and not is_detail(name)]
    first = [name for name in axes if name in known]
    return list(dict.fromkeys([*first, *differing]))[:MOST_COLUMNS]


def saved(tracking_uri: str, base: str) -> list[tuple[str, str]]:
    """Title and address of every view that mi-ray has saved, the newest first. Makes no database."""
    file, found = database(tracking_uri), []
    if file is not None and condition(file, writes=False) != "ready":
        return []
    with reaching(tracking_uri):
        for experiment in MlflowClient(tracking_uri).search_experiments():
            for tag, value in experiment.tags.items():
                key = tag.removeprefix(SHARED)
                if tag.startswith(SHARED) and OWN_KEY.fullmatch(key):
                    told = json.loads(value)
                    address = link(base, experiment.experiment_id, key, is_chart=key.endswith("-chart"))
                    found.append((told["createdAt"], told["name"], address))
    return [(name, address) for _, name, address in sorted(found, key=lambda view: -view[0])]


def _table(tag: str, sweep: str, kind: str, columns: Sequence[str], measure: Measure) -> dict[str, Any]:
    metrics = [measure.name, *filter(None, [measure.error])]
    tags: list[str] = []
    if kind == "estimation":
        metrics += [LOWER.name, UPPER.name]
        tags = [CERTIFIED, STATEMENT, NOT_CERTIFIED]
    shown = [("params", name) for name in columns] + [("metrics", name) for name in metrics]
    shown += [("tags", name) for name in tags]
    return {
        "searchFilter": f"tags.`{tag}` = '{sweep}' AND params.kind = '{kind}'",
        "orderByKey": _column("params", columns[0]) if columns else "attributes.start_time",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [_column(*column) for column in shown],
        "columnOrder": [_column(*column) for column in shown],
        "runsHiddenMode": "SHOW_ALL",
    }


def _chart(columns: Sequence[str], measure: Measure) -> dict[str, Any]:
    """Parallel coordinates of all runs, in a section of their own."""
    card = {
        "type": "PARALLEL",
        "uuid": "mi-ray-chart",
        "metricSectionId": "mi-ray",
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 10,
        "showAllRuns": True,
        "selectedParams": list(columns),
        "selectedMetrics": [measure.name],
    }
    section = {"uuid": "mi-ray", "name": measure.label, "display": True, "columns": 1} | dict.fromkeys(
        ("isReordered", "deleted", "isGenerated"), False
    )
    return {"compareRunCharts": [card], "compareRunSections": [section], "isAccordionReordered": True}


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _packed(state: Mapping[str, Any]) -> str:
    """A state as MLflow's page compresses it: zlib, then base64."""
    text = json.dumps(state, separators=(",", ":"))
    return f"deflate;{base64.b64encode(zlib.compress(text.encode(), 9)).decode()}"
