"""Images that would fill the memory or wait for ever are refused in one line that names the file, by every reader."""

from __future__ import annotations

import os
import pickle
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.generated.photographs import read_photograph, refuse_flat
from mi_ray.compute.images.catalogue import DATASETS, catalogue_of, missing
from mi_ray.compute.images.decode import MAX_PIXELS, opened, read_image
from mi_ray.compute.images.encoded import Encoded, InPlace, digest_of
from mi_ray.compute.images.image_files import SPECIAL, image_files
from mi_ray.compute.images.labelled import load
from mi_ray.compute.images.pixels import pixels_of
from mi_ray.compute.images.readers import LargeFiles
from mi_ray.experiments.declare import Labelled
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.missing import missing as missing_of
from tests.compute.miniatures import mnist

MEGABYTES = 200


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int) -> bytes:
    """A PNG that states a size and holds a row of it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(width // 8 + 2))) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x00\x3f\x00" + b"\xff\xd9"


def tiff(width: int, height: int, tile: int) -> bytes:
    """A TIFF of one compressed tile, which is larger than the image."""
    content = zlib.compress(bytes(1000))
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 0, 325: len(content)}
    tags[324] = start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    assert start == 10 + len(entries) + 4
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + content


LARGE = {
    "225 megapixels": png(15_000, 15_000),
    "900 megapixels": png(30_000, 30_000),
    "4 gigapixels": jpeg(65_500, 65_500),
    "a JPEG of 225 megapixels": jpeg(15_000, 15_000),
    "a PPM": b"P5 20000 20000 255 ",
    "a BMP": b"BM" + struct.pack("<IHHIIiiHH", 70, 0, 0, 54, 40, 20_000, 20_000, 1, 24) + bytes(40),
    "a tile of 400 megapixels": tiff(10, 10, 20_000),
}  # fmt: skip


def refusal(read: Callable[[], object], path: Path, allowed: str = "; allowed: ") -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError) as refused:
        read()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    text = str(refused.value)
    assert grown < MEGABYTES and str(path) in text and "\n" not in text and allowed in text
    return text


def encoded(path: Path, size: tuple[int, int]) -> Encoded:
    digest = np.frombuffer(digest_of(path.read_bytes()), np.uint8)[None]
    files = InPlace(path.parent, [path.name])
    return Encoded(files=files, names=files.names, digests=digest, sizes=np.array([size]), field="folder")


@pytest.mark.fault("F27", "images of 225 megapixels to 4 gigapixels")
@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path: Path, content: bytes):
    path = tmp_path / "large.png"
    path.write_bytes(content)
    for read in (lambda: read_image(path, "folder"), lambda: encoded(path, (1, 1)).photograph(0)):
        assert f"allowed: at most {MAX_PIXELS:,}" in refusal(read, path)
    assert "allowed: at most 16,000,000" in refusal(lambda: read_photograph(path), path)


@pytest.mark.parametrize("size", [(16_320, 12_240), (12_240, 16_320), (14_204, 10_652)])
@pytest.mark.parametrize("write", [jpeg, png])
def test_the_largest_photographs_of_phones_and_cameras_are_within_the_limit(size, write):
    with opened(BytesIO(write(*size))) as image:
        assert image.size == size


@pytest.mark.fault("F27", "a JPEG of 225 megapixels, to torchvision's decoder")
def test_torchvision_is_held_to_the_same_limit(tmp_path: Path):
    path = tmp_path / "large.jpg"
    path.write_bytes(jpeg(15_000, 15_000))
    assert "15000x15000 pixels" in refusal(lambda: pixels_of(encoded(path, (15_000, 15_000)), 0), path)


@pytest.mark.fault("F27", "one image of 225 megapixels in a labelled folder, and in a folder of backgrounds")
@pytest.mark.parametrize("form", ["square", "photograph"])
def test_a_data_set_with_a_large_image_names_it(tmp_path: Path, form):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(20):
            Image.new("RGB", (8, 8), (i * 10, 50, len(label))).save(tmp_path / label / f"{i:02d}.png")
    path = tmp_path / "dog" / "07.png"
    path.write_bytes(png(15_000, 15_000))
    refusal(lambda: load("folder", tmp_path, side=8, seed=0, form=form, held_out=0.2), path)
    path.rename(tmp_path / "dog" / "00.png")
    refusal(lambda: refuse_flat(tmp_path / "dog"), tmp_path / "dog" / "00.png")


@pytest.mark.fault("F27", "a fifo, a device, a folder and a file without an end in place of an image")
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "linked.png").symlink_to("fifo.png")
    assert image_files(tmp_path).paths == () and image_files(tmp_path).skipped == {SPECIAL: 3}
    with open(tmp_path / "endless.png", "wb") as file:
        file.truncate(2**40)
    told = {"fifo": "it is a fifo", "device": "it is a device", "linked": "it is a fifo", "endless": "bytes"}
    for name, reason in told.items():
        path = tmp_path / f"{name}.png"
        assert reason in refusal(lambda path=path: read_image(path, "folder"), path)
        with pytest.raises((OSError, ValueError), match=reason):
            InPlace(tmp_path, [path.name]).read(0)


@pytest.mark.fault("F27", "class lists that are a fifo, a link loop, without an end, or lead out of the folder")
def test_class_lists_are_texts_with_names_of_folders(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00n01440764")
    (tmp_path / "long").write_text("n01440764 " * 1_100_000)
    (tmp_path / "outside").write_text("n01440764 ../../etc")
    told = {
        "fifo": "it is a fifo", "device": "it is a device", "binary": "no text in UTF-8",
        "long": "more than 10,000,000 bytes", "outside": "names of folders",
    }  # fmt: skip
    for name, reason in told.items():
        path = tmp_path / name
        assert reason in refusal(lambda path=path: missing("imagenet-100", tmp_path, path), path)
        data = Labelled(name="imagenet-100", root=str(tmp_path), class_list=str(path))
        with pytest.raises(Refused, match=reason):
            missing_of(data)
    (tmp_path / "loop").symlink_to("loop")
    assert missing("imagenet-100", tmp_path, tmp_path / "loop") == [str(tmp_path / "loop")]


@pytest.mark.fault("F27", "a file of MNIST without an end, and an old pickle beside it")
def test_large_files_have_a_limit_and_old_pickles_are_not_read(tmp_path: Path):
    mnist(tmp_path)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        os.mkfifo(tmp_path / "MNIST" / "processed" / name)
    assert len(catalogue_of("mnist", tmp_path).attributes)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    with open(path, "r+b") as file:
        file.truncate(2**40)
    assert "allowed: at most 50,000,000" in refusal(lambda: catalogue_of("mnist", tmp_path), path)


UNREADABLE = """
import os, sys
from pathlib import Path
from mi_ray.compute.frozen.file_kinds import format_of
from mi_ray.compute.images.decode import read_image
from mi_ray.compute.images.image_files import image_files
from mi_ray.experiments.declare import Labelled
from mi_ray.experiments.images.missing import missing
root = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
closed = Labelled(name="folder", root=str(root / "closed" / "inside"))
listed = Labelled(name="imagenet-100", root=str(root), class_list=str(root / "shut"))
for read in (
    lambda: image_files(root / "closed"), lambda: read_image(root / "shut", "folder"),
    lambda: format_of(root / "shut"), lambda: missing(closed), lambda: missing(listed),
):
    try:
        print("read", read())
    except ValueError as error:
        print(error)
