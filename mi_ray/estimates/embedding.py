"""Embed a user's own images with a checkpoint of any project, without a study or a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import nn

from mi_ray.compute.choices import Input, Stem
from mi_ray.compute.frozen.checkpoint_files import input_of, read_encoder
from mi_ray.compute.frozen.embed import embed as embed_split
from mi_ray.compute.frozen.file_tensors import read_state
from mi_ray.compute.images.catalogue import Dataset
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.images.labelled import load
from mi_ray.compute.training import networks
from mi_ray.estimates.estimate import device_of
from mi_ray.experiments.declare.checks import Refused, one_of, within
from mi_ray.experiments.declare.training import known_arch

MADE_UP: Mapping[str, Dataset] = {"digits": "digits"}
"""Images that need no folder: the handwritten digits of scikit-learn."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of labelled images, as `mi_ray.estimate_same_class` takes them.

    ``h`` [n, width]; ``labels`` [n]: names of classes; ``split`` [n]: train, validation or test; ``images`` [n]: equal
    for copies of one image; ``names`` [n]: paths below the folder. ``found``: where the encoder was in the file.
    """

    h: Float32[np.ndarray, "n width"]
    labels: NDArray[np.str_]
    split: NDArray[np.str_]
    images: Int64[np.ndarray, " n"]
    names: NDArray[np.str_]
    found: str

    def __repr__(self) -> str:
        sizes = ", ".join(f"{np.count_nonzero(self.split == split):,} {split}" for split in SPLITS)
        classes = len(np.unique(self.labels))
        return f"Embeddings: {self.h.shape[1]} numbers for each image; {classes} classes; {sizes}; {self.found}"

    def save(self, file: str | Path) -> None:
        """Write an .npz file, which `mi_ray.estimate_same_class` and ``mi-ray estimate`` read."""
        arrays = {name: getattr(self, name) for name in ("labels", "split", "images", "names")}
        np.savez(file, embeddings=self.h, **arrays)


def embed(
    images: str | Path,
    checkpoint: str | Path,
    *,
    arch: str,
    stem: Stem = "imagenet",
    weights: str = "",
    input: Input | None = None,
    held_out: float = 0.2,
    random_state: int = 0,
    loaders: int = 0,
    device: str = "cpu",
) -> Embeddings:
    """Embed the images of a folder with the encoder of a checkpoint file.

    ``images``: a folder with a folder for each class, or with train, validation and test above these; ``digits`` are
    scikit-learn's. ``checkpoint``: a file of lightly, solo-learn, Lightning, timm, torchvision or others
    (`docs/bring-your-own.md` lists them); no code of it runs. ``arch``: its encoder in timm's words. ``weights``:
    ``raw`` or ``averaged`` where the file holds both. ``input``: size and normalisation of the encoder's training; as
    timm states for ``arch`` by default. ``held_out``: share of each class for validation, and as much for test, where
    the folder has no such parts. ``loaders``: processes that decode images.

    `Refused`, a ValueError, names the argument, the value and what is allowed.
    """
    known_arch(arch)
    one_of("stem", stem, get_args(Stem))
    within("held_out", held_out, 0.01, 0.49)
    place = device_of(device)
    with refusing(images):
        seen = input or input_of(arch)
        network, found = _encoder(Path(checkpoint), arch, stem, weights)
        data, classes = _images(images, seen, held_out, random_state)
        h = {
            split: embed_split(network, part, device=place, input=seen, names=part.names, loaders=loaders)
            for split, part in data.items()
        }
    labels = np.concatenate([data[split].attributes[:, 0] for split in SPLITS])
    return Embeddings(
        h=np.concatenate([h[split] for split in SPLITS]),
        labels=np.array(classes)[labels],
        split=np.repeat(SPLITS, [len(data[split]) for split in SPLITS]),
        images=np.concatenate([data[split].identities for split in SPLITS]),
        names=np.array([name for split in SPLITS for name in data[split].names]),
        found=found,
    )


@contextmanager
def refusing(images: str | Path) -> Iterator[None]:
    """Turn what files and their contents raise into `Refused`, in one line."""
    try:
        yield
    except Refused:
        raise
    except OSError as error:
        raise Refused(f"{error.filename or images}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise Refused(" ".join(str(error).split())) from error


def _encoder(file: Path, arch: str, stem: Stem, weights: str) -> tuple[nn.Module, str]:
    """The encoder of a checkpoint, and where it was found."""
    network = networks.encoder(arch, seed=0, stem=stem)
    read = read_encoder(read_state(file).tensors, arch, stem=stem, file=file, weights=weights)
    network.load_state_dict(read.state)
    return network, f"encoder {arch} below {read.prefix!r}, names of {read.naming}"


def _images(images: str | Path, seen: Input, held_out: float, seed: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The splits of a folder, and its classes. Photographs are cropped as the encoder's evaluation crops them."""
    if (name := MADE_UP.get(str(images))) is not None:
        return load(name, side=seen.size, seed=seed, held_out=held_out)
    folder = Path(images).absolute()
    if not folder.is_dir():
        raise Refused(f"images: {str(images)!r} is no folder; allowed: a folder of images, or {', '.join(MADE_UP)}")
    return load("folder", folder, side=seen.size, seed=seed, held_out=held_out, form="photograph")
