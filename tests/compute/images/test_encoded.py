"""Encoded photographs: a region of a file, whoever decodes it, is the region that PIL and torchvision cut out."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from mi_ray.compute.images.crops import Crops, centred
from mi_ray.compute.images.encoded import Encoded, InPlace, Names, digest_of
from mi_ray.compute.images.pack import index_of, pack, packed
from mi_ray.compute.images.pixels import DIVISORS, pixels_of, regions
from tests.compute.photographs import jpeg, scene


def encoded(folder, contents, matte="white"):
    """The files of ``contents``, written into a folder."""
    folder.mkdir(exist_ok=True)
    sizes = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        with Image.open(io.BytesIO(content)) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            sizes.append(image.size[::-1] if turned else image.size)
    names = Names.of(list(contents))
    digests = np.frombuffer(b"".join(map(digest_of, contents.values())), np.uint8).reshape(-1, 16)
    return Encoded(
        files=InPlace(folder, names), names=names, digests=digests, sizes=np.array(sizes, np.int64), field="folder",
        matte=matte,
    )  # fmt: skip


def one(box, size, mirrored=False, bicubic=False):
    return Crops(boxes=np.array([box]), mirrored=np.array([mirrored]), size=size, bicubic=bicubic)


def crop(photographs, i, box, size, **options):
    return regions(photographs, np.array([i]), one(box, size, **options))[0].float()


def by_torchvision(image, box, size, interpolation="bilinear"):
    left, top, width, height = box
    mode = getattr(functional.InterpolationMode, interpolation.upper())
    given = functional.pil_to_tensor(image)
    return functional.resized_crop(given, top, left, height, width, [size, size], mode, antialias=True).float()


@pytest.mark.parametrize("bicubic", [False, True])
@pytest.mark.parametrize("box", [(0, 0, 500, 375), (13, 57, 200, 250), (499, 374, 1, 1), (100, 0, 30, 375)])
def test_a_region_is_the_one_that_torchvision_cuts_out_and_resizes(tmp_path, box, bicubic):
    content = jpeg(scene(500, 375))
    photographs = encoded(tmp_path / "p", {"a.jpg": content})
    mode = "bicubic" if bicubic else "bilinear"
    wanted = by_torchvision(Image.open(io.BytesIO(content)).convert("RGB"), box, 224, mode)
    assert (crop(photographs, 0, box, 224, bicubic=bicubic) - wanted).abs().max() <= 1


def test_a_mirrored_region_is_the_region_from_right_to_left(tmp_path):
    photographs = encoded(tmp_path / "p", {"a.jpg": jpeg(scene(300, 200))})
    box = (20, 10, 150, 120)
    assert torch.equal(crop(photographs, 0, box, 32, mirrored=True), crop(photographs, 0, box, 32).flip(-1))


FORMATS = {
    "png": lambda image: _saved(image, "PNG"),
    "bmp": lambda image: _saved(image, "BMP"),
    "lossless webp": lambda image: _saved(image, "WEBP", lossless=True),
    "transparent": lambda image: _saved(_transparent(image), "PNG"),
}


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _transparent(image):
    image.putalpha(0)
    return image


@pytest.mark.parametrize("kind", FORMATS)
def test_other_formats_give_the_same_pixels(tmp_path, kind):
    photographs = encoded(tmp_path / "p", {"a": FORMATS[kind](scene(120, 80))}, matte="#102030")
    wanted = by_torchvision(scene(120, 80), (10, 10, 60, 60), 32)
    if kind == "transparent":
        wanted = torch.tensor([16.0, 32.0, 48.0])[:, None, None].expand(3, 32, 32)
    assert (crop(photographs, 0, (10, 10, 60, 60), 32) - wanted).abs().max() <= 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_has_the_pixels_of_pil_whatever_its_kind(tmp_path, mode, options):
    content = jpeg(scene(150, 100).convert(mode), **options)
    photographs = encoded(tmp_path / "p", {"a.jpg": content})
    wanted = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels_of(photographs, 0).numpy(), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_lies_on_the_upright_photograph(tmp_path, orientation):
    """At full and at reduced size: the crop of 400 pixels is decoded at a quarter for a view of 64."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(scene(900, 500), exif=exif)
    photographs = encoded(tmp_path / "p", {"a.jpg": content})
    upright = photographs.photograph(0)
    assert upright.size == tuple(photographs.sizes[0])
    for box in ((30, 60, 90, 80), (30, 60, 400, 420)):
        assert (crop(photographs, 0, box, 64) - by_torchvision(upright, box, 64)).abs().mean() < 1.5


