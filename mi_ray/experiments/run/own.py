"""Answer a question of a user's own."""

from __future__ import annotations

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.experiments.declare import OwnQuestion
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.evaluation import touched_note


def answered(declaration: OwnQuestion, data: PreparedData, h: Embedded) -> Values:
    """The numbers of an answer, and a note on test images that are in other splits; Refused unless they are exactly
    those of its measures, and finite."""
    splits, names = {split: data.split(split) for split in SPLITS}, names_of(data, h)
    listed = {split: tuple(texts) for split, texts in names.items()}
    return declaration.checked(declaration.answer(h, splits, listed)) | touched_note(splits, names)
