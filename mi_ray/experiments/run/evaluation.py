"""Evaluate downstream tasks linearly on embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan

import torch

from mi_ray.compute.estimation.samples import shared
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.experiments.declare import LinearEvaluation
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.declare.measures import LINEAR, NOTE
from mi_ray.experiments.images.pairs import independent_sources, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.estimation import origin_of
from mi_ray.theory.audit import overlap_reason


def evaluated(
    declarations: Sequence[LinearEvaluation], data: PreparedData, h: Embedded, device: torch.device
) -> list[Values]:
    """Linear evaluation of several tasks, their probes fitted together on ``device``."""
    splits, names = {split: data.split(split) for split in SPLITS}, names_of(data, h)
    labels = [
        {split: labelled(declaration.task, images) for split, images in splits.items()} for declaration in declarations
    ]
    accuracies = evaluate_linearly(
        h,
        [{split: classes for split, (classes, _) in by_split.items()} for by_split in labels],
        [by_split["train"][1] for by_split in labels],
        independent_sources(splits["test"]),
        penalties=declarations[0].penalties,
        device=device,
    )
    note = touched_note(splits, names)
    results = [{f"{LINEAR}{name}": value for name, value in asdict(accuracy).items()} for accuracy in accuracies]
    return [without_unknown_errors(result) | note for result in results]


def touched_note(splits: Mapping[str, ImageSet], names: Mapping[str, Sequence[str]]) -> Values:
    """The ``note`` of a result: names of test images that are in train or validation too; empty if there are none."""
    origins = {split: origin_of(images, names[split]) for split, images in splits.items()}
    return {NOTE: overlap_reason({split: shared(origins["test"], origins[split]) for split in ("train", "validation")})}


def without_unknown_errors(values: Values) -> Values:
    """The values without standard errors that are nan, as of too few sources."""
    return {name: value for name, value in values.items() if not (name.endswith("standard_error") and isnan(value))}
