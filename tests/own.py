"""A pairing, a question and images of a user's own."""

from dataclasses import dataclass

import numpy as np

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.experiments.declare import OwnImages, OwnPairing, OwnQuestion
from mi_ray.experiments.declare.measures import Measure


@dataclass(frozen=True, kw_only=True)
class Dim(OwnPairing):
    """Darkens every image."""

    factor: float = 0.5

    @property
    def name(self):
        return f"dim {self.factor:g}"

    def view(self, images, seed, rows=None):
        return images * self.factor


@dataclass(frozen=True, kw_only=True)
class Neighbours(Dim):
    """Couples an image with the next one."""

    def couple(self, images):
        return lambda k, rng: (np.arange(k) % len(images), (np.arange(k) + 1) % len(images))


@dataclass(frozen=True, kw_only=True)
class Length(OwnQuestion):
    """Mean length of h."""

    power: float = 1.0
    measures = (Measure(name="length", error="length_standard_error", label="length of h"),)

    def answer(self, h, images, names):
        lengths = np.linalg.norm(h["test"], axis=-1) ** self.power
        return {"length": lengths.mean(), "length_standard_error": lengths.std() / len(lengths) ** 0.5}


@dataclass(frozen=True, kw_only=True)
class Ramps(OwnImages):
    """Bright or dark noise."""

    side: int = 32
    seed: int = 0
    name = "ramps"
    tasks = ("class",)

    def n_classes(self, task):
        return 2

    def splits(self):
        rng = np.random.default_rng(self.seed)
        labels = np.arange(8) % 2
        pixels = (
            rng.integers(100, size=(3, 8, 3, self.side, self.side), dtype=np.uint8) + 100 * labels[:, None, None, None]
        )
        return {
            split: ImageSet(pixels[i].astype(np.uint8), labels[:, None], np.arange(8) + 8 * i)
            for i, split in enumerate(("train", "validation", "test"))
        }
