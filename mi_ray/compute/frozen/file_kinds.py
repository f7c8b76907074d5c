"""What a file is, by its first bytes, before any of it is read as tensors.

Sources: the formats' own descriptions (safetensors, ZIP, gzip, tar, HDF5, NumPy), `torch/serialization.py`, Git LFS's
pointer files, TensorFlow's `table_options` (a LevelDB table), ONNX's `onnx.proto`.
"""

from __future__ import annotations

import json
import re
import zipfile
from io import BufferedReader
from pathlib import Path
from typing import Literal

from mi_ray.compute.numerics.regular_files import open_regular, size_of, unreadable

Format = Literal["safetensors", "zip", "pickle"]
"""Formats that are read: safetensors, and the new and the old one of `torch.save`."""

TENSORS_ALONE = "a file of safetensors or of torch.save that holds tensors alone"
HEAD = 4096
"""Bytes that are read to recognise a file, but for the directory of a zip archive and the header of safetensors."""

LARGEST = 64 * 2**30
"""Bytes of the largest file that is read, and digested."""

LARGEST_TEXT = 10_000_000
"""Bytes of the largest header of safetensors, and of the largest index in JSON: 100,000 tensors. The format allows ten
times as much, which Python reads into more than a gigabyte."""

LARGEST_DIRECTORY = 5_000_000
"""Bytes of the largest directory of a zip archive: 50,000 tensors."""

EXPANSION = 4
"""How many times the bytes of a file the entries of a zip archive may hold. `torch.save` compresses nothing; weights
that others compressed shrink by a tenth."""

_END, _LOCATOR, _LONG_END = 22, 20, 56
"""Bytes of the records at the end of a zip archive."""

_HEADER_OF_FORMAT = 100_000_000
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
    try:
        if path.is_dir():
            raise _refused(path, "a folder", _files_in(path))
        size = size_of(path)
        with open_regular(path) as file:
            return _format(path, file, size)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable("checkpoint", path, error) from error


def _format(path: Path, file: BufferedReader, size: int) -> Format:
    head = file.read(HEAD)
    if size > LARGEST:
        raise _refused(path, f"it has {size:,} bytes", f"a file of at most {LARGEST:,}")
    if not size:
        raise _refused(path, "it is empty", "the whole file, downloaded again")
    for offset, magic, what, instead in _MAGIC:
        if head[offset:].startswith(magic):
            raise _refused(path, what, instead)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path, file, size)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _HEADER_OF_FORMAT:
        return _safetensors(path, file, size)
    if _TORCH_MAGIC in head[:64]:
        return "pickle"
    raise _refused(path, *_other(path, head, size))


def _refused(path: Path, what: str, instead: str) -> ValueError:
    return ValueError(f"checkpoint: {path} cannot be read ({what}); allowed: {instead}")


