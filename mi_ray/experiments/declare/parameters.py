"""A cell's parameters for people and trackers: flat text by name, the same names on trainings and on questions.

They come from the fields that make a cell's key (`identity.own_fields`), nested ones included: a field that a pairing,
objective or data set gains later is a parameter at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mi_ray.experiments.declare.identity import canonical
from mi_ray.experiments.declare.kind import Kind, Values
from mi_ray.experiments.declare.pairings import pairing_name
from mi_ray.experiments.declare.training import Training

REPLICATE = "seed"
"""The field that makes replicates: cells that differ in nothing but fields of this name may be averaged."""

DETAILS = ("pairing_", "question_", "objective_", "negatives_", "input_", "training_")
"""Beginnings of names that spell out in full what ``pairing``, ``task``, ``objective``, ... say in a word."""

FURTHER_DETAILS = frozenset({"root", "data_kind", "view_kind"})


def parameters(declaration: Kind) -> dict[str, str]:
    """Axes and settings by name: the training's on every cell; ``task``, ``k_est`` and the critic's on questions.

    Cells of one kind with different keys have different parameters, except for images or files that differ in their
    contents alone. A name that a layer nearer to the question has taken gets the further layer's name as a prefix.
    """
    encoder = declaration.encoder
    training = encoder if isinstance(encoder, Training) else encoder.upstream
    values: Values = {"pairing": pairing_name(training.pairing)} if training else {}
    values |= {"task": declaration.subject} if declaration.subject else {}
    for layer, own in _layers(declaration):
        for name, value in own.items():
            while name in values:
                name = f"{layer}_{name}"
            values[name] = value
    return {name: _text(values[name]) for name in sorted(values, key=is_detail)}


def is_replicate(name: str) -> bool:
    """Whether a parameter is a seed: of the training, the data, the negatives, the critics or the views."""
    return name == REPLICATE or name.endswith(f"_{REPLICATE}")


def is_detail(name: str) -> bool:
    """Whether a parameter spells out what another one says in a word."""
    return name in FURTHER_DETAILS or name.startswith(DETAILS)


def _layers(declaration: Kind) -> Iterator[tuple[str, Values]]:
    """The parameters of a declaration and of everything upstream of it, down to the images, each with its kind."""
    yield declaration.kind, declaration.layer()
    if declaration.upstream:
        yield from _layers(declaration.upstream)
    else:
        yield "data", declaration.encoder.data.layer()


def _text(value: Any) -> str:
    """A float in six digits where these suffice, else in full: different numbers give different text."""
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    if isinstance(value, list):
        is_plain = all(isinstance(number, float | int) for number in value)
        return " ".join(map(_text, value)) if is_plain else canonical(value)
    return str(value)
