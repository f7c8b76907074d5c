"""Damage to any committed file is found, the cell is computed again, and cells that rest on it follow."""

import os
import random
import shutil
import time

import pytest

from mi_ray.experiments.store.files import MANIFEST, read_json, sha256, write_json
from mi_ray.experiments.store.healing import UPSTREAM_CONTENT, heal, setting_aside
from mi_ray.experiments.store.manifest import Damaged
from tests.experiments.store.chain import EMBEDDING, NEEDS, QUESTION, TRAINING, compute, run, shown


@pytest.mark.fault("F16", "one byte of a random committed file flipped, 200 times")
def test_a_flipped_byte_of_any_committed_file_is_found_healed_and_never_shown(store, recovery, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 200 rounds in seconds
    assert run(store) == (set(), set(NEEDS))
    whole, rng, again = shown(store), random.Random(15), 0
    files = {path.relative_to(store.cells) for path in store.cells.rglob("*") if path.is_file()}
    assert len(files) == 3 * 5
    for _ in range(200):
        file = rng.choice(sorted(files))
        content = bytearray((store.cells / file).read_bytes())
        place, flip = rng.randrange(len(content)), rng.randrange(1, 256)
        content[place] ^= flip
        (store.cells / file).write_bytes(content)
        assert all(now in (None, whole[key]) for key, now in shown(store).items())
        aside, computed = run(store)
        assert file.parts[0] in aside, f"byte {place} of {file} ^ {flip}"
        assert computed == {file.parts[0]}, "the same bytes came out, so that what rests on them is put back"
        assert shown(store) == whole
        again += len(computed)
    recovery.redone = f"{again} cells"


def emptied(cell):
    shutil.rmtree(cell)
    cell.mkdir()


def cut(name, share):
    def damage(cell):
        content = (cell / name).read_bytes()
        (cell / name).write_bytes(content[: int(share * len(content))])

    return damage


def replaced(name, text):
    return lambda cell: (cell / name).write_text(text)


def resealed_without_a_file(cell):
    write_json(cell / MANIFEST, {**read_json(cell / MANIFEST), "files": {}})


def a_file(cell):
    shutil.rmtree(cell)
    cell.write_text("no folder")


def a_folder_for(name):
    def damage(cell):
        (cell / name).unlink()
        (cell / name).mkdir()

    return damage


def linked_to_itself(name):
    return lambda cell: ((cell / name).unlink(), (cell / name).symlink_to(name))


DAMAGES = {
    "an emptied folder": emptied,
    "a file for the folder": a_file,
    "no manifest": lambda cell: (cell / MANIFEST).unlink(),
    "an empty manifest": cut(MANIFEST, 0),
    "half a manifest": cut(MANIFEST, 0.5),
    "a manifest that is no JSON": replaced(MANIFEST, "\x00\xff not JSON"),
    "a manifest that is a list": replaced(MANIFEST, "[]"),
    "a manifest of other JSON": replaced(MANIFEST, '{"files": {"../result.json": 1}}'),
    "a manifest nested too deep": replaced(MANIFEST, "[" * 100_000),
    "a manifest with a number that is none": replaced(MANIFEST, '{"files": {}, "seal": NaN}'),
    "a folder for the manifest": a_folder_for(MANIFEST),
    "a manifest that lost its files": resealed_without_a_file,
    "no payload": lambda cell: (cell / "h.safetensors").unlink(),
    "an empty payload": cut("h.safetensors", 0),
    "a payload cut at its end": cut("h.safetensors", 0.9),
    "a folder for the payload": a_folder_for("h.safetensors"),
    "a longer payload": replaced("h.safetensors", "weights of another training"),
    "no result": lambda cell: (cell / "result.json").unlink(),
    "a result that is a link to itself": linked_to_itself("result.json"),
    "a payload that is a link to itself": linked_to_itself("h.safetensors"),
    "half a result": cut("result.json", 0.5),
    "another digit in the result": replaced("result.json", '{"bits": 1.6}\n'),
    "half a history": cut("history.jsonl", 0.5),
    "an empty declaration": cut("declaration.json", 0),
    "a link to nowhere": lambda cell: (shutil.rmtree(cell), cell.symlink_to("nowhere")),
}


@pytest.mark.fault("F18", "a committed cell torn, emptied or cut in 25 ways")
def test_a_damaged_cell_is_named_set_aside_and_computed_again(store, recovery):
    run(store)
    whole, again = shown(store), 0
    for number, (kind, damage) in enumerate(DAMAGES.items(), start=1):
        damage(store.cells / QUESTION)
        assert shown(store) in (whole, whole | {QUESTION: None}), kind
        (aside,) = heal(store, NEEDS)
        assert (aside.key, aside.is_damaged) == (QUESTION, True), kind
        assert "\n" not in str(aside) and QUESTION in str(aside) and aside.reason in str(aside)
        assert aside.place == str(store.root / "quarantine" / f"{QUESTION}-{number}"), "each is kept"
        assert os.path.lexists(aside.place)
        assert (store.root / "quarantine" / f"{QUESTION}-{number}.txt").read_text() == f"{aside.reason}\n"
        again += compute(store, QUESTION)
        assert again == number and shown(store) == whole, kind
        assert run(store) == (set(), set()), "nothing is computed and thrown away"
    recovery.redone = f"{again} cells"


def test_a_job_computes_a_cell_that_was_damaged_after_the_start(store):
    run(store)
    for damage in DAMAGES.values():
        damage(store.cells / QUESTION)
        if not store.has(QUESTION):
            assert compute(store, QUESTION) and store.read(QUESTION).result == {"bits": 1.5}
        heal(store, NEEDS)
        compute(store, QUESTION)


def test_a_very_large_file_that_rots_without_a_write_is_computed_again_once_a_job_has_read_it(store, monkeypatch):
    from mi_ray.experiments.store import manifest

    monkeypatch.setattr(manifest, "VERY_LARGE", 10)
    run(store)
    path = store.cells / EMBEDDING / "h.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    time.sleep(0.02)
    os.utime(store.cells / EMBEDDING / MANIFEST)  # the damage is older than the manifest, as of a copy gone wrong
    assert run(store) == (set(), set())
    with pytest.raises(Damaged), setting_aside(store, EMBEDDING):
        store.read(EMBEDDING).file("h.safetensors")
    assert not store.has(EMBEDDING) and run(store)[1] == {EMBEDDING}


def test_a_damaged_cell_that_appears_while_another_attempt_computes_does_not_throw_that_away(store):
    attempt = store.attempt(TRAINING)
    (store.cells / TRAINING).mkdir()
    (store.cells / TRAINING / "result.json").write_text("{}")
    assert attempt.publish({}, result={"bits": 1.5}).result == {"bits": 1.5}


def test_a_cell_that_was_healed_after_it_was_judged_stays(store):
    run(store)
    (store.cells / QUESTION / "result.json").write_text("{}")
    judged = store.backend.judged(f"cells/{QUESTION}")
    run(store)
    assert store.set_aside(f"cells/{QUESTION}", *judged) == "" and store.has(QUESTION)
    assert sorted(path.name for path in (store.root / "quarantine").iterdir()) == [f"{QUESTION}-1", f"{QUESTION}-1.txt"]


def test_cells_that_rest_on_one_that_another_process_heals_at_the_same_time_stay(store, monkeypatch):
    run(store)
    (store.cells / TRAINING / "result.json").write_text("{}")
    set_aside = type(store.backend).set_aside

    def after_another(backend, *judged):
        monkeypatch.undo()
        assert set_aside(backend, *judged) and compute(store, TRAINING)
        return set_aside(backend, *judged)

    monkeypatch.setattr(type(store.backend), "set_aside", after_another)
    assert run(store) == (set(), set())


def test_cells_follow_an_upstream_cell_that_finds_something_else(store):
    run(store)
    shutil.rmtree(store.cells / TRAINING)
    assert run(store, "other weights") == ({EMBEDDING, QUESTION}, set(NEEDS))
    assert run(store) == (set(), set())


def test_cells_that_rest_on_a_removed_cell_are_put_back_when_it_comes_out_the_same(store):
    run(store)
    before = {key: sha256(store.cells / key / MANIFEST) for key in (EMBEDDING, QUESTION)}
    shutil.rmtree(store.cells / TRAINING)
    assert run(store) == ({EMBEDDING, QUESTION}, {TRAINING})
    assert {key: sha256(store.cells / key / MANIFEST) for key in before} == before
    assert list((store.root / "quarantine").iterdir()) == []


def test_a_job_does_not_keep_an_answer_about_an_upstream_cell_that_was_computed_again_meanwhile(store):
    run(store)
    shutil.rmtree(store.cells / EMBEDDING)
    assert compute(store, EMBEDDING, "other weights") and compute(store, QUESTION, "other weights")


def test_a_damaged_cell_in_quarantine_is_not_put_back(store):
    run(store)
    shutil.rmtree(store.cells / TRAINING)
    heal(store, NEEDS)
    (store.root / "quarantine" / f"{EMBEDDING}-1" / "h.safetensors").write_text("other")
    assert run(store)[1] == {TRAINING, EMBEDDING}, "the question's upstream found the same again"


def test_cells_of_earlier_versions_stay_valid_and_their_files_are_checked(store):
    run(store)
    for key in NEEDS:
        manifest = read_json(store.cells / key / MANIFEST)
        for field in ("seal", "format", "sizes", UPSTREAM_CONTENT):
            del manifest[field]
        write_json(store.cells / key / MANIFEST, manifest)
    assert run(store) == (set(), set())
    (store.cells / QUESTION / "result.json").write_text('{"bits": 9}')
    assert run(store) == ({QUESTION}, {QUESTION})
    shutil.rmtree(store.cells / TRAINING)
    assert run(store, "other weights") == (set(), {TRAINING}), "the embedding does not tell what it rests on"