@pytest.mark.parametrize("divisor", DIVISORS)
def test_decoding_at_a_reduced_size_moves_pixels_by_less_than_compression_does(tmp_path, divisor):
    """The bound is a tenth of the error of the JPEG itself: quality 75 moves a value by about one level."""
    photographs = encoded(tmp_path / "p", {"a.jpg": jpeg(scene(1600, 1300))})
    side = 128
    box = (101, 53, divisor * side + 3, divisor * side + 7)
    reduced, whole = crop(photographs, 0, box, side), by_torchvision(photographs.photograph(0), box, side)
    assert (reduced - whole).abs().mean() < 1
    assert (reduced - whole).mean().abs() < 0.1


def test_neighbours_of_one_photograph_are_decoded_once_and_differ_as_their_boxes_do(tmp_path, monkeypatch):
    photographs = encoded(tmp_path / "p", {"a.jpg": jpeg(scene(300, 200)), "b.jpg": jpeg(scene(300, 200, seed=1))})
    read = []
    content = Encoded.content
    monkeypatch.setattr(Encoded, "content", lambda self, i: read.append(i) or content(self, i))
    boxes = np.array([(0, 0, 100, 100), (50, 50, 100, 100), (0, 0, 100, 100)])
    views = regions(photographs, np.array([0, 0, 1]), Crops(boxes=boxes, mirrored=np.zeros(3, bool), size=32))
    assert read == [0, 1]
    for place, row in enumerate([0, 0, 1]):
        assert torch.equal(views[place].float(), crop(photographs, row, boxes[place], 32))


def test_a_file_that_has_changed_or_gone_is_refused_by_name(tmp_path):
    photographs = encoded(tmp_path / "p", {"a.jpg": jpeg(scene(30, 30)), "b.jpg": jpeg(scene(30, 40))})
    (tmp_path / "p" / "a.jpg").write_bytes(jpeg(scene(30, 30, seed=3)))
    (tmp_path / "p" / "b.jpg").unlink()
    with pytest.raises(ValueError, match=f"folder: {tmp_path}/p/a.jpg has changed since the images were prepared"):
        photographs.photograph(0)
    with pytest.raises(ValueError, match=f"folder: {tmp_path}/p/b.jpg cannot be read on .* \\(No such file"):
        photographs.photograph(1)


def test_shards_hold_the_files_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("mi_ray.compute.images.pack.SHARD_BYTES", 3000)
    photographs = encoded(tmp_path / "p", {f"{i}.jpg": jpeg(scene(40 + i, 30, seed=i)) for i in range(9)})
    (tmp_path / "s").mkdir()
    names = pack(photographs, tmp_path / "s", "train")
    shards = tuple(tmp_path / "s" / name for name in names if name.endswith(".shard"))
    assert len(shards) > 2
    moved = replace(photographs, files=packed(tmp_path / "s" / index_of("train"), shards))
    for i in range(9):
        assert moved.content(i) == photographs.content(i)
    shards[0].write_bytes(bytes(shards[0].stat().st_size))
    with pytest.raises(ValueError, match=r"folder: 0\.jpg has changed"):
        moved.content(0)


def test_names_are_kept_whatever_bytes_they_have():
    texts = ["cat/1.jpg", "", "Ärger/ü.JPEG", b"dog/\xff.jpg".decode("utf-8", "surrogateescape"), "x" * 300]
    names = Names.of(texts)
    assert list(names) == texts
    assert names[-1] == texts[-1]
    assert names[1:3] == texts[1:3]
    with pytest.raises(IndexError):
        names[5]


@pytest.mark.parametrize(("size", "share", "box"), [
    ((500, 375), 0.875, (86, 23, 328, 328)), ((375, 500), 1.0, (0, 62, 375, 375)), ((1, 9), 0.875, (0, 4, 1, 1)),
])  # fmt: skip
def test_a_plain_view_is_the_central_share(size, share, box):
    assert centred(np.array([size]), size=32, share=share).boxes.tolist() == [list(box)]
