"""Views per second of ways to decode, crop and resize JPEG files, and to change their colours, on one thread.

    OMP_NUM_THREADS=1 python benchmarks/decoders.py FOLDER      # of photographs, see benchmarks/photographs.py

Plain views: the centre square that a resize to 256 and a crop to 224 keep, resized with antialias. Random views: a
random resized crop of a share of the area between .2 (or .08) and 1, of torchvision's distribution. Rounds of all
candidates are interleaved over the same files and boxes; medians are printed, and their ratio to the first. Says too
whether torchvision's decoder and PIL give the same pixels.
"""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rounds import rates, timed
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from mi_ray.compute.pairs.augmentation import Draws, Rows, SimCLRView, jitter_colours, random_grayscale
from mi_ray.compute.pairs.photograph_views import recoloured

SIDE, RESIZED = 224, 256
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the photograph."""
Candidate = Callable[[bytes, Box], Tensor]
BILINEAR = Image.Resampling.BILINEAR


def plain_box(width: int, height: int) -> Box:
    """The centre square that a resize to 256 and a crop to 224 keep."""
    side = round(min(width, height) * SIDE / RESIZED)
    return (width - side) // 2, (height - side) // 2, side, side


def random_box(min_scale: float) -> Callable[[int, int], Box]:
    """Torchvision's random resized crop."""

    def box(width: int, height: int) -> Box:
        top, left, tall, wide = (
            v2.RandomResizedCrop(SIDE, scale=(min_scale, 1)).make_params([torch.empty(3, height, width)]).values()
        )
        return left, top, wide, tall

    return box


# Candidates: the bytes of a file and a box to uint8 [3, 224, 224]


def tensor_of(image: Image.Image) -> Tensor:
    """The pixels of an image, a view [3, height, width] in channels-last order."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def resized(image: Tensor) -> Tensor:
    """Resized by torch with antialias; uint8 in channels-last order has code of its own."""
    return interpolate(image[None], (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)[0]


def drafted(file: bytes, box: Box, *, room: float = 1.0) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The photograph decoded at the smallest scale, in eighths, at which the box has ``room`` times 224 pixels a side;
    and the box (left, top, right, bottom) there."""
    image = Image.open(io.BytesIO(file))
    full, (left, top, wide, tall) = image.size, box
    share = min(1.0, SIDE * room / min(wide, tall))
    image.draft("RGB", (int(np.ceil(full[0] * share)), int(np.ceil(full[1] * share))))
    image = image.convert("RGB")
    x, y = image.width / full[0], image.height / full[1]
    return image, (left * x, top * y, (left + wide) * x, (top + tall) * y)


def pil_crop_resize(file: bytes, box: Box) -> Tensor:
    """PIL: decode all, crop, resize."""
    left, top, wide, tall = box
    image = Image.open(io.BytesIO(file)).convert("RGB")
    return tensor_of(image.crop((left, top, left + wide, top + tall)).resize((SIDE, SIDE), BILINEAR))


def pil_box(file: bytes, box: Box) -> Tensor:
    """PIL: decode all, resize(box)."""
    left, top, wide, tall = box
    image = Image.open(io.BytesIO(file)).convert("RGB")
    return tensor_of(image.resize((SIDE, SIDE), BILINEAR, (left, top, left + wide, top + tall)))


def pil_torch(file: bytes, box: Box) -> Tensor:
    """PIL: decode all; torch: crop, resize uint8."""
    left, top, wide, tall = box
    image = tensor_of(Image.open(io.BytesIO(file)).convert("RGB"))
    return resized(image[:, top : top + tall, left : left + wide])


def draft_box(file: bytes, box: Box) -> Tensor:
    """PIL: draft, resize(box)."""
    image, place = drafted(file, box)
    return tensor_of(image.resize((SIDE, SIDE), BILINEAR, place))


def draft2_box(file: bytes, box: Box) -> Tensor:
    """PIL: draft to twice the size, resize(box)."""
    image, place = drafted(file, box, room=2.0)
    return tensor_of(image.resize((SIDE, SIDE), BILINEAR, place))


def draft_box_gap(file: bytes, box: Box) -> Tensor:
    """PIL: draft to twice the size, resize(box, reducing_gap=1.1)."""
    image, place = drafted(file, box, room=2.0)
    return tensor_of(image.resize((SIDE, SIDE), BILINEAR, place, reducing_gap=1.1))


def draft_torch(file: bytes, box: Box) -> Tensor:
    """PIL: draft; torch: crop (whole pixels), resize uint8."""
    image, (left, top, right, bottom) = drafted(file, box)
    pixels = tensor_of(image)[:, round(top) : round(bottom), round(left) : round(right)]
    return resized(pixels)


def draft_crop_torch(file: bytes, box: Box) -> Tensor:
    """PIL: draft, crop (whole pixels); torch: resize uint8."""
    image, place = drafted(file, box)
    return resized(tensor_of(image.crop(tuple(map(round, place)))))


def tv_decode_v2(file: bytes, box: Box) -> Tensor:
    """torchvision.io: decode; v2: resized crop."""
    left, top, wide, tall = box
    image = decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=ImageReadMode.RGB)
    return F.resized_crop(image, top, left, tall, wide, [SIDE, SIDE], antialias=True)


