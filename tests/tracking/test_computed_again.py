"""A cell that was computed again is mirrored anew; other cells, and runs of other stores, are left as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.files import MANIFEST
from mi_ray.experiments.store.manifest import sealed_text
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.entries import fingerprint
from mi_ray.tracking.mirror import COMPLETE, MIRRORED
from mi_ray.tracking.origin import FINGERPRINT, ID, ORIGIN, is_outdated, origin
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit, commit_all, result_of
from tests.mirrors import by_key, everything, held, parents

NewRecorder = Callable[..., Recorder]


def compute_again(cell: Cell, store: Store, **values: Any) -> None:
    """As after "remove it to compute it again"; the new result differs by ``values``."""
    shutil.rmtree(store.read(cell.key).path)
    committed = commit(cell, store, lambda cell: result_of(cell) | values)
    (committed.path / MANIFEST).write_text(sealed_text(committed.manifest | {"seconds": 2.5}))


def one(plan: Plan, kind: str) -> Cell:
    return next(cell for cell in plan.cells.values() if cell.kind == kind)


def mirrored(new_recorder: NewRecorder, plan: Plan, store: Store) -> Recorder:
    recorder = new_recorder()
    assert recorder.mirror_all(plan, store) == 0
    return recorder


def ids(recorder: Recorder) -> dict[str, str]:
    return {key: run.info.run_id for key, run in by_key(recorder).items()}


@pytest.mark.parametrize("at_once", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_question_answered_again_has_a_new_run_and_the_others_keep_theirs(
    new_recorder: NewRecorder, plan: Plan, store: Store, at_once: bool
) -> None:
    cell, before = one(plan, "evaluation"), ids(mirrored(new_recorder, plan, store))
    compute_again(cell, store, linear_accuracy=0.123)
    again = new_recorder()
    if at_once:
        again.mirror(cell, store)
    else:
        assert again.mirror_all(plan, store) == 0
    run = by_key(again)[cell.key]
    assert run.data.metrics["linear_accuracy"] == 0.123 and run.data.tags[MIRRORED] == COMPLETE
    assert run.data.tags[FINGERPRINT] == fingerprint(store.read(cell.key))
    assert run.info.run_id != before[cell.key]
    assert ids(again) == before | {cell.key: run.info.run_id}
    assert len(held(again)) == len(plan.cells) + 1
    assert mirrored(new_recorder, plan, store) and ids(again) == before | {cell.key: run.info.run_id}


def test_cells_below_a_training_that_was_computed_again_are_nested_under_its_new_run(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    training, before = one(plan, "training"), ids(mirrored(new_recorder, plan, store))
    compute_again(training, store, loss_nats=1.0)
    again = mirrored(new_recorder, plan, store)
    new = ids(again)
    assert new[training.key] != before[training.key]
    assert {key: run for key, run in new.items() if key != training.key} == {
        key: run for key, run in before.items() if key != training.key
    }
    above, alive = parents(again), {run.info.run_id for run in held(again)}
    assert set(above.values()) <= alive
    embedding = next(cell for cell in plan.cells.values() if cell.upstream == training.key)
    assert above[embedding.key] == new[training.key]


def test_the_run_of_another_store_that_computed_the_cell_itself_is_left_as_it_is(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    before, other = ids(mirrored(new_recorder, plan, store)), Store(tmp_path / "other")
    commit_all(plan.cells.values(), other)
    for cell in plan.cells.values():
        compute_again(cell, other, loss_nats=1.0)
    assert ids(mirrored(new_recorder, plan, other)) == before
    assert ids(mirrored(new_recorder, plan, store)) == before
    assert origin(other) != origin(store)


def test_a_store_that_moved_is_still_the_store_of_its_runs(
    new_recorder: NewRecorder, plan: Plan, store: Store, tmp_path: Path
) -> None:
    cell, before = one(plan, "estimation"), ids(mirrored(new_recorder, plan, store))
    moved = Store(store.root.rename(tmp_path / "moved"))
    assert ids(mirrored(new_recorder, plan, moved)) == before
    compute_again(cell, moved, nominal_bits=0.25)
    again = mirrored(new_recorder, plan, moved)
    assert by_key(again)[cell.key].data.metrics["nominal_bits"] == 0.25


def test_a_copied_store_is_another_one_and_a_store_that_came_from_elsewhere_is_the_same(store: Store) -> None:
    first = origin(store)
    copy, second = Store(store.root.with_name("copy")), Store(store.root.with_name("second"))
    for other in (copy, second):
        shutil.copytree(store.root, other.root)
    assert len({first, origin(copy), origin(second)}) == 3
    assert [origin(Store(each.root)) for each in (store, copy)] == [first, origin(copy)], "and stays what it is"
    shutil.copytree(store.root, elsewhere := store.root.with_name("elsewhere"))  # as a move to another disk
    shutil.rmtree(store.root)
    assert origin(Store(elsewhere)) == first
    (elsewhere / ID).write_text(first)
    assert origin(Store(elsewhere)) == first, "of an earlier version"
    shutil.copytree(elsewhere, store.root)
    assert origin(store) != first


def test_a_run_without_an_id_is_of_this_store_if_path_and_machine_are(plan: Plan, store: Store) -> None:
    committed, sha = store.read(one(plan, "training").key), {"sha256/result.json": "of another computation"}
    tags, host = sha | {"store": committed.place}, committed.manifest["host"]
    assert is_outdated(tags, committed, "an id") and is_outdated(tags | {"host": host}, committed, "an id")
    assert not is_outdated(tags | {"host": "another machine"}, committed, "an id")
    assert not is_outdated(tags | {"store": "/elsewhere"}, committed, "an id")


@pytest.mark.parametrize("lacks", [pytest.param((ORIGIN,), marks=pytest.mark.slow), (ORIGIN, FINGERPRINT)])
def test_runs_of_older_mirrors_stay_valid_until_their_cell_is_computed_again(
    new_recorder: NewRecorder, plan: Plan, store: Store, lacks: tuple[str, ...]
) -> None:
    first, cell = mirrored(new_recorder, plan, store), one(plan, "evaluation")
    client, before = MlflowClient(first.tracking_uri), ids(first)
    for key, run_id in before.items():
        for tag in lacks:
            client.delete_tag(run_id, tag)
        for name, digest in store.read(key).manifest["files"].items():  # as those mirrors kept them
            client.set_tag(run_id, f"sha256/{name}", digest)
    assert ids(mirrored(new_recorder, plan, store)) == before
    compute_again(cell, store, linear_accuracy=0.5)
    again = mirrored(new_recorder, plan, store)
    changed = {key for key, run_id in ids(again).items() if run_id != before[key]}
    assert changed == {cell.key} and by_key(again)[cell.key].data.metrics["linear_accuracy"] == 0.5


def test_a_run_that_an_older_mirror_completed_is_not_filled_with_numbers_of_another_computation(
    new_recorder: NewRecorder, plan: Plan, store: Store
) -> None:
    """MLflow removes no metric: two numbers of one step would stay."""
    first, cell = mirrored(new_recorder, plan, store), one(plan, "training")
    MlflowClient(first.tracking_uri).set_tag(by_key(first)[cell.key].info.run_id, MIRRORED, "complete, 2")
    compute_again(cell, store, loss_nats=1.5)
    again, fresh = mirrored(new_recorder, plan, store), new_recorder(sweep="infomin_grid/other")
    client = MlflowClient(again.tracking_uri)
    rows = client.get_metric_history(by_key(again)[cell.key].info.run_id, "loss_nats")
    assert [row.value for row in rows] == [1.5] and everything(again) == everything_of(fresh, plan, store)


def everything_of(recorder: Recorder, plan: Plan, store: Store) -> dict[str, Any]:
    assert recorder.mirror_all(plan, store) == 0
    return everything(recorder)
