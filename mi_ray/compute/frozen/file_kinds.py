"""What a file is, by its first bytes, before any of it is read as tensors.

Sources: the formats' own descriptions (safetensors, ZIP, gzip, tar, HDF5, NumPy), `torch/serialization.py`, Git LFS's
pointer files, TensorFlow's `table_options` (a LevelDB table), ONNX's `onnx.proto`.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Literal

Format = Literal["safetensors", "zip", "pickle"]
"""Formats that are read: safetensors, and the new and the old one of `torch.save`."""

TENSORS_ALONE = "a file of safetensors or of torch.save that holds tensors alone"
HEAD = 4096
"""Bytes that are read to recognise a file, but for the directory of a zip archive and the header of safetensors."""

_LARGEST_HEADER = 100_000_000
"""Bytes; safetensors allows no longer header."""

_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""The number by which `torch.save` begins its files in the old format, as a pickle."""

_LEVELDB = bytes.fromhex("57fb808b247547db")

_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "the file that git lfs pull fetches"),
    (0, b"\x1f\x8b", "a gzip archive", "the file in it, unpacked"),
    (0, b"BZh", "a bzip2 archive", "the file in it, unpacked"),
    (0, b"\xfd7zXZ", "an xz archive", "the file in it, unpacked"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", "the file in it, unpacked"),
    (0, b"7z\xbc\xaf", "a 7-zip archive", "the file in it, unpacked"),
    (0, b"Rar!", "a RAR archive", "the file in it, unpacked"),
    (257, b"ustar", "a tar archive", "the file in it, unpacked"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", "the weights in PyTorch's names, in safetensors"),
    (0, b"\x93NUMPY", "a NumPy array", "the weights by name, in safetensors"),
    (0, b"GGUF", "a GGUF file", "the weights before their conversion, in safetensors"),
    (4, b"TFL3", "a TensorFlow Lite file", "the weights in PyTorch's names, in safetensors"),
    (0, b"\x89PNG", "a PNG image", TENSORS_ALONE),
    (0, b"\xff\xd8\xff", "a JPEG image", TENSORS_ALONE),
    (0, b"%PDF", "a PDF document", TENSORS_ALONE),
)
"""Offset, bytes, what they show, and what to give instead."""

_IN_ZIP: tuple[tuple[str, str, str], ...] = (
    (
        r"(^|/)(constants|bytecode)\.pkl$",
        "a TorchScript archive, a program of torch.jit",
        "the state dict of the network, saved by torch.save or in safetensors",
    ),
    (
        r"(^|/)(serialized_exported_program|models/.*)\.json$",
        "a program of torch.export",
        "the state dict of the network, saved by torch.save or in safetensors",
    ),
    (r"\.npy$", "an archive of NumPy arrays (.npz)", "the weights in PyTorch's names, in safetensors"),
    (r"(^|/)model\.weights\.h5$", "a Keras file", "the weights in PyTorch's names, in safetensors"),
)
"""Entries of zip archives, what they show, and what to give instead."""


def format_of(path: Path) -> Format:
    """The format of a checkpoint file; ValueError says what any other file is and what to give instead.

    Only the first bytes are read, and of a zip archive its directory, so that files can be checked in advance.
    """
    if path.is_dir():
        raise _refused(path, "a folder", _files_in(path))
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not size:
        raise _refused(path, "it is empty", "the whole file, downloaded again")
    for offset, magic, what, instead in _MAGIC:
        if head[offset:].startswith(magic):
            raise _refused(path, what, instead)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER:
        return _safetensors(path, size)
    if _TORCH_MAGIC in head[:64]:
        return "pickle"
    raise _refused(path, *_other(path, head))


def _refused(path: Path, what: str, instead: str) -> ValueError:
    return ValueError(f"checkpoint: {path} cannot be read ({what}); allowed: {instead}")


def _files_in(folder: Path) -> str:
    suffixes = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".tar", ".torch"}
    names = sorted(file.name for file in folder.iterdir() if file.suffix in suffixes)
    if (folder / "data.pkl").is_file():
        return "the file of torch.save that was unpacked to this folder"
    return f"a file in it, such as {', '.join(names[:3])}" if names else TENSORS_ALONE


