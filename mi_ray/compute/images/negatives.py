"""Images for D⁻, the negative sampling data set (Appendix C, Table X), that need neither labels nor a download.

Table X's other D⁻ are labelled: D itself, its sibling half (`datasets.halves`) and PACS's domains (`datasets.load`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mi_ray.compute.images.labelled import decoded
from mi_ray.compute.images.photographs import scikit_learn_photographs
from mi_ray.compute.seeding import stream

Images = UInt8[np.ndarray, "n 3 side side"]


def noise(n: int, side: int, seed: int) -> Images:
    """Uniform noise (Table X, last row): every byte of every image independent and uniform on 0..255."""
    _refuse_empty(n, side)
    return stream(seed, "negative noise").integers(256, size=(n, 3, side, side), dtype=np.uint8)


def crops(n: int, side: int, seed: int) -> Images:
    """Square crops of scikit-learn's two photographs, the offline stand-in for another domain (PACS in Table X).

    Each crop is of either photograph, between ``side`` and the photograph's short side wide, anywhere in the band that
    training may see (`sources.scikit_learn_photographs`), and resized with antialiasing.
    Image i depends on ``side``, ``seed`` and i alone.
    """
    _refuse_empty(n, side)
    bands = [Image.fromarray(read()) for read in scikit_learn_photographs()["train"]]
    return decoded(lambda i: _crop(bands, side, stream(seed, "negative crops", i)), range(n), side)


def _crop(bands: list[Image.Image], side: int, rng: np.random.Generator) -> Image.Image:
    """A square whose photograph, width and corner are uniform; the widest there is where ``side`` is wider still."""
    band = bands[rng.integers(len(bands))]
    short = min(band.size)
    width = int(rng.integers(min(side, short), short + 1))
    left, top = (int(rng.integers(extent - width + 1)) for extent in band.size)
    return band.crop((left, top, left + width, top + width))


def _refuse_empty(n: int, side: int) -> None:
    for field, value in (("n", n), ("side", side)):
        if value < 1:
            raise ValueError(f"{field}: {value} is not allowed; allowed: 1 or more")
