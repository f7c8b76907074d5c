"""The store: a cell is published as a whole and only once, and damage to its files is noticed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from math import inf, nan

import pytest

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store import backends
from mi_ray.experiments.store.failpoints import VARIABLE
from mi_ray.experiments.store.files import append_line, read_lines, write_json
from mi_ray.experiments.store.manifest import Damaged
from mi_ray.experiments.store.store import Store, ending_in_order, store_at
from tests.buckets import new_bucket, objects

KEY = "training-0"
PROLOGUE = """
import sys
from mi_ray.experiments.store.store import store_at
from mi_ray.experiments.store.files import write_json
store = store_at(sys.argv[1])
"""
COMMIT = f"""{PROLOGUE}
attempt = store.attempt("{KEY}")
write_json(attempt.payload / "result.json", {{"by": "another process"}})
attempt.publish({{}})
"""
TAKE_ATTEMPTS = f"""{PROLOGUE}
print("ready", flush=True)
sys.stdin.readline()
print(*[store.attempt("{KEY}").number for _ in range(5)])
"""
RACE = f"""{PROLOGUE}
import os
from mi_ray.experiments.store.store import Attempt
Attempt.refuse_if_stale = lambda attempt: None  # as if every process had checked before a newer attempt began
attempt = store.attempt("{KEY}")
write_json(attempt.payload / "result.json", {{"by": os.getpid()}})
print("ready", flush=True)
sys.stdin.readline()
print("by", attempt.publish({{}}).result["by"])
"""


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path, monkeypatch):
    """A store in a folder, and one in a bucket for which this process has its own cache."""
    monkeypatch.setattr(backends, "PROGRESS_SECONDS", 0)
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "store"
    if request.param == "bucket":
        request.getfixturevalue("s3")
        place = new_bucket()
    store = store_at(place)
    store.prepare()
    return store


def everything(store):
    """Names of all files in the store's folder, or of all objects in its bucket."""
    if store.bucket:
        return sorted(objects(store.name))
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def cells(store):
    """Keys with any file below ``cells``."""
    return {name.split("/")[1] for name in everything(store) if name.startswith("cells/")}


def elsewhere(store, program, failpoint="", **pipes):
    """Another process with the same store and, for a bucket, its own local folder."""
    cache = tempfile.mkdtemp(dir=store.root.parent)
    environment = os.environ | {VARIABLE: failpoint, "MI_RAY_CACHE": cache}
    return subprocess.Popen([sys.executable, "-c", program, store.name], env=environment, text=True, **pipes)


def written(store, by="this process", key=KEY):
    attempt = store.attempt(key)
    write_json(attempt.payload / "result.json", {"by": by})
    return attempt


def commit_elsewhere(store, failpoint):
    return elsewhere(store, COMMIT, failpoint).wait(timeout=60)


