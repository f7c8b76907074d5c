"""The mirror: nested runs, one run per cell, and idempotent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.claims import WRITER
from mi_ray.tracking.entries import curve_metrics, fingerprint, result_metrics, run_params
from mi_ray.tracking.mirror import CLAIMED, COMPLETE, MIRRORED
from mi_ray.tracking.origin import FINGERPRINT
from mi_ray.tracking.recorder import Recorder
from tests.committed import WHY, commit, commit_all, history_of, made_up, numbers_of, plan_of, rewrite
from tests.mirrors import by_key, everything, held, parents, rows

NewRecorder = Callable[..., Recorder]


@pytest.fixture
def mirrored(new_recorder: NewRecorder, plan: Plan, store: Store) -> Recorder:
    recorder = new_recorder()
    assert recorder.mirror_all(plan, store) == 0
    return recorder


def one(plan: Plan, kind: str) -> Cell:
    return next(cell for cell in plan.cells.values() if cell.kind == kind)


def test_questions_and_embeddings_are_nested_under_their_training_and_trainings_under_the_sweep(
    looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    mirrored, _ = looked_at
    runs, parent = by_key(mirrored), parents(mirrored)
    for cell in plan.cells.values():
        training = {"training": None, "embedding": cell.upstream}.get(cell.kind, "above")
        if training == "above":
            training = plan.cells[cell.upstream].upstream
        assert parent[cell.key] == (runs[training].info.run_id if training else mirrored.sweep_run_id)


def test_every_cell_is_one_run_with_its_parameters_result_and_curve(
    looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    mirrored, _ = looked_at
    runs = by_key(mirrored)
    assert len(held(mirrored)) == len(plan.cells) + 1 and runs.keys() == plan.cells.keys()
    for cell in plan.cells.values():
        run = runs[cell.key]
        assert run.data.params == {"kind": cell.kind, **cell.parameters}
        assert {n: v for n, v in run.data.metrics.items() if "/" not in n} == numbers_of(cell) | {"seconds": 1.5}
        assert not [name for name in run.data.tags if name.startswith("not_a_metric/")]
        curve = {(row[0].partition("/")[2], row[2], row[1]) for row in rows(mirrored, run) if row[0].startswith("hist")}
        assert curve == {(n, r["step"], v) for r in history_of(cell) for n, v in r.items() if n != "step"}


def test_a_run_tells_when_its_cell_was_computed_where_and_by_which_code(
    looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    cell, (mirrored, store) = one(plan, "estimation"), looked_at
    run, manifest = by_key(mirrored)[cell.key], store.read(cell.key).manifest
    assert (run.info.start_time, run.info.end_time) == (
        round(manifest["started_at"] * 1000),
        round(manifest["committed_at"] * 1000),
    )
    assert run.info.status == "FINISHED"
    assert run.info.run_name == (
        f"estimation pairing={cell.parameters['pairing']} task={cell.parameters['task']} arch=resnet10t seed=0 k_tr=64"
        f" {cell.key.partition('-')[2][:8]}"
    )
    for name in ("upstream", "data_digest", "code_version", "hardware", "host", "precision"):
        assert run.data.tags[name] == manifest[name]
    told = json.loads(run.data.tags["provenance"])
    assert told["sha256"] == manifest["files"] and told["versions"]["torch"] == manifest["version_torch"]
    assert not [name for name in run.data.tags if name.startswith(("sha256/", "version_"))]
    (seen,) = run.inputs.dataset_inputs
    assert seen.dataset.name == "CDP" and manifest["data_digest"].startswith(seen.dataset.digest)
    assert run.data.tags["mlflow.source.name"] == mirrored.sweep and run.data.tags["mlflow.user"]
    assert run.data.tags["store"] == str(store.read(cell.key).path)


def test_words_and_booleans_of_a_result_are_tags_and_its_lists_stay_in_the_store(
    looked_at: tuple[Recorder, Store], plan: Plan
) -> None:
    mirrored, store = looked_at
    estimations = [cell for cell in plan.cells.values() if cell.kind == "estimation"]
    assert {made_up(cell) > 0.5 for cell in estimations} == {True, False}
    for cell in estimations:
        tags, sure = by_key(mirrored)[cell.key].data.tags, made_up(cell) > 0.5
        assert tags["certified"] == ("true" if sure else "false") and tags["lower_from"] == "probe"
        assert tags.get("not_certified") == (None if sure else WHY) and "note" not in tags
        assert not [name for name in tags if "critics" in name] and store.read(cell.key).result["critics"]


def test_a_word_of_a_result_never_stands_for_where_its_cell_came_from(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    cell, recorder = one(plan, "training"), new_recorder()
    rewrite(store.read(cell.key), result='{"host": "elsewhere", "sure": true, "parts": {"a": 1}}')
    recorder.mirror(cell, store)
    run = by_key(recorder)[cell.key]
    assert (run.data.tags["host"], run.data.tags["sure"]) == ("here", "true")
    assert not [name for name in (run.data.tags | run.data.metrics) if "parts" in name]


HOSTILE = [
    "../../x",
    "a;b",
    "..\\\\..\\\\x",
    "two\nlines",
    "x" * 300,
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "`",
    "%s\x1b[31m",
]


@pytest.mark.fault("F28", "names and words with signs of paths, SQL, markup and terminals")
def test_hostile_words_stay_words(new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path) -> None:
    cell, everywhere = one(plan, "training"), "".join(HOSTILE)
    words = {f"word_{number}": word for number, word in enumerate(HOSTILE)}
    shutil.rmtree(store.read(cell.key).path)
    commit(cell, store, lambda cell: {**words, "loss_nats": 1.0})
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for _ in range(2):
        recorder = Recorder(uri, experiment=everywhere, sweep=everywhere, artifacts=tmp_path / "artifacts")
        recorder.begin()
        recorder.mirror(cell, store)
    run = by_key(recorder)[cell.key]
    assert {name: run.data.tags[name] for name in words} == words and len(held(recorder)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "store"]


def test_a_run_that_an_older_mirror_completed_is_filled_again(
    mirrored: Recorder, new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    cell, client = one(plan, "estimation"), MlflowClient(mirrored.tracking_uri)
    before, run_id = everything(mirrored), by_key(mirrored)[cell.key].info.run_id
    client.delete_tag(run_id, "certified")
    client.set_tag(run_id, MIRRORED, "complete")
    again = new_recorder()
    assert again.mirror_all(plan, store) == 0
    assert everything(again) == before


def test_the_experiment_says_which_values_to_compare(looked_at: tuple[Recorder, Store]) -> None:
    client = MlflowClient(looked_at[0].tracking_uri)
    note = client.get_experiment_by_name("infomin_grid").tags["mlflow.note.content"]
    assert all(f"`{name}`" in note for name in ("nominal_bits", "lower_bits", "upper_bits", "linear_accuracy"))
    assert "`tags.certified = 'true'`" in note and "select all" not in note


def test_mirroring_twice_adds_no_run_no_metric_row_and_no_artifact(
    mirrored: Recorder, new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    figure = tmp_path / "figure.csv"
    figure.write_text("task,value\n")
    mirrored.attach([figure])
    before, artifacts = everything(mirrored), changes(tmp_path / "artifacts")
    again = new_recorder()
    again.begin()
    assert again.mirror_all(plan, store) == 0
    again.attach([figure])
    assert everything(again) == before
    assert len(held(again)) == len(plan.cells) + 1
    assert again.sweep_run_id == mirrored.sweep_run_id
    assert changes(tmp_path / "artifacts") == artifacts and len(artifacts) == 1


def changes(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_figure_is_attached_again_when_its_content_changed(mirrored: Recorder, tmp_path: Path) -> None:
    figure = tmp_path / "figure.csv"
    for text in ("task,value\n", "task,value\ncolor,1\n"):
        figure.write_text(text)
        mirrored.attach([figure])
    (kept,) = changes(tmp_path / "artifacts")
    assert kept.name == "figure.csv" and kept.parent.name == "figures" and kept.read_text() == figure.read_text()


@pytest.mark.parametrize("kind", ["training", "estimation"])
def test_a_half_mirrored_run_is_completed_without_a_second_row(
    mirrored: Recorder, new_recorder: NewRecorder, fresh_database: Path, plan: Plan, store: Store, kind: str
) -> None:
    cell, interrupted = one(plan, kind), new_recorder(f"sqlite:///{store.root}/interrupted.db")
    shutil.copy(fresh_database, store.root / "interrupted.db")
    interrupted.begin()
    client, committed = MlflowClient(interrupted.tracking_uri), store.read(cell.key)
    claim = {FINGERPRINT: fingerprint(committed), WRITER: "one that was killed", MIRRORED: CLAIMED}
    half = interrupted.create_run(cell, committed, interrupted.sweep_run_id, claim)
    client.log_param(half, "kind", run_params(cell)["kind"])
    client.log_batch(half, metrics=result_metrics(committed)[:2] + curve_metrics(committed.history, committed)[:2])
    resumed = new_recorder(interrupted.tracking_uri)
    assert resumed.mirror_all(plan, store) == 0
    assert everything(resumed) == everything(mirrored)
    assert by_key(resumed)[cell.key].info.run_id == half


def test_a_run_made_twice_because_a_reply_was_lost_is_one_run_in_the_end(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    cell, recorder = one(plan, "training"), new_recorder()
    recorder.begin()
    claim = {FINGERPRINT: fingerprint(store.read(cell.key)), WRITER: recorder._writer}
    for _ in range(2):
        recorder.create_run(cell, store.read(cell.key), recorder.sweep_run_id, claim)
    assert recorder.mirror_all(plan, store) == 0
    assert len(held(recorder)) == len(plan.cells) + 1


def test_a_question_told_before_its_training_brings_its_training_along(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    recorder, cell = new_recorder(), one(plan, "estimation")
    recorder.mirror(cell, store)
    training = by_key(recorder)[plan.cells[cell.upstream].upstream]
    assert parents(recorder)[cell.key] == training.info.run_id
    assert training.data.tags[MIRRORED] == COMPLETE


def test_an_extended_plan_keeps_the_old_runs(
    mirrored: Recorder, new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    before, extended = by_key(mirrored), plan_of(seed=(0, 1))
    commit_all(extended.cells.values(), store)
    again = new_recorder()
    assert again.mirror_all(extended, store) == 0
    after = by_key(again)
    assert after.keys() == extended.cells.keys()
    assert {key: after[key].info.run_id for key in before} == {key: run.info.run_id for key, run in before.items()}


def test_two_sweeps_share_the_runs_of_their_common_cells(
    mirrored: Recorder, new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    other = new_recorder(sweep="infomin_grid/laptop")
    assert other.mirror_all(plan, store) == 0
    assert other.sweep_run_id != mirrored.sweep_run_id
    assert len(held(other)) == len(plan.cells) + 2


@pytest.mark.parametrize("text", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_what_is_not_a_finite_number_becomes_a_tag_and_never_a_metric(
    new_recorder: NewRecorder, plan: Plan, store: Store, text: str
) -> None:
    cell, recorder = one(plan, "training"), new_recorder()
    rewrite(
        store.read(cell.key),
        result=f'{{"in_training_bits": {text}, "loss_nats": 4.0, "status": "diverged"}}',
        history=f'{{"step": 1, "loss_nats": 5.0}}\n{{"step": 2, "loss_nats": {text}}}\n',
    )
    recorder.mirror(cell, store)
    run = by_key(recorder)[cell.key]
    assert run.data.metrics == {"loss_nats": 4.0, "seconds": 1.5, "history/loss_nats": 5.0}
    assert run.data.tags["not_a_metric/in_training_bits"] == str(float(text))
    assert run.data.tags["not_a_metric/history/loss_nats"] == f"{float(text)} at step 2"
    assert run.data.tags["status"] == "diverged" and "not_a_metric/status" not in run.data.tags


def test_a_long_curve_goes_in_batches_and_arrives_whole(new_recorder: NewRecorder, plan: Plan, store: Store) -> None:
    cell, recorder = one(plan, "training"), new_recorder()
    lines = [f'{{"step": {step}, "loss_nats": {1 / step}}}\n' for step in range(1, 2501)]
    rewrite(store.read(cell.key), history="".join(lines))
    recorder.mirror(cell, store)
    client = MlflowClient(recorder.tracking_uri)
    curve = client.get_metric_history(by_key(recorder)[cell.key].info.run_id, "history/loss_nats")
    assert sorted((row.step, row.value) for row in curve) == [(step, 1 / step) for step in range(1, 2501)]


def test_a_damaged_cell_is_counted_and_the_others_are_mirrored(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    cut, sealed, recorder = one(plan, "evaluation"), one(plan, "estimation"), new_recorder()
    (store.read(cut.key).path / "result.json").write_text("{")  # a cell that the store takes for missing
    rewrite(store.read(sealed.key), result="{")  # one that the store takes for whole
    assert recorder.mirror_all(plan, store) == 1 and "JSONDecodeError" in str(recorder.failure)
    complete = {key for key, run in by_key(recorder).items() if run.data.tags.get(MIRRORED) == COMPLETE}
    assert complete == plan.cells.keys() - {cut.key, sealed.key}


def test_finishing_ends_the_sweep_run_and_beginning_again_reopens_it(
    mirrored: Recorder, new_recorder: NewRecorder
) -> None:
    client = MlflowClient(mirrored.tracking_uri)
    for status in ("FINISHED", "FAILED"):
        mirrored.finish(status)
        assert client.get_run(mirrored.sweep_run_id).info.status == status
        new_recorder().begin()
        assert client.get_run(mirrored.sweep_run_id).info.status == "RUNNING"
