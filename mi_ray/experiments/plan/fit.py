"""Check on shapes, before anything is computed, that encoders take their images."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mi_ray.compute.choices import Input, Stem
from mi_ray.compute.training.sizes import forward_pass
from mi_ray.experiments.declare import (
    Encoder,
    Question,
    Training,
    encoder_of,
    side,
    training_of,
)
from mi_ray.experiments.declare.checks import Refused, error_line


def refuse_unfit(questions: Iterable[Question]) -> None:
    """Refuse encoders that give no h [n, width] for their images (`forward_pass`), all of them in one line."""
    listed = list(questions)
    faults: dict[str, None] = {}
    for encoder in dict.fromkeys([*filter(None, map(training_of, listed)), *map(encoder_of, listed)]):
        try:
            fault = fault_at(encoder.arch, input_side(encoder), encoder.stem, isinstance(encoder, Training))
        except ValueError as error:  # timm cannot build the arch
            fault = str(error)
        except Exception as error:  # nor can it say why
            fault = f"arch: {encoder.arch!r} cannot be tried ({error_line(error)}); allowed: another arch"
        if fault:
            faults[fault] = None
    if faults:
        raise Refused("; ".join(faults))


def input_side(encoder: Encoder) -> int:
    """Pixels along the images as the encoder sees them; a published checkpoint may see them resized.

    ValueError names an arch that timm cannot build.
    """
    seen = seen_by(encoder)
    return seen.size if seen else side(encoder.data)


@lru_cache(maxsize=256)
def fault_at(arch: str, side: int, stem: Stem, training: bool) -> str:
    """The reason why an encoder takes no images of ``side`` pixels; empty if it does."""
    try:
        forward_pass(arch, side, stem, training=training)
    except ValueError as error:
        return str(error)
    return ""


def seen_by(encoder: Encoder) -> Input | None:
    """The input that an encoder was trained with; None if that is the images as they are."""
    if isinstance(encoder, Training):
        return None
    if encoder.input or not isinstance(encoder.source, str):
        return encoder.input
    from mi_ray.compute.frozen.checkpoint_files import input_of

    return input_of(encoder.arch)
