"""Images without labels for D-, the set that negatives are drawn from (Appendix C, Table X). Nothing is downloaded.

The other D- of Table X are labelled: D itself, its sibling half (`labelled.halves`) and the domains of PACS
(`labelled.load`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mi_ray.compute.generated.photographs import scikit_learn_photographs
from mi_ray.compute.images.labelled import decoded
from mi_ray.compute.seeding import stream

Images = UInt8[np.ndarray, "n 3 side side"]


def noise(n: int, side: int, seed: int) -> Images:
    """Uniform noise (Table X, last row): every byte of every image independent and uniform on 0..255."""
    _refuse_empty(n, side)
    return stream(seed, "negative noise").integers(256, size=(n, 3, side, side), dtype=np.uint8)


def crops(n: int, side: int, seed: int) -> Images:
    """Square crops of scikit-learn's two photographs, an offline substitute for another domain (PACS in Table X).

    Photograph, width and corner of a crop are uniform. Its width lies between ``side`` and the short side of the band
    of the photograph that training may see (`scikit_learn_photographs`), or equals the latter if ``side`` is larger. It
    is resized with antialiasing. Image i depends on ``side``, ``seed`` and i alone.
    """
    _refuse_empty(n, side)
    bands = [Image.fromarray(read()) for read in scikit_learn_photographs()["train"]]

    def crop(i: int) -> Image.Image:
        rng = stream(seed, "negative crops", i)
        band = bands[rng.integers(len(bands))]
        short = min(band.size)
        width = int(rng.integers(min(side, short), short + 1))
        left, top = (int(rng.integers(extent - width + 1)) for extent in band.size)
        return band.crop((left, top, left + width, top + width))

    return decoded(crop, range(n), side)


def _refuse_empty(n: int, side: int) -> None:
    for field, value in (("n", n), ("side", side)):
        if value < 1:
            raise ValueError(f"{field}: {value} is not allowed; allowed: 1 or more")
