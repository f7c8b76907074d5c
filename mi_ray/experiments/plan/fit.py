"""Whether encoders take the images that they are asked about: measured on shapes, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import assert_never

from mi_ray.compute.choices import Input, Stem
from mi_ray.compute.frozen import checkpoint_files as foreign
from mi_ray.compute.training.networks import forward_pass
from mi_ray.experiments.declare import (
    Checkpoint,
    Encoder,
    Question,
    Training,
    encoder_of,
    side,
    training_of,
)
from mi_ray.experiments.declare.checks import Refused


def refuse_unfit(questions: Iterable[Question]) -> None:
    """Refuse encoders that make no h [n, width] of their images, all of them in one line (`forward_pass`)."""
    asked = list(questions)
    encoders = dict.fromkeys([*filter(None, map(training_of, asked)), *map(encoder_of, asked)])
    faults = dict.fromkeys(fault for encoder in encoders if (fault := _fault(encoder)))
    if faults:
        raise Refused("; ".join(faults))


def input_side(encoder: Encoder) -> int:
    """Pixels along the images as the encoder sees them: a checkpoint of others may see them resized.

    ValueError names an arch that timm cannot build.
    """
    seen = seen_by(encoder)
    return seen.size if seen else side(encoder.data)


def _fault(encoder: Encoder) -> str | None:
    try:
        pixels = input_side(encoder)
    except ValueError as error:
        return str(error)
    return _fault_at(encoder.arch, pixels, encoder.stem, isinstance(encoder, Training))


@lru_cache(maxsize=256)
def _fault_at(arch: str, side: int, stem: Stem, training: bool) -> str | None:
    try:
        forward_pass(arch, side, stem, training=training)
    except ValueError as error:
        return str(error)
    return None


def seen_by(encoder: Encoder) -> Input | None:
    """What an encoder was trained to see, if that is not the images as they are."""
    match encoder:
        case Training():
            return None
        case Checkpoint():
            as_timm_states = foreign.input_of(encoder.arch) if isinstance(encoder.source, str) else None
            return encoder.input or as_timm_states
        case _:
            assert_never(encoder)