"""


@pytest.mark.fault("F27", "folders, images, checkpoints and class lists that this user may not read")
def test_what_may_not_be_read_is_named(tmp_path: Path):
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    (tmp_path / "shut").write_bytes(png(8, 8))
    (tmp_path / "shut").chmod(0)
    (tmp_path / "closed" / "inside").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", UNREADABLE, str(tmp_path)], capture_output=True, text=True, check=False
        )
    finally:
        (tmp_path / "closed").chmod(0o755)
    lines = ran.stdout.splitlines()
    assert (ran.returncode, ran.stderr, len(lines)) == (0, "", 5)
    assert all("(Permission denied); allowed: " in line and str(tmp_path) in line for line in lines), lines


@pytest.mark.fault("F27", "a CIFAR batch whose pickle calls a function")
def test_no_code_of_a_cifar_batch_runs(tmp_path: Path):
    class Canary:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "canary"),)

    for name in files_of_cifar():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps({"data": Canary(), "labels": Canary()}))
    text = refusal(lambda: catalogue_of("cifar-10", tmp_path), tmp_path, "")
    assert "corrupt" in text and not (tmp_path / "canary").exists()


def files_of_cifar() -> tuple[str, ...]:
    reader = DATASETS["cifar-10"].reader
    assert isinstance(reader, LargeFiles)
    return reader.files


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
def test_a_large_file_whose_header_is_looked_at_first_is_read_whole(tmp_path: Path, monkeypatch, suffix: str):
    monkeypatch.setattr("mi_ray.compute.images.encoded.LARGE", 10)
    Image.new("RGB", (9, 8)).save(tmp_path / f"x.{suffix}")
    assert InPlace(tmp_path, [f"x.{suffix}"]).read(0) == (tmp_path / f"x.{suffix}").read_bytes()
