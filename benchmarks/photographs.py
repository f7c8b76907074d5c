"""Generate photographs in the layout of ImageNet-100: as many classes and JPEG files, of sizes as varied, all distinct.

    python benchmarks/photographs.py FOLDER                     # 126,689 + 5,000 photographs, about 12 GB
    python benchmarks/photographs.py FOLDER --images 13000      # the same layout, a tenth of each class

Writes ``train/<wnid>/*.JPEG``, ``val/<wnid>/*.JPEG`` and the list of classes, ``wnids.txt``. A photograph shows the
object of its class (colours, shape, pattern) at a random place, size and angle before a landscape of 1/f noise in
random light. It is a function of split, class and number alone, so that a run which was interrupted goes on, and a
smaller folder holds some of the photographs of a larger one.

Sizes are made up after ImageNet's: most near 500x375, a twentieth small, one in a hundred up to 2400 pixels wide; one
in fifty is grey, one in ten has colour at full resolution, some are progressive.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFile

WNIDS = tuple(sorted(Path(__file__).with_name("imagenet100_wnids.txt").read_text().split()))
TRAIN, TEST = 126_689, 5_000
MOST = 1300
"""Training images of a full class of ImageNet; the few classes that have fewer are made up."""
SHORT_CLASSES = 16
LANDSCAPE, LANDSCAPES, PATTERN = 1300, 8, 384
SPLITS = ("train", "val")

ImageFile.MAXBLOCK = 2**24  # a progressive JPEG has to fit PIL's buffer, which is too small for much noise


def counts(images: int = TRAIN + TEST) -> dict[str, list[int]]:
    """Photographs of each class in each split, scaled so that they are about ``images`` in all, at least one each."""
    missing = MOST * len(WNIDS) - TRAIN
    short, rest = divmod(missing, SHORT_CLASSES)
    full = [MOST - (c < SHORT_CLASSES) * short - (c < rest) for c in range(len(WNIDS))]
    of_split = {"train": full, "val": [TEST // len(WNIDS)] * len(WNIDS)}
    share = images / (TRAIN + TEST)
    return {split: [max(1, round(share * n)) for n in classes] for split, classes in of_split.items()}


# A photograph


def random_of(*names: int) -> np.random.Generator:
    """The random stream of a photograph, a class or a landscape."""
    return np.random.default_rng((14, *names))


@cache
def landscape(number: int) -> Image.Image:
    """RGB noise with a spectrum near that of natural images, 1/f, whose channels agree for the most part."""
    rng = random_of(0, number)
    frequency = np.hypot(np.fft.fftfreq(LANDSCAPE)[:, None], np.fft.rfftfreq(LANDSCAPE)[None]) + 1 / LANDSCAPE
    waves = rng.normal(size=(4, *frequency.shape)) + 1j * rng.normal(size=(4, *frequency.shape))
    grey, *colours = np.fft.irfft2(waves / frequency ** rng.uniform(0.8, 1.2), s=(LANDSCAPE, LANDSCAPE))
    channels = [grey + 0.4 * colour for colour in colours]
    values = [128 + 48 * (channel - channel.mean()) / channel.std() for channel in channels]
    return Image.fromarray(np.stack(values, axis=-1).clip(0, 255).astype(np.uint8))


@cache
def object_of(label: int) -> tuple[Image.Image, Image.Image]:
    """The object of a class: its surface (RGB stripes, checks or rings in two colours) and its outline (a mask)."""
    rng = random_of(1, label)
    y, x = np.mgrid[-1 : 1 : PATTERN * 1j, -1 : 1 : PATTERN * 1j]
    k = 6 + label % 7 * 4
    waves = np.sin(k * x), np.sin(k * x) * np.sin(k * y), np.sin(k * np.hypot(x, y))
    mixed = (1 + waves[label % 3])[..., None] / 2
    first, second = rng.integers(256, size=(2, 3))
    surface = Image.fromarray((mixed * first + (1 - mixed) * second).astype(np.uint8))
    outline, corners = Image.new("L", surface.size), 3 + label % 5
    angles = 2 * np.pi * np.arange(2 * corners) / (2 * corners)
    radii = np.where(np.arange(2 * corners) % 2, 0.5 + label % 4 / 10, 0.98) * PATTERN / 2
    points = np.stack([PATTERN / 2 + radii * np.cos(angles), PATTERN / 2 + radii * np.sin(angles)], axis=1)
    ImageDraw.Draw(outline).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return surface, outline


def size_of(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height of a photograph."""
    kind = rng.random()
    if kind < 0.01:
        long = rng.uniform(900, 2400)
    elif kind < 0.06:
        long = rng.uniform(200, 330)
    else:
        long = rng.normal(500, 8) if kind < 0.8 else rng.uniform(330, 640)
    short = long * rng.choice([3 / 4, 2 / 3, rng.uniform(0.6, 1)], p=[0.55, 0.2, 0.25])
    wide, narrow = max(round(long), 120), max(round(short), 100)
    return (wide, narrow) if rng.random() < 0.75 else (narrow, wide)


