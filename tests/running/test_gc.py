"""What killed runs leave behind is said and removed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from mi_ray import gc
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import story
from mi_ray.experiments.store.files import MANIFEST, write_json
from mi_ray.experiments.store.leftovers import leftovers, unfinished
from mi_ray.experiments.store.lock import driver_lock
from mi_ray.experiments.store.store import Store
from mi_ray.running.sessions import stale_sessions
from tests.running.studies import order_in

LEFT = {
    "fault-abc.txt": "of a run that ended",
    ".writable-12": "of a run that ended",
    ".removed-x/cell/file": "of a run that ended",
    "work/tune-abc/trials/x.json": "of a run that was killed",
    "work/done/1/cell/result.json": "attempts at a cell that is committed",
    "work/done/1/ended": "attempts at a cell that is committed",
    "work/done/2/died": "attempts at a cell that is committed",
    "data/cdp-1.partial-78/": "images that were not finished",
    "work/open/1/cell/result.json": "what an attempt wrote that has ended",
    "work/open/1/checkpoints/000000010-a.safetensors": "a checkpoint before the newest",
    "work/open/2/checkpoints/new.safetensors": "a checkpoint before the newest",
    "quarantine/done-1/result.json": "set aside, and computed again since",
    "quarantine/done-1.txt": "set aside, and computed again since",
    "quarantine/cdp-1-2/train.safetensors": "set aside, and computed again since",
    "data/cdp-1.partial-77/train.safetensors": "images that were not finished",
    "cells/done/.result.json.0a": "a download that was not finished",
    f"cells/open/.manifest.json.{'0a' * 16}": "a download that was not finished",
    f"data/cdp-1/.train.safetensors.{'0b' * 16}": "a download that was not finished",
    f"quarantine/open-1/.result.json.{'0c' * 16}": "a download that was not finished",
}
KEPT = [
    "driver.lock", "mlflow.db", "figures/small/a.png", "cells/done/manifest.json", "cells/done/result.json",
    "work/open/1/ended", "work/open/1/checkpoints/000000020-b.safetensors", "work/open/2/died", "work/open/failed",
    "quarantine/open-1/result.json", "quarantine/open-1.txt",
    "work/open/2/checkpoints/000000030-c.safetensors", "data/cdp-1/manifest.json", "data/cdp-1/train.safetensors",
]  # fmt: skip


@pytest.fixture
def no_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "tmp"))
    return tmp_path / "tmp" / "ray"


def filled(root: Path) -> Store:
    for name in [*LEFT, *KEPT]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_text("0123456789")
    return Store(root)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_leftovers_are_judged_by_their_names():
    told = leftovers(dict.fromkeys([*LEFT, *KEPT], 10), in_bucket=False)
    assert {left.reason for left in told} == set(LEFT.values())
    for name in KEPT:
        assert not [left for left in told if name == left.name or name.startswith(f"{left.name}/")]
    for name, reason in LEFT.items():
        assert [left for left in told if left.reason == reason and name.startswith(left.name)], name


def test_of_a_bucket_what_was_not_finished_in_the_folder_of_a_node_is_left_over_too():
    told = leftovers(unfinished(dict.fromkeys([*LEFT, *KEPT], 1)), in_bucket=True)
    apart = ("attempt", "checkpoint", "set aside")
    expected = {LEFT[name] for name in LEFT if not any(word in LEFT[name] for word in apart)}
    assert {left.reason for left in told} == expected
    assert sum("download" in left.reason for left in told) == 3
    assert all(left.name.startswith((".", "fault-", "work/tune-", "data/cdp-1.partial-")) or "/." in left.name
               for left in told)  # fmt: skip


def test_in_a_bucket_what_was_uploaded_but_never_committed_is_left_over_too():
    names = ["cells/a/0123/result.json", "cells/b/0123/result.json", "cells/b/manifest.json", "data/c/9/train.shard"]
    told = leftovers(dict.fromkeys(names, 1), in_bucket=True)
    assert [left.name for left in told] == ["cells/a", "data/c"]


def test_a_dry_run_says_all_and_removes_nothing_and_the_command_removes_what_it_said(tmp_path, no_sessions, capsys):
    filled(tmp_path / "runs")
    before = files(tmp_path / "runs")
    assert gc.main(["--store", str(tmp_path / "runs"), "--dry-run"]) == 0
    said = capsys.readouterr().out.replace("would be removed", "removed")
    assert files(tmp_path / "runs") == before
    assert gc.main(["--store", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == said and "work/done  (attempts at a cell that is committed)" in said
    assert files(tmp_path / "runs") == set(KEPT)
    assert gc.main(["--store", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == "0 B removed\n"


def test_it_is_refused_while_a_driver_is_at_work_and_where_no_store_is(tmp_path, no_sessions):
    store = filled(tmp_path / "runs")
    with driver_lock(store), pytest.raises(Refused, match="is in use by process"):
        gc.main(["--store", str(store.root)])
    with pytest.raises(Refused, match="is not there; allowed: the store of a study"):
        gc.main(["--store", str(tmp_path / "absent")])
    assert not (tmp_path / "absent").exists()


ASKED = """
from tests.running.studies import SMALL
"""


def commit(store: Store, order) -> list[str]:
    """Commit an empty cell for every one of an order; returns their keys."""
    for cell in order.plan.cells.values():
        attempt = store.attempt(cell.key)
        write_json(attempt.payload / "result.json", {})
        manifest = {"protocol": cell.declaration.protocol, "data_digest": cell.data_digest}
        attempt.publish(manifest, declaration=story(cell.declaration))
    return list(order.plan.cells)


def test_cells_that_no_study_asks_for_go_only_on_request_with_their_images(tmp_path, no_sessions, capsys):
    store = Store(tmp_path / "runs")
    store.prepare()
    for recipe, digest in (("cdp-1", "d" * 64), ("cdp-2", "e" * 64)):
        (store.root / "data" / recipe).mkdir(parents=True)
        write_json(store.root / "data" / recipe / MANIFEST, {"digest": digest, "files": {}})
    asked = commit(store, order_in(store.root).renewed(lambda data: "d" * 64))
    others = commit(store, order_in(store.root, axes={"seed": (7,)}).renewed(lambda data: "e" * 64))
    (tmp_path / "study.py").write_text(ASKED)
    gc.main(["--store", str(store.root)])
    assert store.committed([*asked, *others]) == {*asked, *others}
    capsys.readouterr()
    gc.main(["--store", str(store.root), "--asked", str(tmp_path / "study.py")])
    assert store.committed([*asked, *others]) == set(asked)
    assert [path.name for path in (store.root / "data").iterdir()] == ["cdp-1"]
    assert capsys.readouterr().out.count("(nobody asks for it)") == len(others) + 1


@pytest.mark.parametrize("text", ["raise KeyError('x')", "import nothing_of_that_name", "exit()"])
def test_a_file_that_cannot_be_imported_is_refused(tmp_path, no_sessions, text):
    filled(tmp_path / "runs")
    (tmp_path / "study.py").write_text(text)
    with pytest.raises(Refused, match=r"study\.py' cannot be imported"):
        gc.main(["--store", str(tmp_path / "runs"), "--asked", str(tmp_path / "study.py")])


def test_sessions_of_ray_go_when_no_process_names_them(tmp_path):
    names = [f"session_2026-01-0{n}_10-00-00_123456_{n}" for n in (1, 2, 3, 4)]
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "session_latest").symlink_to(tmp_path / names[0])
    (tmp_path / "session_of_another_kind").mkdir()
    os.utime(tmp_path / names[2])
    named = subprocess.Popen(["/bin/sh", "-c", "sleep 60; true", f"--session-dir={tmp_path / names[1]}"])
    try:
        time.sleep(0.2)
        assert [path.name for path in stale_sessions(tmp_path)] == [names[0], names[3]]
    finally:
        named.kill()
        named.wait()
    assert stale_sessions(tmp_path, processes=tmp_path / "no") == []
