"""Trees of class folders, written and read."""

import pytest
from PIL import Image

from mi_ray.compute.images.image_set import SPLITS
from tests.compute.miniatures import read

TRAIN, OTHER = 8, 2


def fill(folder, n=TRAIN, classes=("cat", "dog"), suffix="png"):
    """Class folders of distinct images."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (8, 8), (10 * i, 60 * place, len(str(folder)) % 256)).save(folder / name / f"{i}.{suffix}")


def sizes(root, **options):
    splits, classes = read("folder", root, **options)
    return classes, tuple(len(splits[split]) for split in SPLITS)


def refused(root, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said) as refusal:
        read("folder", root)
    assert "\n" not in str(refusal.value)
