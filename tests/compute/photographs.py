"""Photographs in files, of varied sizes and formats, and splits that are streamed from them."""

import io

import numpy as np
from PIL import Image

from tests.compute.miniatures import read

SIZES = [(500, 375), (375, 500), (640, 200), (60, 90), (224, 224), (900, 1200), (97, 64), (256, 300)]


def scene(width, height, seed=0):
    """A smooth RGB photograph: waves of colour, so that resampling methods agree on it."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rng = np.random.default_rng(seed)
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.uniform(0.5, 3, size=(3, 3))]
    return Image.fromarray(np.rint(127 + 100 * np.stack(waves, axis=2)).astype(np.uint8))


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def tree(root, classes=("cat", "dog"), n=10):
    """Class folders of JPEG files, all of different content."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            image = scene(*SIZES[(i + place) % len(SIZES)], seed=n * place + i)
            (root / name / f"{i}.jpg").write_bytes(jpeg(image))
    return root


def streamed(root, side=32, form="photograph", **options):
    """Splits of `tree`: photographs, or squares that are streamed."""
    budget = {} if form == "photograph" else {"byte_budget": 1}
    return read("folder", root, side=side, form=form, **budget, **options)[0]