def at_once(store, program, processes):
    """The outputs of several processes that start their work at the same time."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [elsewhere(store, program, **pipes) for _ in range(processes)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0] for process in started]


def test_killed_before_the_commit_there_is_no_cell_and_the_next_attempt_commits(store):
    assert commit_elsewhere(store, "commit.before_rename:kill@1") == -signal.SIGKILL
    assert not store.has(KEY) and store.committed([KEY]) == set()
    cell = written(store).publish({})
    assert cell.result == {"by": "this process"} and cell.manifest["attempt"] == 2


def test_what_a_killed_attempt_left_is_swept_by_the_one_that_commits(store):
    commit_elsewhere(store, "commit.before_rename:kill@1")
    left = everything(store)
    written(store).publish({})
    assert not set(left) & set(everything(store)), "each holds files of its own"
    assert len(everything(store)) == 2, "result and manifest"


def test_killed_after_the_commit_the_cell_is_there(store):
    assert commit_elsewhere(store, "commit.after_rename:kill@1") == -signal.SIGKILL
    assert store.has(KEY) and store.committed([KEY, "another"]) == {KEY}
    assert store.read(KEY).result == {"by": "another process"}


def test_the_first_to_publish_wins_and_the_second_discards_its_own(store):
    commit_elsewhere(store, "commit.after_rename:kill@1")
    before = everything(store)
    assert written(store).publish({}).result == {"by": "another process"}
    assert cells(store) == {KEY}
    assert [name for name in before if name.startswith("cells/")] == everything(store)


def test_of_six_processes_that_publish_at_once_one_wins_and_all_read_its_cell(store):
    printed = at_once(store, RACE, 6)
    assert len(set(printed)) == 1 and printed[0].startswith("by ")
    cell = store.read(KEY)
    assert f"by {cell.result['by']}\n" == printed[0] and cell.file("result.json")
    assert len(everything(store)) == 2, "result and manifest of the winner, and nothing of the others"


def test_publishing_sweeps_the_scratch_files_of_every_attempt(store):
    written(store)
    written(store).publish({})
    assert cells(store) == {KEY} and len(everything(store)) == 2
    assert list(store.work.iterdir()) == []


def test_a_stale_attempt_is_refused_while_a_newer_one_computes(store):
    stale, newer = written(store, "stale"), written(store, "newer")
    with pytest.raises(RuntimeError, match="attempt 1 is stale"):
        stale.publish({})
    assert not store.has(KEY)
    assert newer.publish({}).result == {"by": "newer"}


def test_a_stale_attempt_that_ends_after_the_newer_one_has_published_finds_its_cell(store):
    stale, newer = written(store, "stale"), written(store, "newer")
    newer.publish({})
    assert stale.publish({}).result == {"by": "newer"}


def test_attempt_numbers_are_taken_exclusively_by_six_processes(store):
    numbers = [int(word) for line in at_once(store, TAKE_ATTEMPTS, 6) for word in line.split()]
    assert sorted(numbers) == list(range(1, 31))
    assert store.attempts(KEY) == 30 and store.attempts("another") == 0


def flipped(content):
    return bytes([*content[:3], content[3] ^ 1, *content[4:]])


def flip(store, name):
    """Flip a bit of a committed file, in the local folder and in the bucket."""
    if store.bucket:
        (whole,) = (path for path in objects(store.name) if path.endswith(f"/{name}"))
        store.bucket.write(whole, flipped(objects(store.name)[whole]))
    path = store.cells / KEY / name
    path.write_bytes(flipped(path.read_bytes()))


def test_a_flipped_byte_in_a_payload_file_is_named(store):
    cell = written(store).publish({})
    assert cell.file("result.json").is_file()
    flip(store, "result.json")
    told = rf"{store.name}/cells/{KEY} is damaged: result\.json does not match its manifest; the same command"
    with pytest.raises(Damaged, match=told):
        store.read(KEY).file("result.json")
    with pytest.raises(Damaged, match=told):
        assert store.read(KEY).result


def test_the_manifest_tells_key_attempt_and_what_it_was_given(store):
    manifest = written(store).publish({"kind": "training"}).manifest
    assert (manifest["key"], manifest["attempt"], manifest["kind"]) == (KEY, 1, "training")
    assert list(manifest["files"]) == ["result.json"]


def test_reading_a_cell_that_is_not_committed_names_it(store):
    written(store)
    with pytest.raises(KeyError, match=f"{KEY} is not committed"):
        store.read(KEY)


def test_json_lines_cut_at_any_byte_lose_only_the_last_record(tmp_path):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    records = [{"step": step, "loss_nats": 3.25 - step} for step in range(4)]
    for record in records:
        append_line(whole, record)
    content = whole.read_bytes()
    for offset in range(len(content) + 1):
        cut.write_bytes(content[:offset])
        assert read_lines(cut) == records[: content[:offset].count(b"\n")]


def test_a_history_that_was_never_written_is_empty(store):
    assert written(store).publish({}).history == []


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_not_a_number_is_refused_in_json(tmp_path, value):
    for write in (write_json, append_line):
        with pytest.raises(ValueError, match="JSON compliant"):
            write(tmp_path / "file.json", {"nominal_bits": value})


def test_json_for_people_is_sorted_and_ends_its_line(tmp_path):
    write_json(tmp_path / "file.json", {"b": 1, "a": [2]})
    assert (tmp_path / "file.json").read_text() == json.dumps({"a": [2], "b": 1}, indent=2) + "\n"


def test_a_store_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match=r"store: .*file/store' cannot be written .*; allowed:") as refusal:
        Store(tmp_path / "file" / "store").prepare()
    assert "\n" not in str(refusal.value)


def test_progress_is_that_of_the_newest_attempt_and_zero_when_unknown(store):
    assert store.progress(KEY) == 0.0
    written(store).report_progress(0.5)
    assert store.progress(KEY) == 0.5
    newest = written(store)
    assert store.progress(KEY) == 0.0
    newest.report_progress(0.2)
    assert store.progress(KEY) == 0.2


def test_checkpoints_outlive_their_attempt_the_latest_first_and_dropped_ones_are_gone(store):
    for attempt, names in ((written(store), ("1-a", "2-b")), (written(store), ("3-c",))):
        (attempt.path / "checkpoints").mkdir()
        for name in names:
            path = attempt.path / "checkpoints" / f"{name}.safetensors"
            path.write_text(name)
            attempt.keep_checkpoint(path, drop=[path.with_name("1-a.safetensors")] if name == "2-b" else ())
    if store.bucket:
        shutil.rmtree(store.root)  # the node is lost
    assert [path.read_text() for path in written(store).checkpoints()] == ["3-c", "2-b"]


def test_an_attempt_that_raises_has_ended_and_one_that_is_killed_has_not(store):
    commit_elsewhere(store, "commit.before_rename:kill@1")
    failed = written(store)
    with pytest.raises(KeyboardInterrupt), ending_in_order(failed):
        raise KeyboardInterrupt
    assert store.backend.attempts(KEY) == [1, 2] and store.backend.ended(KEY) == {failed.number}


def test_an_attempt_that_raises_after_its_cell_is_committed_leaves_nothing(store):
    committed = written(store)
    with pytest.raises(RuntimeError), ending_in_order(committed):
        committed.publish({})
        raise RuntimeError
    assert len(everything(store)) == 2, "result and manifest"
