"""kNN accuracy of an encoder in the middle of its training, on a part of the validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.blocks import CPU, Rows, tensor_of
from mi_ray.compute.numerics.sphere import directions
from mi_ray.compute.numerics.tensor_files import load_tensors
from mi_ray.compute.probes.nearest import votes
from mi_ray.compute.seeding import stream
from mi_ray.compute.training import networks
from mi_ray.experiments.declare import Training
from mi_ray.experiments.declare.measures import ONLINE_KNN
from mi_ray.experiments.images.pairs import labelled
from mi_ray.experiments.images.prepared import PreparedData

NEIGHBOURS, TEMPERATURE = 20, 0.07
"""The vote of Wu et al. (2018), with fewer neighbours than their 200: a class of the part may have few images."""

MOST = {"train": 4096, "validation": 1024}
"""Images of a split that are embedded; the same for every checkpoint."""

ENCODER = "networks.encoder."
"""Before the names of the encoder's tensors in a checkpoint of a training."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """A training, the images that it sees, and the tasks whose accuracy is asked of its checkpoints."""

    key: str
    training: Training
    data: PreparedData
    tasks: tuple[str, ...]

    def parts(self) -> dict[str, ImageSet]:
        """The images of train that vote and those of validation that are judged. No test image is looked at."""
        return {split: _part(self.data.split(split), split) for split in MOST}


def _part(images: ImageSet, split: str) -> ImageSet:
    n = len(images)
    drawn = stream(0, f"online probe {split}", 0).choice(n, min(n, MOST[split]), replace=False)
    rows = np.sort(drawn)
    return ImageSet(images.pixels(rows), images.attributes[rows], images.sources[rows])


def step_of(checkpoint: Path) -> int:
    """The step after which a training saved a checkpoint, by the file's name."""
    return int(checkpoint.stem.partition("-")[0])


def encoder_in(checkpoint: Path, training: Training) -> nn.Module:
    """The encoder in a checkpoint of ``training``; ValueError or OSError if the file is not whole or gone."""
    encoder = networks.encoder(training.arch, seed=0, stem=training.stem)
    encoder.load_state_dict(load_tensors(checkpoint, below=ENCODER))
    return encoder


@torch.inference_mode()
def online_accuracies(encoder: nn.Module, parts: Mapping[str, ImageSet], tasks: tuple[str, ...]) -> dict[str, float]:
    """The share of validation images, in 0..1, whose class the nearest train images vote for, by `ONLINE_KNN` + task.

    NotFinite if an embedding is not finite.
    """
    h = {split: embed(encoder, images, device=CPU) for split, images in parts.items()}
    known = Rows(tensor_of(h["train"]), directions, device=CPU)
    k = min(NEIGHBOURS, len(known))
    found = {}
    for task in tasks:
        classes = {split: labelled(task, images) for split, images in parts.items()}
        labels, most = torch.from_numpy(classes["train"][0]), max(n for _, n in classes.values())
        voted = votes(tensor_of(h["validation"]), known, labels, most, [k], TEMPERATURE)[:, 0]
        found[ONLINE_KNN + task] = float((voted == torch.from_numpy(classes["validation"][0])).double().mean())
    return found
