"""A cell's parameters for people and trackers: flat text by name, the same names on trainings and on questions.

They are derived from the very fields that make a cell's key (`identity.own_fields`), nested ones included, so that a
declaration cannot have a field that its parameters lack: what a pairing, objective or data set gains later is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Crops,
    Data,
    Declaration,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    SimCLR,
    Training,
    Views,
    encoder_of,
    pairing_name,
    task_of,
    training_of,
)
from mi_ray.experiments.declare.encoders import input_name, objective_name
from mi_ray.experiments.declare.identity import canonical, kind, own_fields

PLAIN = frozenset({"k_est", "k_fit", "critics", "batches", "penalties"})
"""Fields of an estimation that no training has."""

REPLICATE = "seed"
"""The field that makes replicates: cells that differ in nothing but fields of this name may be averaged."""

DETAILS = ("pairing_", "question_", "objective_", "negatives_", "input_", "training_")
"""Beginnings of names that spell out in full what ``pairing``, ``task``, ``objective``, ... say in a word."""

FURTHER_DETAILS = frozenset({"root", "data_kind", "view_kind"})

Values = dict[str, Any]


def parameters(declaration: Declaration) -> dict[str, str]:
    """Axes and settings by name: the training's on every cell; ``task``, ``k_est`` and the critic's on questions.

    Cells of one kind with different keys have different parameters, but for images or files whose contents differ.
    """
    training = training_of(declaration)
    told: Values = {"pairing": pairing_name(training.pairing)} if training else {}
    for layer, values in _layers(declaration):
        for name, value in values.items():
            told[_free(name, layer, told)] = value
    ordered = sorted(told, key=is_detail)
    return {name: _text(told[name]) for name in ordered}


def is_replicate(name: str) -> bool:
    """Whether a parameter is a seed: of the training, the data, the negatives, the critics or the views."""
    return name == REPLICATE or name.endswith(f"_{REPLICATE}")


def is_detail(name: str) -> bool:
    """Whether a parameter spells out what another one says in a word."""
    return name in FURTHER_DETAILS or name.startswith(DETAILS)


def _free(name: str, layer: str, taken: Mapping[str, Any]) -> str:
    """``name``, or where a layer nearer to the question has taken it, the same with the layer's name before it."""
    while name in taken:
        name = f"{layer}_{name}"
    return name


def _text(value: object) -> str:
    """A float in six digits where these are all that it has, else in full: different numbers, different text."""
    if isinstance(value, float):
        return short if float(short := f"{value:g}") == value else repr(value)
    if isinstance(value, list):
        return " ".join(map(_text, value)) if all(isinstance(one, float | int) for one in value) else canonical(value)
    return str(value)


def flat(values: Mapping[str, Any]) -> Values:
    """Fields as `own_fields` gives them, each nested one below ``<field>_``; what is None is left out."""
    told: Values = {}
    for name, value in values.items():
        if isinstance(value, dict):
            told |= {f"{name}_{below}": one for below, one in flat(value).items()}
        elif value is not None:
            told[name] = value
    return told


# Layers, from the question down to the images


def _layers(declaration: Declaration) -> Iterator[tuple[str, Values]]:
    """The fields of a declaration and of all that is upstream of it, by the names that people know them by."""
    match declaration:
        case Training():
            yield "training", _training(declaration)
            yield "data", _data(declaration.data)
        case Checkpoint():
            yield "checkpoint", _checkpoint(declaration)
            yield from (
                _layers(declaration.source)
                if isinstance(declaration.source, Training)
                else [("data", _data(declaration.data))]
            )
        case Embedding():
            yield "embedding", flat(own_fields(declaration))
            yield from _layers(declaration.encoder)
        case Views():
            yield "views", {"task": pairing_name(declaration.pairing)} | _views(declaration)
            yield from _layers(declaration.encoder)
        case Estimation() | Geometry() | LinearEvaluation():
            yield kind(declaration), _question(declaration)
            if isinstance(declaration.embedding, Views):
                yield "views", _views(declaration.embedding)
            yield from _layers(encoder_of(declaration))
        case _:
            assert_never(declaration)


def _question(question: Estimation | Geometry | LinearEvaluation) -> Values:
    own = own_fields(question)
    match question:
        case Estimation():
            pairing = _asked(question)
            critic = {n if n in PLAIN else f"critic_{n}": v for n, v in flat(own).items() if not _is_of(n, "pairing")}
            return {"task": pairing_name(question.pairing)} | critic | pairing
        case Geometry():
            rest = {name: value for name, value in flat(own).items() if not _is_of(name, "pairing")}
            return {"task": task_of(question)} | rest | _asked(question)
        case LinearEvaluation():
            return flat(own)
        case _:
            assert_never(question)


def _asked(question: Estimation | Geometry) -> Values:
    """The pairing that a question is about; that of views is told by the views."""
    if isinstance(question.embedding, Views):
        return {}
    return {f"question_{name}": value for name, value in flat(own_fields(question)["pairing"]).items()}


def _views(views: Views) -> Values:
    own = own_fields(views)
    through = {f"view_{name}": value for name, value in flat(own.pop("pairing")).items()}
    names = {"per_image": "views_per_image", "seed": "view_seed"}
    return through | {names.get(name, f"view_{name}"): value for name, value in flat(own).items()}


def _checkpoint(checkpoint: Checkpoint) -> Values:
    own = own_fields(checkpoint)
    source, name = own.pop("source"), own.pop("name")
    file = {"file": source} if isinstance(source, str) else {}
    named = {"encoder": name} if name else {}
    return file | flat(own) | {"input": input_name(checkpoint.input)} | named


def _training(training: Training) -> Values:
    own = own_fields(training)
    pairing, objective = (flat({name: own.pop(name)}) for name in ("pairing", "objective"))
    if isinstance(training.pairing, SimCLR):
        pairing = {n if n == "pairing_kind" else n.removeprefix("pairing_"): value for n, value in pairing.items()}
    return pairing | flat(own) | {"objective": objective_name(training.objective)} | objective


def _data(data: Data) -> Values:
    own = {"kind": type(data).__name__} | own_fields(data)
    names = {"seed": "data_seed", "kind": "data_kind", "name": "data"}
    told = {names.get(name, name): value for name, value in flat(own).items()}
    match data:
        case CDP():
            return {"data": "cdp"} | told
        case Labelled():
            return told | {"negatives": negatives_name(data.negatives)}
        case _:
            assert_never(data)


def _is_of(name: str, field: str) -> bool:
    return name == field or name.startswith(f"{field}_")


def negatives_name(negatives: Labelled | Noise | Crops | None) -> str:
    """The set D- in a word."""
    match negatives:
        case None:
            return "own"
        case Noise():
            return "noise"
        case Crops():
            return "crops"
        case Labelled():
            return " ".join(filter(None, [negatives.name, negatives.half, negatives.domain]))
        case _:
            assert_never(negatives)
