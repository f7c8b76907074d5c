"""Reading the mirror gives the mirrored values exactly, and creates nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.mirror import COMPLETE, MIRRORED, read_cells
from mi_ray.tracking.recorder import Recorder
from tests.committed import WHY, made_up, numbers_of

NewRecorder = Callable[..., Recorder]


@pytest.fixture
def mirrored(looked_at: tuple[Recorder, Store]) -> Recorder:
    return looked_at[0]


def test_a_row_is_a_cell_with_its_parameters_and_the_very_numbers_of_the_store(mirrored: Recorder, plan: Plan) -> None:
    frame = read_cells(mirrored.tracking_uri, "infomin_grid", plan.cells.keys()).set_index("key")
    assert sorted(frame.index) == sorted(plan.cells)
    for key, cell in plan.cells.items():
        row = frame.loc[key]
        assert row["kind"] == cell.kind and row["pairing"] == cell.parameters["pairing"]
        for name, value in numbers_of(cell).items():
            assert row[f"measured_{name}" if name in cell.parameters else name] == value
    assert not [name for name in frame.columns if name.startswith("history")]
    assert frame["seed"].tolist() == [0] * len(frame)


def test_a_certificate_is_read_with_its_types_and_null_where_none_is_asked_for(mirrored: Recorder, plan: Plan) -> None:
    frame = read_cells(mirrored.tracking_uri, "infomin_grid", plan.cells.keys()).set_index("key")
    assert (str(frame["certified"].dtype), str(frame["not_certified"].dtype)) == ("boolean", "string")
    for key, cell in plan.cells.items():
        read = frame.loc[key, "certified"], frame.loc[key, "not_certified"]
        if cell.kind == "estimation":
            assert read == ((True, "") if made_up(cell) > 0.5 else (False, WHY))
        else:
            assert all(pd.isna(value) for value in read)


def test_only_the_asked_cells_are_read(mirrored: Recorder, plan: Plan) -> None:
    keys = set(list(plan.cells)[:3]) | {"training-of-another-store"}
    frame = read_cells(mirrored.tracking_uri, "infomin_grid", keys)
    assert set(frame["key"]) == keys & plan.cells.keys()


def test_a_half_mirrored_cell_is_not_there_yet(new_recorder: NewRecorder, plan: Plan, store: Store) -> None:
    mirrored = new_recorder()
    mirrored.mirror_all(plan, store)
    client = MlflowClient(mirrored.tracking_uri)
    run = client.search_runs([mirrored.experiment_id], f"tags.{MIRRORED} = '{COMPLETE}'", max_results=1)[0]
    client.set_tag(run.info.run_id, MIRRORED, "")
    frame = read_cells(mirrored.tracking_uri, "infomin_grid", plan.cells.keys())
    assert set(frame["key"]) == plan.cells.keys() - {run.data.tags["cell_key"]}


def test_no_cell_gives_an_empty_table_with_its_columns(new_recorder: NewRecorder, plan: Plan) -> None:
    recorder = new_recorder()
    recorder.begin()
    frame = read_cells(recorder.tracking_uri, "infomin_grid", plan.cells.keys())
    assert frame.empty and {"key", "kind", "certified", "not_certified"} <= set(frame.columns)


@pytest.mark.parametrize("empty", [False, True])
def test_reading_makes_no_database(tmp_path: Path, empty: bool) -> None:
    database = tmp_path / "nowhere.db"
    if empty:
        database.touch()
    with pytest.raises(Refused, match=r"no database .*nowhere\.db"):
        read_cells(f"sqlite:///{database}", "infomin_grid", [])
    assert database.exists() == empty and (not empty or database.stat().st_size == 0)


def test_reading_makes_no_experiment(mirrored: Recorder) -> None:
    with pytest.raises(Refused, match="no experiment 'another'"):
        read_cells(mirrored.tracking_uri, "another", [])
    with sqlite3.connect(mirrored.tracking_uri.removeprefix("sqlite:///")) as database:
        names = {name for (name,) in database.execute("select name from experiments")}
    assert names == {"Default", "infomin_grid"}
