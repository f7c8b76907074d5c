"""Arrays that are mapped into memory are those of safetensors, and writing to one leaves the file as it is."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mi_ray.compute.numerics.mapped_files import created_arrays, mapped_arrays, metadata_of

ARRAYS = {
    "h": np.arange(12, dtype=np.float32).reshape(3, 4), "labels": np.array([2, 1]),
    "pixels": np.zeros((2, 3), np.uint8), "none": np.zeros((0, 5)), "flags": np.array([True, False]),
}  # fmt: skip


def test_a_safetensors_file_is_mapped(tmp_path):
    save_file(ARRAYS, tmp_path / "a.safetensors", {"form": "Photographs"})
    arrays = mapped_arrays(tmp_path / "a.safetensors")
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert metadata_of(tmp_path / "a.safetensors") == {"form": "Photographs"}


def test_writing_to_a_mapped_array_leaves_the_file(tmp_path):
    save_file(ARRAYS, tmp_path / "a.safetensors")
    mapped_arrays(tmp_path / "a.safetensors")["h"][:] = 7
    np.testing.assert_array_equal(mapped_arrays(tmp_path / "a.safetensors")["h"], ARRAYS["h"])


def test_created_arrays_are_read_back_by_safetensors(tmp_path):
    path = tmp_path / "h.safetensors"
    with created_arrays(path, {"train": (5, 3), "test": (0, 3), "views": (2, 2, 3)}, np.float32) as arrays:
        arrays["train"][:] = np.arange(15).reshape(5, 3)
        arrays["views"][1] = 4
    for read in (load_file(path), mapped_arrays(path)):
        np.testing.assert_array_equal(read["train"], np.arange(15, dtype=np.float32).reshape(5, 3))
        np.testing.assert_array_equal(read["views"][1], np.full((2, 3), 4, np.float32))
        assert read["test"].shape == (0, 3) and not read["views"][0].any()


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: b"", lambda c: b"\xff" * 40, lambda c: c[:4], lambda c: c[:20]]
)
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    save_file({"h": ARRAYS["h"]}, tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(damage(content))
    with pytest.raises(ValueError, match=r"a\.safetensors is (truncated|not safetensors)"):
        mapped_arrays(tmp_path / "a.safetensors")