def _zip(path: Path) -> Format:
    """ValueError unless the archive is one of `torch.save`."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        what = "a zip archive, as torch.save writes it, without its end"
        raise _refused(path, what, "an intact file of torch.save, downloaded again") from error
    for pattern, what, instead in _IN_ZIP:
        if any(re.search(pattern, name) for name in names):
            raise _refused(path, what, instead)
    if not any(name.endswith("data.pkl") for name in names):
        shown = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        raise _refused(path, f"a zip archive of {shown or 'nothing'}", "the file in it, unpacked")
    return "zip"


def _safetensors(path: Path, size: int) -> Format:
    """ValueError unless the file is as long as its header says."""
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
        text = file.read(header)
    try:
        entries = json.loads(text)
        end = max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        cut = "cut off" if len(text) < header else "damaged"
        raise _refused(path, f"a safetensors file, {cut} in its header", "the whole file, downloaded again") from error
    if 8 + header + end > size:
        what = f"a safetensors file, cut off: {size} of {8 + header + end} bytes"
        raise _refused(path, what, "the whole file, downloaded again")
    return "safetensors"


def _other(path: Path, head: bytes) -> tuple[str, str]:
    """What a file of no known magic number is, and what to give instead."""
    text = _text(head)
    if text:
        return _of_text(path, text)
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "a pickle that torch.save did not write, or its first bytes alone", TENSORS_ALONE
    if head[:2] == b"\x08\x01" or b"saved_model" in head[:256]:
        return "a SavedModel of TensorFlow", "the weights in PyTorch's names, in safetensors"
    if head[0] == 0x08 and len(head) > 2 and head[1] < 32 and head[2] in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return "an ONNX file, a graph without PyTorch's names", "the state dict of the network before its export"
    with open(path, "rb") as file:
        file.seek(-min(8, path.stat().st_size), 2)
        if file.read() == _LEVELDB:
            return "the index of a TensorFlow checkpoint", "the weights in PyTorch's names, in safetensors"
    if re.search(r"\.data-\d+-of-\d+$", path.name):
        return "the data of a TensorFlow checkpoint", "the weights in PyTorch's names, in safetensors"
    return f"it begins with the bytes {head[:8].hex(' ')}, those of no checkpoint", TENSORS_ALONE


def _text(head: bytes) -> str:
    """The first bytes as text; empty if they are none."""
    for encoding in ("utf-8-sig", "utf-16") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            # the last character may be cut
            text = head.decode(encoding) if len(head) < HEAD else head[:-4].decode(encoding, errors="ignore")
        except UnicodeDecodeError:
            continue
        if text and sum(c.isprintable() or c.isspace() for c in text) == len(text):
            return text.strip() or "white space"
    return ""


def _of_text(path: Path, text: str) -> tuple[str, str]:
    again, begins = "the file itself, downloaded again", f"it begins {text.splitlines()[0][:60]!r}"
    if re.match(r"(<!--.*?-->\s*)?<(!doctype html|html|head|body|script)", text, re.IGNORECASE | re.DOTALL):
        return "an HTML page, such as a login or an error page", again
    if text.startswith("<"):
        return f"a page of XML, such as an error of a storage service; {begins}", again
    if text.startswith(("{", "[")):
        return _of_json(path, begins)
    if text.startswith("model_checkpoint_path:"):
        return "a list of TensorFlow checkpoints", "the weights in PyTorch's names, in safetensors"
    return f"a text; {begins}", again


def _of_json(path: Path, begins: str) -> tuple[str, str]:
    try:
        shards = sorted(set(json.loads(path.read_text("utf-8-sig"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return f"a text in JSON, such as a configuration or an error; {begins}", "the file of the weights"
    shown = ", ".join(map(str, shards[:3])) + ", ..." * (len(shards) > 3)
    return (
        f"the index of weights in {len(shards)} files ({shown}), and holds no tensors",
        "one file with all tensors: the files that the index names, merged",
    )
