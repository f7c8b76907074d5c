"""A file that holds no tensors is told as what it is, by its content, and no message advises to run its code."""

import gzip
import io
import json
import pickle
import re
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from mi_ray.compute.frozen.file_kinds import format_of
from mi_ray.compute.frozen.file_tensors import read_state
from mi_ray.compute.numerics.tensor_files import save_tensors

STATE = {"a": torch.arange(40.0), "b": torch.ones(3)}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def saved(**options):
    buffer = io.BytesIO()
    torch.save(STATE, buffer, **options)
    return buffer.getvalue()


def safetensors(tmp_path):
    save_tensors(STATE, tmp_path / "x.safetensors")
    return (tmp_path / "x.safetensors").read_bytes()


def script():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.rand(1, 2)), buffer)
    return buffer.getvalue()


def exported():
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.rand(1, 2),)), buffer)
    return buffer.getvalue()


def zipped(**entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("model.pth")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    return buffer.getvalue()


def numpy_archive():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    return buffer.getvalue()


KINDS = {
    "an empty file": (lambda: b"", "it is empty"),
    "a Git LFS pointer": (lambda: POINTER, "a Git LFS pointer, not the file itself"),
    "an HTML page": (lambda: PAGE, "an HTML page"),
    "an upper-case page": (lambda: b"<HTML><BODY>404</BODY></HTML>", "an HTML page"),
    "a page after a mark of its encoding": (lambda: b"\xef\xbb\xbf<html>", "an HTML page"),
    "an error of a storage service": (lambda: b"<?xml version='1.0'?><Error>NoSuchKey</Error>", "a page of XML"),
    "an error in JSON": (lambda: b'{"error": "Repository not found"}', "a text in JSON"),
    "a message": (lambda: b"Access denied\n", "a text; it begins 'Access denied'"),
    "TorchScript": (script, "a TorchScript archive"),
    "torch.export": (exported, "a program of torch.export"),
    "ONNX": (lambda: b"\x08\x07\x12\x07pytorch\x1a\x051.9.0:\x80\x04\n" + bytes(40), "an ONNX file"),
    "a SavedModel": (lambda: b"\x08\x01\x12\xb0\x02\n\x10saved_model" + bytes(9), "a SavedModel of TensorFlow"),
    "an index of TensorFlow": (lambda: b"\x00\x00\x08" + bytes(40) + bytes.fromhex("57fb808b247547db"), "TensorFlow"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
    "arrays of NumPy": (numpy_archive, "an archive of NumPy arrays"),
    "an array of NumPy": (lambda: b"\x93NUMPY\x01\x00", "a NumPy array"),
    "a tar archive": (tarred, "a tar archive"),
    "a gzip archive": (lambda: gzip.compress(saved()), "a gzip archive"),
    "a zip archive of a file": (lambda: zipped(**{"weights/model.pth": b"abc"}), "a zip archive of weights/model.pth"),
    "a zip archive of nothing": (lambda: zipped(), "it begins with"),
    "a pickle of Python": (lambda: pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
    "GGUF": (lambda: b"GGUF\x03\x00\x00\x00", "a GGUF file"),
    "noise": (lambda: bytes(range(200, 256)), "it begins with the bytes c8 c9"),
    "an index of shards": (
        lambda: json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode(),
        r"the index of weights in 2 files \(model-1.safetensors, model-2.safetensors\)",
    ),
}  # fmt: skip


def refusal(path):
    with pytest.raises(ValueError, match=r"^checkpoint: .* cannot be read \(") as refused:
        format_of(path)
    with pytest.raises(ValueError) as again:
        read_state(path, allow_code=True)
    assert str(again.value) == str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "bin"])
@pytest.mark.parametrize(("content", "told"), KINDS.values(), ids=KINDS)
def test_a_file_of_another_kind_is_told_as_what_it_is_whatever_its_suffix(tmp_path, content, told, suffix):
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content())
    text = refusal(path)
    assert re.search(told, text), text
    assert "; allowed: " in text and "allow_code" not in text and "weights_only" not in text and "\n" not in text


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.pth", "model.ckpt", "model.bin", "model.pth.tar", "model"]
)
@pytest.mark.parametrize("kind", ["safetensors", "zip", "pickle"])
def test_tensors_are_read_whatever_the_suffix(tmp_path, kind, name):
    content = {"zip": saved, "pickle": lambda: saved(_use_new_zipfile_serialization=False)}
    (tmp_path / name).write_bytes(safetensors(tmp_path) if kind == "safetensors" else content[kind]())
    assert format_of(tmp_path / name) == kind
    assert all(torch.equal(tensor, STATE[key]) for key, tensor in read_state(tmp_path / name).tensors.items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_old_files_of_any_protocol_are_known(tmp_path, protocol):
    path = tmp_path / "model.pth"
    path.write_bytes(saved(_use_new_zipfile_serialization=False, pickle_protocol=protocol))
    assert format_of(path) == "pickle"


@pytest.mark.parametrize("kept", [20, -1, -100])
def test_a_cut_safetensors_file_is_told_before_it_is_read(tmp_path, kept):
    path = tmp_path / "model.bin"
    path.write_bytes(safetensors(tmp_path)[:kept])
    assert "a safetensors file, cut off" in refusal(path)


@pytest.mark.parametrize("kept", [100, -1, -30])
def test_a_cut_file_of_torch_is_told_before_it_is_read(tmp_path, kept):
    path = tmp_path / "model.pth"
    path.write_bytes(saved()[:kept])
    assert "without its end" in refusal(path)


@pytest.mark.parametrize("header", [b"{}", b'{"a": 3}', b'{"a": {"dtype": "F32"}}', b"{nonsense", b"[1]"])
def test_a_damaged_header_is_refused(tmp_path, header):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    if header == b"{}":
        with pytest.raises(ValueError, match="holds a dict; allowed: a dict with tensors"):
            read_state(path)
    else:
        refusal(path)


def test_a_folder_names_the_files_in_it(tmp_path):
    assert "a folder" in refusal(tmp_path)
    save_tensors(STATE, tmp_path / "model.safetensors")
    assert "a file in it, such as model.safetensors" in refusal(tmp_path)


def test_no_message_of_a_damaged_pickle_advises_to_run_code(tmp_path):
    path = tmp_path / "model.pth"
    content = bytearray(saved(_use_new_zipfile_serialization=False))
    content[300:330] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read|needs code") as refused:
        read_state(path)
    assert "weights_only" not in str(refused.value) and "trust" not in str(refused.value)