def _files_in(folder: Path) -> str:
    suffixes = {".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".tar", ".torch"}
    names = sorted(file.name for file in folder.iterdir() if file.suffix in suffixes)
    if (folder / "data.pkl").is_file():
        return "the file of torch.save that was unpacked to this folder"
    return f"a file in it, such as {', '.join(names[:3])}" if names else TENSORS_ALONE


def _zip(path: Path, file: BufferedReader, size: int) -> Format:
    """ValueError unless the archive is one of `torch.save`."""
    if (listed := _directory_bytes(file, size)) > LARGEST_DIRECTORY:
        raise _refused(path, f"a zip archive with a directory of {listed:,} bytes", TENSORS_ALONE)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            held = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:  # a damaged directory may raise anything
        what = "a zip archive, as torch.save writes it, without its end"
        raise _refused(path, what, "an intact file of torch.save, downloaded again") from error
    if held > EXPANSION * size:
        what = f"a zip archive of {size:,} bytes that holds {held:,}, more than {EXPANSION} times as many"
        raise _refused(path, what, "an archive that is not compressed, as torch.save writes it")
    for pattern, what, instead in _IN_ZIP:
        if any(re.search(pattern, name) for name in names):
            raise _refused(path, what, instead)
    if not any(name.endswith("data.pkl") for name in names):
        shown = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        raise _refused(path, f"a zip archive of {shown or 'nothing'}", "the file in it, unpacked")
    return "zip"


def _directory_bytes(file: BufferedReader, size: int) -> int:
    """Bytes of a zip archive's directory, by the record at its end, where `zipfile` finds it; 0 without one.

    A large archive has a longer record, and its locator, directly before that one. A comment behind may hold anything.
    """
    file.seek(-min(size, 2**17), 2)
    tail = file.read(2**17)
    is_last = tail[-_END:].startswith(b"PK\x05\x06") and tail.endswith(b"\0\0")
    end = len(tail) - _END if is_last else tail.rfind(b"PK\x05\x06")
    if end < 0:
        return 0
    located = end >= _LOCATOR + _LONG_END and tail[end - _LOCATOR :].startswith(b"PK\x06\x07")
    long_end = tail[end - _LOCATOR - _LONG_END :] if located else b""
    if long_end.startswith(b"PK\x06\x06"):
        return int.from_bytes(long_end[40:48], "little")
    return int.from_bytes(tail[end + 12 : end + 16], "little")


def _safetensors(path: Path, file: BufferedReader, size: int) -> Format:
    """ValueError unless the file is as long as its header says."""
    file.seek(0)
    header = int.from_bytes(file.read(8), "little")
    if header > LARGEST_TEXT:
        what = f"a safetensors file with a header of {header:,} bytes"
        raise _refused(path, what, f"a header of at most {LARGEST_TEXT:,}")
    text = file.read(header)
    try:
        entries = json.loads(text)
        end = max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        cut = "cut off" if len(text) < header else "damaged"
        raise _refused(path, f"a safetensors file, {cut} in its header", "the whole file, downloaded again") from error
    if 8 + header + end > size:
        what = f"a safetensors file, cut off: {size} of {8 + header + end} bytes"
        raise _refused(path, what, "the whole file, downloaded again")
    return "safetensors"


def _other(path: Path, head: bytes, size: int) -> tuple[str, str]:
    """What a file of no known magic number is, and what to give instead."""
    text = _text(head)
    if text:
        return _of_text(path, text, size)
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "a pickle that torch.save did not write, or its first bytes alone", TENSORS_ALONE
    if head[:2] == b"\x08\x01" or b"saved_model" in head[:256]:
        return "a SavedModel of TensorFlow", "the weights in PyTorch's names, in safetensors"
    if head[0] == 0x08 and len(head) > 2 and head[1] < 32 and head[2] in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return "an ONNX file, a graph without PyTorch's names", "the state dict of the network before its export"
    with open_regular(path) as file:
        file.seek(-min(8, size), 2)
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


def _of_text(path: Path, text: str, size: int) -> tuple[str, str]:
    again, begins = "the file itself, downloaded again", f"it begins {text.splitlines()[0][:60]!r}"
    if re.match(r"(<!--.*?-->\s*)?<(!doctype html|html|head|body|script)", text, re.IGNORECASE | re.DOTALL):
        return "an HTML page, such as a login or an error page", again
    if text.startswith("<"):
        return f"a page of XML, such as an error of a storage service; {begins}", again
    if text.startswith(("{", "[")):
        return _of_json(path, begins, size)
    if text.startswith("model_checkpoint_path:"):
        return "a list of TensorFlow checkpoints", "the weights in PyTorch's names, in safetensors"
    return f"a text; {begins}", again


def _of_json(path: Path, begins: str, size: int) -> tuple[str, str]:
    try:
        index = json.loads(path.read_text("utf-8-sig")) if size <= LARGEST_TEXT else {}
        shards = sorted(set(index["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return f"a text in JSON, such as a configuration or an error; {begins}", "the file of the weights"
    shown = ", ".join(map(str, shards[:3])) + ", ..." * (len(shards) > 3)
    return (
        f"the index of weights in {len(shards)} files ({shown}), and holds no tensors",
        "one file with all tensors: the files that the index names, merged",
    )
