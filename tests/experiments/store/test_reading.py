"""What is read of committed cells: large files as rarely as they may be, intact manifests, and files that this user may
read."""

import errno
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.files import MANIFEST
from mi_ray.experiments.store.healing import heal
from mi_ray.experiments.store.manifest import Damaged, parsed, sealed_text
from mi_ray.experiments.store.store import Store
from tests.experiments.store.chain import EMBEDDING, NEEDS, QUESTION, TRAINING, run


def test_a_large_file_is_read_once_per_process_until_it_changes(store, monkeypatch):
    from mi_ray.experiments.store import files

    monkeypatch.setattr(files, "TICK_NS", 0)
    run(store)
    store.read(EMBEDDING).file("h.safetensors")
    monkeypatch.setattr(files.hashlib, "file_digest", None)
    path = store.read(EMBEDDING).file("h.safetensors")
    monkeypatch.undo()
    before = path.stat()
    path.write_text("WEIGHTS of embedding-0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Damaged, match=r"h\.safetensors does not match its manifest"):
        store.read(EMBEDDING).file("h.safetensors")


def test_a_very_large_file_is_read_at_the_start_only_if_it_was_written_since(store, monkeypatch):
    from mi_ray.experiments.store import files, manifest

    monkeypatch.setattr(manifest, "VERY_LARGE", 10)
    run(store)
    time.sleep(0.1)  # the digest of a file that was written a moment ago is not remembered
    for key in NEEDS:
        os.utime(store.cells / key / MANIFEST)  # well after the payload, as of a payload that takes long to write
    monkeypatch.setattr(files, "_hashed", {})
    assert run(store) == (set(), set())
    read = {path.name for path in files._hashed}
    assert "h.safetensors" not in read and "result.json" in read
    before = (store.cells / QUESTION / "h.safetensors").stat()
    (store.cells / QUESTION / "h.safetensors").write_bytes(b"x" * before.st_size)
    os.utime(store.cells / QUESTION / "h.safetensors", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(store) == ({QUESTION}, {QUESTION})


@pytest.mark.parametrize("value", ["0" * 64, '"seal": "' + "0" * 64 + '"', "\ud800", {"seal": 1}])
def test_a_manifest_of_any_content_is_intact_until_it_changes(value):
    text = sealed_text({"files": {}, "a": value, "z": value})
    assert parsed(text.encode())["z"] == value
    for place in range(len(text)):
        content = bytearray(text.encode())
        content[place] ^= 1 + place % 255
        with pytest.raises(Damaged):
            parsed(bytes(content))


def test_a_damaged_cell_in_a_store_of_others_is_refused_in_one_line(store, monkeypatch):
    run(store)
    (store.cells / QUESTION / "result.json").write_text("{}")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.rename", denied)
    with pytest.raises(Refused, match=rf"store: {QUESTION} in .* may not be used .*Permission denied.*; allowed: "):
        heal(store, NEEDS)


@pytest.fixture
def open_to_all():
    """A store in a folder that other users may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        store = Store(Path(folder) / "store")
        store.prepare()
        yield store


def test_a_file_that_this_user_may_not_read_is_refused_in_one_line(open_to_all):
    store = open_to_all
    run(store)
    (store.cells / QUESTION / "result.json").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(Refused, match=r"^store: .* cannot be read \(Permission denied\); allowed: .*$"):
            heal(store, NEEDS)
        with pytest.raises(Refused, match="cannot be read"):
            store.has(QUESTION)
    finally:
        os.seteuid(user)


def test_what_a_group_shares_can_be_written_by_all_of_it(tmp_path):
    before = os.umask(0o002)
    try:
        store = Store(tmp_path / "store")
        store.prepare()
        run(store)
        (store.cells / QUESTION / "result.json").write_text("{}")
        assert run(store) == ({QUESTION}, {QUESTION})
        written(store)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (store.root, *store.root.rglob("*"))}
    assert modes == {0o775, 0o664}


def written(store):
    """An attempt that is at work and one that has ended."""
    store.attempt(EMBEDDING).report_progress(0.5)
    store.attempt(TRAINING).end("interrupted")


@pytest.mark.parametrize(("failures", "is_damaged"), [(1, False), (2, True)])
def test_a_file_that_the_device_does_not_give_is_read_once_more(store, monkeypatch, failures, is_damaged):
    run(store)
    read, left = Path.read_bytes, [failures]

    def failing(path):
        if path.name == "result.json" and left[0]:
            left[0] -= 1
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    monkeypatch.setattr("pathlib.Path.read_bytes", failing)
    if is_damaged:
        with pytest.raises(Damaged, match=r"result\.json cannot be read"):
            _ = store.read(QUESTION).result
    else:
        assert store.read(QUESTION).result == {"bits": 1.5}
    assert left == [0]