def background(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A random part of a random landscape, which is enlarged for a photograph that is larger."""
    whole = landscape(int(rng.integers(LANDSCAPES)))
    scale = max(width, height, LANDSCAPE) / LANDSCAPE
    across, down = min(width / scale, LANDSCAPE), min(height / scale, LANDSCAPE)
    left, top = int(rng.integers(LANDSCAPE - int(across) + 1)), int(rng.integers(LANDSCAPE - int(down) + 1))
    box = (left, top, min(left + across, LANDSCAPE), min(top + down, LANDSCAPE))
    part = (
        whole.crop((left, top, left + width, top + height))
        if scale == 1
        else whole.resize((width, height), Image.Resampling.BILINEAR, box)
    )
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


def photograph(split: str, label: int, number: int) -> tuple[Image.Image, Callable[[Path], None]]:
    """A photograph of a class, and a function that writes it as the JPEG file that it is."""
    rng = random_of(2 + SPLITS.index(split), label, number)
    width, height = size_of(rng)
    image = background(width, height, rng)
    side = int(rng.uniform(0.35, 0.95) * min(width, height))
    turn = PATTERN / side * np.exp(1j * rng.uniform(0, 2 * np.pi))  # from the photograph's pixels to the object's
    corner = PATTERN / 2 * (1 + 1j) - turn * side / 2 * (1 + 1j)
    affine = (turn.real, -turn.imag, corner.real, turn.imag, turn.real, corner.imag)
    surface, outline = (part.transform((side, side), Image.Transform.AFFINE, affine) for part in object_of(label))
    image.paste(surface, (int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))), outline)
    gamma, gains = rng.uniform(0.7, 1.5), rng.uniform(0.8, 1.15, size=3)
    light = 255 * gains[:, None] * (np.arange(256) / 255) ** gamma
    image = image.point(light.clip(0, 255).astype(int).ravel().tolist())
    if rng.random() < 0.02:
        image = image.convert("L")
    settings = {
        "quality": int(rng.integers(75, 97)),
        "subsampling": "4:4:4" if rng.random() < 0.1 else "4:2:0",
        "progressive": bool(rng.random() < 0.03),
    }
    return image, partial(image.save, format="JPEG", **settings)


# Folders


@dataclass(frozen=True)
class ClassFolder:
    """The folder of a class in a split, and how many photographs belong into it."""

    root: Path
    split: str
    label: int
    images: int

    @property
    def path(self) -> Path:
        """Its place."""
        return self.root / self.split / WNIDS[self.label]

    def name(self, number: int) -> str:
        """The name of a photograph, after ImageNet's."""
        if self.split == "train":
            return f"{WNIDS[self.label]}_{number}.JPEG"
        return f"ILSVRC2012_val_{number * len(WNIDS) + self.label + 1:08d}.JPEG"

    def write(self) -> int:
        """Write the photographs that are not there yet; returns the bytes of all."""
        self.path.mkdir(parents=True, exist_ok=True)
        there = {entry.name: entry.stat().st_size for entry in os.scandir(self.path)}
        names = {self.name(number): number for number in range(self.images)}
        if others := sorted(name for name in there.keys() - names.keys() if not name.endswith(".part")):
            raise SystemExit(
                f"{self.path} holds {others[0]} and {len(others) - 1} more; allowed: a folder of this size"
            )
        total = 0
        for name, number in names.items():
            if name not in there:
                partial_file = self.path / f"{name}.part"
                photograph(self.split, self.label, number)[1](partial_file)
                there[name] = partial_file.stat().st_size
                partial_file.rename(self.path / name)
            total += there[name]
        return total


def write(root: Path, images: int = TRAIN + TEST, workers: int | None = None) -> tuple[int, int]:
    """Write the photographs with all cores; returns how many there are and their bytes."""
    folders = [ClassFolder(root, split, c, n) for split, sizes in counts(images).items() for c, n in enumerate(sizes)]
    root.mkdir(parents=True, exist_ok=True)
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    with ProcessPoolExecutor(workers) as pool:
        sizes = list(pool.map(ClassFolder.write, folders))
    return sum(folder.images for folder in folders), sum(sizes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=TRAIN + TEST)
    parser.add_argument("--workers", type=int, default=None, help="processes; default: one a core")
    options = parser.parse_args()
    written, size = write(options.folder, options.images, options.workers)
    print(f"{written} photographs in {options.folder}, {size / 1e9:.2f} GB, {size / written / 1e3:.0f} kB each")
