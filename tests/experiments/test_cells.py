"""The store: a cell is published as a whole or not at all, once, and every byte of it can be trusted."""

import json
import os
import signal
import subprocess
import sys
from math import inf, nan

import pytest

from mi_ray.experiments.cells import Store
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.failpoints import VARIABLE
from mi_ray.experiments.files import append_line, read_lines, write_json

KEY = "training-0"
PROLOGUE = "import sys; from pathlib import Path; from mi_ray.experiments.cells import *; from mi_ray.experiments.files import *; store = Store(Path(sys.argv[1]));"
COMMIT = f"""{PROLOGUE}
attempt = store.attempt("{KEY}")
write_json(attempt.payload / "result.json", {{"by": "another process"}})
attempt.publish({{}})
"""
TAKE_ATTEMPTS = f"""{PROLOGUE}
print("ready", flush=True); sys.stdin.readline()
print(*[store.attempt("{KEY}").number for _ in range(5)])
"""


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def written(store, by="this process", key=KEY):
    attempt = store.attempt(key)
    write_json(attempt.payload / "result.json", {"by": by})
    return attempt


def commit_elsewhere(store, failpoint):
    command = [sys.executable, "-c", COMMIT, str(store.root)]
    return subprocess.run(command, env=os.environ | {VARIABLE: failpoint}, timeout=60).returncode


def test_killed_before_the_rename_nothing_is_committed_and_the_next_attempt_commits(store):
    assert commit_elsewhere(store, "commit.before_rename:kill@1") == -signal.SIGKILL
    assert not store.has(KEY) and list(store.cells.iterdir()) == []
    cell = written(store).publish({})
    assert cell.result == {"by": "this process"} and cell.manifest["attempt"] == 2


def test_killed_after_the_rename_the_cell_is_there(store):
    assert commit_elsewhere(store, "commit.after_rename:kill@1") == -signal.SIGKILL
    assert store.read(KEY).result == {"by": "another process"}


def test_the_first_to_publish_wins_and_the_second_discards_its_own(store):
    commit_elsewhere(store, "commit.after_rename:kill@1")
    assert written(store).publish({}).result == {"by": "another process"}
    assert [path.name for path in store.cells.iterdir()] == [KEY]


def test_publishing_sweeps_the_scratch_files_of_every_attempt(store):
    written(store)
    written(store).publish({})
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


def test_attempt_numbers_are_taken_exclusively_by_eight_processes(store):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", TAKE_ATTEMPTS, str(store.root)]
    processes = [subprocess.Popen(command, **pipes) for _ in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = [int(word) for process in processes for word in process.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == list(range(1, 41))


def test_a_flipped_byte_in_a_payload_file_is_named(store):
    cell = written(store).publish({})
    assert cell.file("result.json").is_file()
    flipped = bytearray((cell.path / "result.json").read_bytes())
    flipped[3] ^= 1
    (cell.path / "result.json").write_bytes(flipped)
    with pytest.raises(ValueError, match=r"result\.json does not match its manifest; remove"):
        cell.file("result.json")


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
    (written(store).path / "progress").write_text("0.5000")
    assert store.progress(KEY) == 0.5
    newest = written(store)
    assert store.progress(KEY) == 0.0
    (newest.path / "progress").write_text("0.2")
    assert store.progress(KEY) == 0.2
