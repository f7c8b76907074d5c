"""Whether encoders take the images that they are asked about: measured on shapes, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mi_ray.compute.choices import Stem
from mi_ray.compute.networks import forward_pass
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.declare import Encoder, Question, encoder_of, side, training_of
from mi_ray.experiments.encode import seen_by

Asked = tuple[str, int, Stem, bool]
"""An encoder's arch, the side of its images in pixels, its stem, and whether it is trained on them."""


def refuse_unfit(questions: Iterable[Question]) -> None:
    """Refuse encoders that make no h [n, width] of their images, all of them in one line (`forward_pass`)."""
    asked = dict.fromkeys(one for question in questions for one in _asked(question))
    faults = dict.fromkeys(fault for one in asked if (fault := _fault(*one)))
    if faults:
        raise Refused("; ".join(faults))


def input_side(encoder: Encoder) -> int:
    """Pixels along the images as the encoder sees them: a checkpoint of others may see them resized."""
    seen = seen_by(encoder)
    return seen.size if seen else side(encoder.data)


def _asked(question: Question) -> Iterator[Asked]:
    encoder, training = encoder_of(question), training_of(question)
    if training is not None:
        yield training.arch, side(training.data), training.stem, True
    if training is not encoder:
        yield encoder.arch, input_side(encoder), encoder.stem, False


def _fault(arch: str, side: int, stem: Stem, training: bool) -> str | None:
    try:
        forward_pass(arch, side, stem, training=training)
    except ValueError as error:
        return str(error)
    return None