def tv_decode_last(file: bytes, box: Box) -> Tensor:
    """torchvision.io: decode; torch: crop, channels-last, resize uint8."""
    left, top, wide, tall = box
    image = decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=ImageReadMode.RGB)
    crop = image[:, top : top + tall, left : left + wide][None].contiguous(memory_format=torch.channels_last)
    return resized(crop[0])


def pil_decode(file: bytes, box: Box) -> Tensor:
    """(only PIL: decode all)"""
    return tensor_of(Image.open(io.BytesIO(file)).convert("RGB"))


def draft_decode(file: bytes, box: Box) -> Tensor:
    """(only PIL: draft)"""
    return tensor_of(drafted(file, box)[0])


def tv_decode(file: bytes, box: Box) -> Tensor:
    """(only torchvision.io: decode)"""
    return decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=ImageReadMode.RGB)


DECODERS: tuple[Candidate, ...] = (
    pil_crop_resize, pil_box, pil_torch, draft_box, draft2_box, draft_box_gap, draft_torch, draft_crop_torch,
    tv_decode_v2, tv_decode_last, pil_decode, draft_decode, tv_decode,
)  # fmt: skip


# Colours: 64 views uint8 [64, 3, 224, 224] to normalised float32

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANGES = (v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8), v2.RandomGrayscale(0.2))
NORMALISE = (v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD))


def on_pil(views: Tensor) -> Tensor:
    """torchvision v2, each on a PIL image"""
    change = v2.Compose([*CHANGES, v2.ToImage(), *NORMALISE])
    return torch.stack([change(Image.fromarray(view.permute(1, 2, 0).numpy())) for view in views])


def on_uint8(views: Tensor) -> Tensor:
    """torchvision v2, each on uint8"""
    change = v2.Compose([*CHANGES, *NORMALISE])
    return torch.stack([change(view) for view in views])


def on_float(views: Tensor) -> Tensor:
    """torchvision v2, each on float32"""
    change = v2.Compose([NORMALISE[0], *CHANGES, NORMALISE[1]])
    return torch.stack([change(view) for view in views])


def mi_ray(rows: int, layout: torch.memory_format) -> Callable[[Tensor], Tensor]:
    """mi_ray's operations on views of resident squares, on batches of ``rows`` rows."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))

    def change(views: Tensor) -> Tensor:
        parts = []
        for part in views.split(rows):
            draws = Draws(int(torch.randint(10**6, ())), Rows.all(len(part)))
            rgb = (part.float() / 255).contiguous(memory_format=layout)
            rgb = jitter_colours(rgb, draws, strength=0.5, share=0.8)
            parts.append(random_grayscale(rgb, draws, share=0.2).sub(mean).div(std))
        return torch.cat(parts)

    layouts = {torch.channels_last: "channels-last", torch.contiguous_format: "row-major"}
    change.__doc__ = f"mi_ray, squares, {rows} rows at a time, {layouts[layout]}"
    return change


def photographs(views: Tensor) -> Tensor:
    """mi_ray, photographs"""
    return recoloured(views, SimCLRView(), int(torch.randint(10**6, ())), Rows.all(len(views)))


def only_normalise(views: Tensor) -> Tensor:
    """(only to float32, normalise)"""
    return v2.Compose(NORMALISE)(views)


COLOURS = (
    on_pil, on_uint8, on_float, mi_ray(64, torch.channels_last), mi_ray(64, torch.contiguous_format),
    mi_ray(8, torch.channels_last), mi_ray(8, torch.contiguous_format), mi_ray(1, torch.contiguous_format), photographs,
    only_normalise,
)  # fmt: skip


# Measurement


def table(title: str, measured: dict[str, float]) -> None:
    """Print the rates and their ratios to the first."""
    print(f"\n| {title} | views/s | ratio |\n|---|---|---|")
    first = next(iter(measured.values()))
    for name, rate in measured.items():
        print(f"| {name} | {rate:.0f} | {rate / first:.2f} |", flush=True)


def main(folder: Path, images: int, rounds: int) -> None:
    """Measure all candidates."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    paths = sorted(folder.glob("train/*/*.JPEG"))
    files = [paths[i].read_bytes() for i in np.random.default_rng(0).choice(len(paths), images, replace=False)]
    sizes = [Image.open(io.BytesIO(file)).size for file in files]
    kilobytes, pixels = np.mean([len(file) for file in files]) / 1e3, np.mean([w * h for w, h in sizes])
    print(f"{images} files, {kilobytes:.0f} kB, {pixels / 1e6:.2f} million pixels each; one thread, {rounds} rounds")
    same = sum(torch.equal(tv_decode(file, (0, 0, 0, 0)), pil_decode(file, (0, 0, 0, 0))) for file in files)
    print(f"torchvision.io and PIL decode {same} of {images} files to the same pixels")
    boxes = {"plain": plain_box, "random, .2 to 1": random_box(0.2), "random, .08 to 1": random_box(0.08)}
    for title, box in boxes.items():
        drawn = [box(*size) for size in sizes]

        def job(candidate: Candidate, drawn: list[Box] = drawn) -> int:
            for file, place in zip(files, drawn, strict=True):
                candidate(file, place)
            return len(files)

        table(title, rates({str(c.__doc__): timed(lambda c=c, job=job: job(c)) for c in DECODERS}, rounds))
    views = torch.stack([pil_box(file, box(*size)) for file, size in zip(files[:64], sizes, strict=False)])
    table("colours", rates({str(c.__doc__): timed(lambda c=c: len(c(views))) for c in COLOURS}, rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    main(options.folder, options.images, options.rounds)
