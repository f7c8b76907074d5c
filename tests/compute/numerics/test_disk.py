"""Files have the mode that the umask asks for, and a full disk is told with path, needed and free bytes."""

import errno
import os
import stat

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from mi_ray.compute.numerics.disk import telling_room
from mi_ray.compute.numerics.mapped_files import created_arrays, save_arrays
from mi_ray.compute.numerics.tensor_files import save_tensors
from mi_ray.experiments.run.checkpoint import write_state
from mi_ray.experiments.store.files import append_line, write_json
from tests.faults.disks import largest_file

NUMBERS = 100_000


def create(path):
    with created_arrays(path, {"h": (NUMBERS,)}, np.float32) as arrays:
        arrays["h"][:] = 1


WRITERS = {
    "tensors": lambda path: save_tensors({"w": torch.ones(NUMBERS)}, path),
    "arrays": lambda path: save_arrays({"h": np.ones(NUMBERS, np.float32)}, path),
    "mapped arrays": create,
    "a checkpoint": lambda path: write_state({"w": torch.ones(NUMBERS)}, path),
    "JSON": lambda path: write_json(path, ["x" * 4 * NUMBERS]),
    "JSON lines": lambda path: append_line(path, {"x" * 4 * NUMBERS: 1.0}),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_a_file_has_the_mode_that_the_umask_asks_for(tmp_path, kind, umask):
    before = os.umask(umask)
    try:
        WRITERS[kind](tmp_path / "file.safetensors")
        WRITERS[kind](tmp_path / "file.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.safetensors").stat().st_mode) == 0o666 & ~umask
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.fault("F15", "no room for tensors, arrays, mapped arrays, a checkpoint, JSON and JSON lines")
def test_a_full_disk_is_told_with_path_needed_and_free_bytes(tmp_path):
    for number, write in enumerate(WRITERS.values()):
        path = tmp_path / f"{number}.safetensors"
        with largest_file(50_000), pytest.raises(OSError, match=r"bytes needed, [\d,]+ free") as caught:
            write(path)
        assert caught.value.errno == errno.EFBIG and str(tmp_path / str(number)) in str(caught.value.filename)
        needed = int(str(caught.value).partition("; ")[2].partition(" bytes")[0].replace(",", ""))
        assert 4 * NUMBERS <= needed < 4.1 * NUMBERS
        write(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_every_way_to_say_that_a_disk_is_full_keeps_its_number(tmp_path, number):
    for error in (OSError(number, "?"), OSError(f"I/O error: ? (os error {number})")):
        with pytest.raises(OSError, match=r"5 bytes needed") as caught, telling_room(tmp_path / "a", 5):
            raise error
        assert caught.value.errno == number and caught.value.filename == str(tmp_path / "a")


def test_a_full_disk_that_is_told_without_a_size_tells_what_is_free(tmp_path):
    with pytest.raises(OSError, match=r"left on device; [\d,]+ bytes free") as caught, telling_room(tmp_path / "a", 0):
        raise OSError(errno.ENOSPC, "?")
    assert "needed" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "text"), [(OSError("the shard is cut"), "the shard is cut"), (SafetensorError("bad"), "bad"),
                        (OSError(), "OSError"), (OSError("12 requested and 3 written"), "No space left on device; 5 ")]
)  # fmt: skip
def test_an_error_without_a_number_keeps_its_text(tmp_path, error, text):
    with pytest.raises(OSError, match=text) as caught, telling_room(tmp_path / "a", 5):
        raise error
    assert caught.value.filename == str(tmp_path / "a")


def test_a_disk_that_cannot_be_flushed_is_told_with_the_path(tmp_path, monkeypatch):
    def refused(_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("os.fsync", refused)
    with pytest.raises(OSError, match=r"4 bytes needed") as caught:
        save_tensors({"w": torch.ones(1)}, tmp_path / "w.safetensors")
    assert caught.value.filename == str(tmp_path / "w.partial")


def test_an_error_of_another_kind_says_nothing_of_largest_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_json(tmp_path / "nowhere" / "file.json", {})
    assert "needed" not in str(caught.value) and str(tmp_path / "nowhere" / "file.json") in str(caught.value)
