"""Missing files and folders of a declaration, reported before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from mi_ray.compute.frozen.file_kinds import format_of
from mi_ray.compute.images import catalogue
from mi_ray.compute.numerics.regular_files import unreadable
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
    """Missing files and folders of the images, each as ``field: path``. Refused if one cannot be looked at, or if a
    class list is no list."""
    try:
        return _missing(data)
    except Refused:
        raise
    except ValueError as error:
        raise Refused(str(error)) from error
    except OSError as error:
        raise Refused(str(unreadable("images", error.filename, error))) from error


def _missing(data: Data) -> list[str]:
    match data:
        case CDP():
            folders = {"digits": data.digits, "backgrounds": data.backgrounds}
            return [
                f"{field}: {path}" for field, path in folders.items() if path != BUNDLED and not Path(path).is_dir()
            ]
        case Labelled():
            class_list = Path(data.class_list) if data.class_list else None
            absent = [f"{data.name}: {path}" for path in catalogue.missing(data.name, Path(data.root), class_list)]
            return absent + (missing(data.negatives) if isinstance(data.negatives, Labelled) else [])
        case OwnImages():
            return [f"{data.name}: {path}" for path in data.files() if not Path(path).is_file()]
        case _:
            assert_never(data)


def missing_files(questions: Iterable[Question]) -> list[str]:
    """All missing files and folders of the questions' images and checkpoints."""
    encoders = dict.fromkeys(map(encoder_of, questions))
    absent = {line for data in dict.fromkeys(map(data_of, encoders)) for line in missing(data)}
    for encoder in encoders:
        if isinstance(encoder, Checkpoint) and isinstance(encoder.source, str) and not Path(encoder.source).exists():
            absent.add(f"{f'checkpoint {encoder.name}'.strip()}: {encoder.source}")
    return sorted(absent)


def refuse_missing(data: Data) -> None:
    """Refuse images with a missing folder or file; the message names the first."""
    for absent in missing(data):
        field, _, path = absent.partition(": ")
        raise refuse(field, path, f"{BUNDLED} or an existing folder" if isinstance(data, CDP) else "an existing path")


def refuse_missing_files(questions: Iterable[Question]) -> None:
    """Refuse questions with missing images or checkpoints, or checkpoints of no known format; the message names the
    first."""
    listed = list(questions)
    for data in dict.fromkeys(map(data_of, listed)):
        refuse_missing(data)
    for line in missing_files(listed):
        raise Refused(f"{line} is not there; allowed: an existing file")
    for line in unreadable_files(listed):
        raise Refused(line)


def unreadable_files(questions: Iterable[Question]) -> list[str]:
    """What each checkpoint file is that no encoder can be read from (`format_of`); only its first bytes are read."""
    faults: dict[str, None] = {}
    for encoder in dict.fromkeys(map(encoder_of, questions)):
        if isinstance(encoder, Checkpoint) and isinstance(encoder.source, str) and Path(encoder.source).exists():
            try:
                format_of(Path(encoder.source))
            except (ValueError, OSError) as fault:
                faults[str(fault)] = None
    return list(faults)
