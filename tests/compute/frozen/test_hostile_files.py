"""Checkpoint files that would fill the memory, wait for ever or end the process are refused in one line, and no code of
theirs runs."""

import io
import os
import re
import resource
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from mi_ray.compute.frozen import file_tensors, pickle_limits
from mi_ray.compute.frozen.file_kinds import format_of
from mi_ray.compute.frozen.file_tensors import read_state

MEGABYTES = 200
"""What a refusal may add to the memory of this process."""

SMALL = {"a": torch.ones(3)}


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def rezipped(content, compression=zipfile.ZIP_STORED, pickled=None):
    """The same archive, compressed anew or with another pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, pickled if pickled and name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


def of_pickle(body):
    return rezipped(saved(SMALL), pickled=b"\x80\x02" + body + b".")


def with_pickles(times, pickled):
    """A file with further pickles beside that of its tensors, each of them within the limits."""
    buffer = io.BytesIO(saved(SMALL))
    with zipfile.ZipFile(buffer, "a") as archive:
        for number in range(times):
            archive.writestr(f"archive/{number}.pkl", pickled)
    return buffer.getvalue()


def safetensors(header):
    return struct.pack("<Q", len(header)) + header


def holding_itself(**options):
    content = {"a": torch.ones(2)}
    content["self"] = content
    return saved(content, **options)


def doubled(times, content):
    for _ in range(times):
        content = {"left": content, "right": content}
    return saved(content)


def lying():
    """A bomb whose directory states fewer bytes than its entry holds."""
    content = bytearray(rezipped(saved({"a": torch.zeros(10_000_000)}), zipfile.ZIP_DEFLATED))
    at = content.rindex(struct.pack("<L", 40_000_000))
    content[at : at + 4] = struct.pack("<L", 100)
    return bytes(content)


def crowded():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(3000):
            archive.writestr(f"archive/data/{i:02000d}", b"")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def fewer_values(monkeypatch):
    """A lower limit, since a million values take seconds to count."""
    monkeypatch.setattr(pickle_limits, "MOST_VALUES", 20_000)
    monkeypatch.setattr(pickle_limits, "MOST_OPERATIONS", 60_000)
    monkeypatch.setattr(file_tensors, "MOST_ENTRIES", 20_000)
    monkeypatch.setattr(file_tensors, "MOST_TENSORS", 5_000)


HOSTILE = {
    "a zip bomb": (lambda: rezipped(saved({"a": torch.zeros(25_000_000)}), zipfile.ZIP_DEFLATED), "holds 100,000,"),
    "a zip bomb that lies": (lying, r"record size|more than 4 times"),
    "a crowded directory": (crowded, "a directory of"),
    "a dict that holds itself": (holding_itself, "hold themselves"),
    "an old one": (lambda: holding_itself(_use_new_zipfile_serialization=False), "hold themselves"),
    "nested dicts": (lambda: of_pickle(b"}X\x01\0\0\0a" * 6000 + b"}" + b"s" * 6000), "more than 100 levels deep"),
    "nested tuples": (lambda: of_pickle(b"})" + b"\x85" * 15_000 + b"K\x01s"), "tuples are nested"),
    "nested tuples by a memo": (lambda: of_pickle(b"}" + b")" + b"\x85q\x00h\x00\x86" * 99 + b"K\x01s"), "tuples are"),
    "dicts that double": (lambda: doubled(40, SMALL), "more than 5,000 tensors"),
    "dicts of nothing that double": (lambda: doubled(40, {}), "more than 20,000 entries"),
    "a pickle of many values": (lambda: of_pickle(b"](" + b"}" * 20_001 + b"e"), "more than 20,000 values"),
    "a pickle of many numbers": (lambda: of_pickle(b"](" + b"K\x01" * 60_001 + b"e"), "more than 60,000 operations"),
    "many pickles": (lambda: with_pickles(5, b"\x80\x02](" + b"}" * 5000 + b"e."), "more than 20,000 values"),
    "a pickle of many bytes": (lambda: saved({"a": torch.ones(2), "b": "k" * 33_000_000}), "more than 32,000,000"),
    "a long name": (lambda: saved({"k" * 2000: torch.ones(2)}), "more than 1,000 characters"),
    "a bytearray": (lambda: of_pickle(b"cbuiltins\nbytearray\nJ\0\0\0\x40\x85R"), "a bytearray"),
    "a nested header": (lambda: safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "damaged in its"),
    "a long header": (lambda: safetensors(b'{"__metadata__":{"a":"' + b" " * 99_000_000 + b'"}}'), "a header of"),
    "nested JSON": (lambda: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "a text in JSON"),
}  # fmt: skip


def refusal(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"^checkpoint: ") as refused:
        read_state(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    text = str(refused.value)
    assert grown < MEGABYTES and str(path) in text and "\n" not in text and "; allowed: " in text
    return text


@pytest.mark.fault("F26", "bombs, nested and self-referring pickles, headers beyond measure")
@pytest.mark.parametrize(("content", "told"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_beyond_the_limits_is_refused_in_one_line_and_little_memory(tmp_path: Path, content, told):
    path = tmp_path / "model.pth"
    path.write_bytes(content())
    text = refusal(path)
    assert re.search(told, text), text


@pytest.mark.fault("F26", "a pickle that calls a function, in both formats")
@pytest.mark.parametrize("is_new", [True, False])
def test_no_code_of_a_file_runs(tmp_path: Path, is_new):
    class Canary:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "canary"),)

    path = tmp_path / "model.pth"
    path.write_bytes(saved({"a": torch.ones(2), "b": Canary()}, _use_new_zipfile_serialization=is_new))
    assert "needs code to be read (posix.mkdir)" in refusal(path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.fault("F26", "a fifo, a device, a link loop and a file without an end in place of a checkpoint")
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.pth")
    (tmp_path / "device.pth").symlink_to("/dev/zero")
    (tmp_path / "loop.pth").symlink_to("loop.pth")
    with open(tmp_path / "endless.pth", "wb") as file:
        file.truncate(2**40)
    told = {"fifo": "it is a fifo", "device": "it is a device", "loop": "Too many levels", "endless": "bytes"}
    for name, reason in told.items():
        assert reason in refusal(tmp_path / f"{name}.pth")


def test_plain_numbers_beside_the_tensors_are_no_excess(tmp_path: Path):
    path = tmp_path / "model.pth"
    path.write_bytes(saved(SMALL | {"labels": list(range(30_000)), "large": 10**500, "losses": [0.5] * 20_000}))
    assert list(read_state(path).tensors) == ["a"]


def test_a_comment_of_an_archive_that_looks_like_a_record_is_none(tmp_path: Path):
    buffer = io.BytesIO(saved(SMALL))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"PK\x06\x06" + b"\xff" * 60
    (tmp_path / "model.pth").write_bytes(buffer.getvalue())
    assert format_of(tmp_path / "model.pth") == "zip" and list(read_state(tmp_path / "model.pth").tensors) == ["a"]


def test_compressed_weights_are_read_and_lists_may_hold_themselves(tmp_path: Path):
    listed = []
    listed.append(listed)
    path = tmp_path / "model.pth"
    path.write_bytes(rezipped(saved({"a": torch.rand(5000), "l": listed}), zipfile.ZIP_DEFLATED))
    assert format_of(path) == "zip" and list(read_state(path).tensors) == ["a"]
