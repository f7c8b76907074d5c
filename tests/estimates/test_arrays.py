"""Files that users have embeddings and labels in."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from mi_ray.estimates.arrays import codes, matrix

H = np.arange(12, dtype=np.float32).reshape(6, 2)
LABELS = np.array(["a", "b"] * 3)
EMBEDDINGS, CLASSES = ("embeddings", "h"), ("labels", "y")


def written(folder):
    """Every file with its place for embeddings and for labels."""
    np.save(folder / "h.npy", H)
    np.save(folder / "labels.npy", LABELS)
    np.savez(folder / "one.npz", arr_0=H)
    np.savez(folder / "named.npz", h=H, other=H + 1, y=LABELS)
    save_file({"features": H, "extra": H + 1}, folder / "f.safetensors")
    pd.DataFrame({"id": ["x"] * 6, "embeddings": list(H), "labels": LABELS}).to_parquet(folder / "lists.parquet")
    pd.DataFrame({"f0": H[:, 0], "f1": H[:, 1], "labels": LABELS}).to_csv(folder / "wide.csv", index=False)


@pytest.mark.parametrize(
    "place", ["h.npy", "one.npz", "named.npz", "named.npz:h", "f.safetensors:features", "lists.parquet", "wide.csv"]
)
def test_embeddings_are_found(tmp_path, place):
    written(tmp_path)
    assert (matrix("embeddings", tmp_path / place, EMBEDDINGS) == H).all()


@pytest.mark.parametrize("place", ["labels.npy", "named.npz", "lists.parquet", "wide.csv", "wide.csv:labels"])
def test_labels_are_found(tmp_path, place):
    written(tmp_path)
    number, names = codes("labels", str(tmp_path / place), 6, CLASSES)
    assert number.tolist() == [0, 1] * 3 and names == ["a", "b"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent.npy", "absent.npy' cannot be read (No such file or directory)"),
        ("absent.npy:x", "cannot be read (No such file or directory)"),
        ("fifo.npy", "cannot be read (it is a fifo, not a regular file)"),
        ("h.txt", "allowed: a file of .npy, .npz, .parquet, .csv, .safetensors"),
        ("f.safetensors", "holds extra (6, 2), features (6, 2); allowed: f.safetensors:NAME"),
        ("named.npz:k", "named.npz:k' is not allowed; allowed: one of h, other, y"),
        ("pickled.npy", "pickled.npy' cannot be read (Object arrays cannot be loaded"),
        ("page.npy", "page.npy' cannot be read ("),
        ("page.npz", "page.npz' cannot be read (it is no archive of numpy)"),
        ("page.parquet", "page.parquet' cannot be read ("),
        ("page.safetensors", "page.safetensors' cannot be read ("),
    ],
)
def test_files_that_hold_no_array_are_refused_in_one_line(tmp_path, place, message):
    written(tmp_path)
    os.mkfifo(tmp_path / "fifo.npy")
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name in ("h.txt", "page.npy", "page.npz", "page.parquet", "page.safetensors"):
        (tmp_path / name).write_text("<html>Not found</html>")
    with pytest.raises(ValueError) as refused:
        matrix("embeddings", tmp_path / place, EMBEDDINGS)
    text = str(refused.value)
    assert text.startswith("embeddings: ") and message in text and "\n" not in text and "allowed: " in text


def test_numbers_of_every_type_become_float32():
    torch = pytest.importorskip("torch")
    for given in (torch.ones(3, 2, dtype=torch.bfloat16), np.ones((3, 2), np.float16), np.ones((3, 2), bool)):
        assert matrix("x", given).dtype == np.float32
    assert matrix("x", [1, 2, 3]).shape == (3, 1)
