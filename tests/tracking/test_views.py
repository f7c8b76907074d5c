"""Saved views of MLflow's page, and what a sweep says of them; `test_browser` opens them in a real browser."""

from __future__ import annotations

import base64
import json
import zlib

from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.recorder import Recorder
from mi_ray.tracking.views import LONGEST_STATE, plan_tag, saved, views
from sweeps.infomin_grid import STUDY
from tests.committed import DIGEST, commit_all, plan_of

AXES = (STUDY.matrix.column, STUDY.matrix.row)


def views_of(plan):
    return list(views(plan, "infomin_grid/smoke", AXES, STUDY.matrix.measures))


def unpacked(value: str) -> dict:
    """The state in the value of an experiment tag, as MLflow's page reads it."""
    told = json.loads(value)
    assert isinstance(told["name"], str) and isinstance(told["createdAt"], int)
    head, _, packed = told["state"].partition(";")
    assert head == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_a_table_of_each_kind_and_a_chart_of_the_last_are_saved():
    shown = views_of(plan_of())
    assert [view.key.partition("-")[2] for view in shown] == ["evaluation", "estimation", "estimation-chart"]
    table, chart = (unpacked(view.value(1)) for view in shown[1:])
    assert table["selectedColumns"][:4] == [
        "params.`pairing`", "params.`task`", "metrics.`nominal_bits`", "metrics.`nominal_standard_error_bits`"
    ]  # fmt: skip
    assert {"metrics.`lower_bits`", "metrics.`upper_bits`", "tags.`certified`"} <= set(table["selectedColumns"])
    assert table["searchFilter"].endswith("AND params.kind = 'estimation'")
    (card,) = chart["compareRunCharts"]
    assert card["selectedParams"] == ["pairing", "task"] and card["selectedMetrics"] == ["nominal_bits"]
    assert card["metricSectionId"] == chart["compareRunSections"][0]["uuid"]


def test_parameters_that_differ_are_columns():
    shown = views_of(plan_of(seed=(0, 1), k_tr=(32, 64)))
    columns = unpacked(shown[-1].value(1))["selectedColumns"]
    assert {"params.`seed`", "params.`k_tr`"} <= set(columns) and "params.`temperature`" not in columns


def test_the_largest_plan_of_ours_fits_into_a_tag():
    plan = build(STUDY.questions(STUDY.grid("paper", {})), lambda data: DIGEST)
    assert all(len(view.value(10**13)) <= LONGEST_STATE for view in views_of(plan))


def test_the_filter_finds_the_cells_of_the_plan_and_no_others(tmp_path):
    store = Store(tmp_path / "runs")
    plan, more = plan_of(), plan_of(seed=(0, 1))
    commit_all(more.cells.values(), store)
    uri = sqlite_uri(tmp_path / "mlflow.db")
    recorder = Recorder(uri, experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=tmp_path / "artifacts")
    client = MlflowClient(uri)
    for whole, estimations in ((more, 8), (plan, 4)):
        assert recorder.mirror_all(whole, store) == 0
        links = recorder.save_views(whole, views_of(whole), "http://127.0.0.1:5000")
        assert len(links) == 3 and links[1][0] == "infomin_grid/smoke: estimations"
        address = links[1][1]
        assert address.startswith(f"http://127.0.0.1:5000/#/experiments/{recorder.experiment_id}/runs?workflowType=")
        state = unpacked(client.get_experiment(recorder.experiment_id).tags[views_of(whole)[1].tag])
        found = client.search_runs([recorder.experiment_id], state["searchFilter"])
        asked = {cell.key for cell in whole.cells.values() if cell.kind == "estimation"}
        assert {run.data.tags["cell_key"] for run in found} == asked and len(found) == estimations
    assert plan_tag(plan) != plan_tag(more) == plan_tag(plan_of(seed=(1, 0)))
    assert len(saved(uri, "http://here:1")) == 6 and all(
        link.startswith("http://here:1/#/") for _, link in saved(uri, "http://here:1")
    )


def test_saving_again_writes_nothing(tmp_path):
    store, plan = Store(tmp_path / "runs"), plan_of()
    commit_all(plan.cells.values(), store)
    uri = sqlite_uri(tmp_path / "mlflow.db")

    def once() -> dict:
        recorder = Recorder(
            uri, experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=tmp_path / "artifacts"
        )
        recorder.mirror_all(plan, store)
        recorder.save_views(plan, views_of(plan), "http://127.0.0.1:5000")
        return dict(MlflowClient(uri).get_experiment(recorder.experiment_id).tags)

    assert once() == once()
