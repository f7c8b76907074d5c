"""Damage to a cell in a bucket is found on a node that has read nothing of it."""

import shutil

import pytest

from mi_ray.experiments.store.files import MANIFEST
from mi_ray.experiments.store.healing import setting_aside
from mi_ray.experiments.store.manifest import Damaged
from mi_ray.experiments.store.store import store_at
from tests.buckets import new_bucket, objects
from tests.experiments.store.chain import EMBEDDING, QUESTION, TRAINING, compute, run, shown


@pytest.fixture
def in_a_bucket(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "cache"))
    return store_at(new_bucket())


def on_a_new_node(store, name, damage):
    """Damage an object of the question's cell in a bucket, and forget what this node has read."""
    (whole_name,) = (o for o in objects(store.name) if o.startswith(f"cells/{QUESTION}/") and o.endswith(name))
    store.bucket.write(whole_name, damage(store.bucket.read(whole_name)))
    shutil.rmtree(store.root)


def flipped(content):
    return bytes([*content[:-2], content[-2] ^ 1, content[-1]])


@pytest.mark.fault("F16", "objects of a cell in a bucket flipped and cut")
def test_damaged_objects_of_a_bucket_are_found_and_their_cell_is_computed_again(in_a_bucket, recovery):
    store = in_a_bucket
    run(store)
    whole, again = shown(store), 0
    for name, damage in ((MANIFEST, flipped), ("result.json", flipped), ("h.safetensors", lambda content: b"")):
        on_a_new_node(store, name, damage)
        assert shown(store)[QUESTION] in (None, whole[QUESTION])
        aside, computed = run(store)
        assert (aside, computed) == ({QUESTION}, {QUESTION}) and shown(store) == whole
        again += len(computed)
    recovery.redone = f"{again} cells"


def test_a_payload_in_a_bucket_that_a_job_finds_damaged_is_set_aside(in_a_bucket):
    store = in_a_bucket
    run(store)
    on_a_new_node(store, "h.safetensors", flipped)
    with pytest.raises(Damaged, match=r"h\.safetensors does not match"), setting_aside(store, QUESTION):
        store.read(QUESTION).file("h.safetensors")
    assert not store.has(QUESTION) and compute(store, QUESTION)


def test_cells_of_a_bucket_follow_their_upstream_cell(in_a_bucket):
    store = in_a_bucket
    run(store)
    store.bucket.remove(*(name for name in objects(store.name) if name.startswith(f"cells/{TRAINING}/")))
    assert run(store) == ({EMBEDDING, QUESTION}, {TRAINING}), "put back"
    assert not any(name.startswith("quarantine/") for name in objects(store.name))


def test_a_payload_in_a_bucket_that_is_gone_is_damage_and_its_cell_is_set_aside(in_a_bucket):
    store = in_a_bucket
    run(store)
    store.bucket.remove(*(name for name in objects(store.name) if QUESTION in name and name.endswith("h.safetensors")))
    shutil.rmtree(store.root)
    with pytest.raises(Damaged, match=r"h\.safetensors is missing"), setting_aside(store, QUESTION):
        store.read(QUESTION).file("h.safetensors")
    assert not store.has(QUESTION) and compute(store, QUESTION)


def test_a_damaged_cell_of_a_bucket_that_appears_while_another_attempt_computes_does_not_throw_that_away(in_a_bucket):
    store = in_a_bucket
    attempt = store.attempt(TRAINING)
    store.bucket.write(f"cells/{TRAINING}/{MANIFEST}", b"{")
    assert attempt.publish({}, result={"bits": 1.5}).result == {"bits": 1.5}


def test_all_files_of_a_cell_whose_manifest_is_damaged_are_kept_in_quarantine(in_a_bucket):
    store = in_a_bucket
    run(store)
    on_a_new_node(store, MANIFEST, flipped)
    assert run(store) == ({QUESTION}, {QUESTION})
    kept = [name.rpartition("/")[2] for name in objects(store.name) if name.startswith(f"quarantine/{QUESTION}-1/")]
    assert sorted(kept) == ["declaration.json", "h.safetensors", "history.jsonl", MANIFEST, "result.json"]


def test_a_cell_of_a_bucket_that_was_healed_after_it_was_judged_stays(in_a_bucket):
    store = in_a_bucket
    run(store)
    on_a_new_node(store, "result.json", flipped)
    judged = store.backend.judged(f"cells/{QUESTION}")
    run(store)
    assert store.set_aside(f"cells/{QUESTION}", *judged) == "" and store.has(QUESTION)
