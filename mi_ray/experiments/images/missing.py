"""Files and folders that a declaration names: looked for before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from mi_ray.compute.images import catalogue
from mi_ray.experiments.declare import (
    BUNDLED,
    CDP,
    Checkpoint,
    Data,
    Labelled,
    OwnImages,
    Question,
    data_of,
    encoder_of,
)
from mi_ray.experiments.declare.checks import Refused, refuse


def missing(data: Data) -> list[str]:
    """Files and folders that the images need and that are not there, each as ``field: path``."""
    match data:
        case CDP():
            folders = {"digits": data.digits, "backgrounds": data.backgrounds}
            return [
                f"{field}: {path}" for field, path in folders.items() if path != BUNDLED and not Path(path).is_dir()
            ]
        case Labelled():
            beside = missing(data.negatives) if isinstance(data.negatives, Labelled) else []
            return [*_missing_labelled(data), *beside]
        case OwnImages():
            return [f"{data.name}: {path}" for path in data.files() if not Path(path).is_file()]
        case _:
            assert_never(data)


def _missing_labelled(data: Labelled) -> list[str]:
    absent = catalogue.missing(data.name, Path(data.root), Path(data.class_list) if data.class_list else None)
    return [f"{data.name}: {path}" for path in absent]


def missing_files(questions: Iterable[Question]) -> list[str]:
    """All that some questions need and that is not there: images and checkpoints."""
    encoders = dict.fromkeys(map(encoder_of, questions))
    images = [line for data in dict.fromkeys(map(data_of, encoders)) for line in missing(data)]
    checkpoints = [f"{_called(e)}: {e.source}" for e in encoders if isinstance(e, Checkpoint) and _absent(e)]
    return sorted({*images, *checkpoints})


def _called(checkpoint: Checkpoint) -> str:
    return f"checkpoint {checkpoint.name}".strip()


def _absent(checkpoint: Checkpoint) -> bool:
    return isinstance(checkpoint.source, str) and not Path(checkpoint.source).is_file()


def refuse_missing(data: Data) -> None:
    """Refuse the first folder that is not there, by name."""
    for absent in missing(data):
        field, _, path = absent.partition(": ")
        raise refuse(field, path, f"{BUNDLED} or an existing folder" if isinstance(data, CDP) else "an existing path")


def refuse_missing_files(questions: Iterable[Question]) -> None:
    """Refuse questions whose images or checkpoints are not there, the first by name."""
    asked = list(questions)
    for data in dict.fromkeys(map(data_of, asked)):
        refuse_missing(data)
    for line in missing_files(asked):
        raise Refused(f"{line} is not there; allowed: an existing file")
