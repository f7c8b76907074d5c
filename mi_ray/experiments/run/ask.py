"""Questions to frozen embeddings: a declaration in, the flat values of its result out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute.estimation import estimate as estimation
from mi_ray.compute.estimation.critics import Report, Settings
from mi_ray.compute.estimation.samples import Origin, Sample, flattened, shared
from mi_ray.compute.images.duplicates import distinct_rows, identities_of_pixels
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.probes import accuracy as evaluation
from mi_ray.compute.probes import geometry
from mi_ray.experiments.declare import Estimation, Geometry, LinearEvaluation, SameClass, SimCLR, encoder_of
from mi_ray.experiments.declare.measures import LINEAR, NOTE
from mi_ray.experiments.images.pairs import couple_of_different, independent_sources, label_channel, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.results.estimates import expected, told, told_views
from mi_ray.experiments.run.encode import Embedded
from mi_ray.experiments.run.loop import Progress
from mi_ray.experiments.store.files import append_line
from mi_ray.experiments.store.store import Attempt
from mi_ray.theory.audit import overlap_reason
from mi_ray.theory.channel import LabelChannel

Values = dict[str, Any]


def estimated(declaration: Estimation, data: PreparedData, attempt: Attempt, h: Embedded) -> Values:
    """Post-training MI estimation."""
    splits, names = {split: data.split(split) for split in SPLITS}, _named(data, h)
    report = _report(declaration, attempt)
    match declaration.pairing:
        case SameClass():
            channel = label_channel(declaration.pairing, splits["test"])
            samples = {split: _sample(h[split], splits[split], declaration.pairing, names[split]) for split in SPLITS}
            return _estimate(declaration, samples, channel, report)
        case SimCLR():
            found = estimation.estimate_views(
                {split: flattened(h[split], _origin(splits[split], names[split])) for split in SPLITS},
                k_est=declaration.k_est,
                batches=declaration.batches,
                settings=critic_settings(declaration),
                report=report,
            )
            return told_views(found)
        case _:
            assert_never(declaration.pairing)


def _estimate(declaration: Estimation, samples: dict[str, Sample], channel: LabelChannel, report: Report) -> Values:
    estimate = estimation.estimate(
        samples,
        channel,
        k_est=declaration.k_est,
        batches=declaration.batches,
        penalties=declaration.penalties,
        settings=critic_settings(declaration),
        report=report,
    )
    return told(estimate) | expected(channel, declaration.k_est)


def _report(declaration: Estimation, attempt: Attempt) -> Report:
    progress = Progress(attempt)

    def report(step: int, train_bits: float, validation_bits: float) -> None:
        record = {"step": step, "critic_train_bits": train_bits, "critic_validation_bits": validation_bits}
        append_line(attempt.payload / "history.jsonl", record)
        progress(step / declaration.steps)

    return report


def _named(data: PreparedData, h: Embedded) -> dict[str, tuple[str, ...]]:
    """The images of each split by name; NotFinite calls by name those whose embedding is not finite."""
    names = {split: data.names(split) for split in h}
    for split, rows in h.items():
        refuse_rows(f"embeddings of {split}", rows, names[split])
    return names


def _sample(h: NDArray[np.float32], images: ImageSet, pairing: SameClass, names: Sequence[str]) -> Sample:
    origin = _origin(images, names)
    return Sample(h, labelled(pairing.task, images)[0], origin, couple_of_different(pairing, images, origin.identities))


def _origin(images: ImageSet, names: Sequence[str]) -> Origin:
    return Origin(identities=identities_of_pixels(images.images), sources=images.sources, names=names)


def critic_settings(declaration: Estimation) -> Settings:
    """The critics of an estimation: no two seeds of a sweep share one."""
    encoder, n = encoder_of(declaration), declaration.critics
    return Settings(
        hidden=encoder.hidden,
        out=encoder.out,
        temperature=declaration.temperature,
        seeds=range(declaration.seed * n, (declaration.seed + 1) * n),
        k=declaration.k_fit,
        steps=declaration.steps,
        learning_rate=declaration.learning_rate,
        weight_decay=declaration.weight_decay,
        patience=declaration.patience,
    )


def evaluated(questions: list[LinearEvaluation], data: PreparedData, h: Embedded) -> list[Values]:
    """Linear evaluation of several tasks, their probes fitted together; a note where test images are not untouched."""
    splits, names = {split: data.split(split) for split in SPLITS}, _named(data, h)
    labels = [{split: labelled(q.task, images) for split, images in splits.items()} for q in questions]
    accuracies = evaluation.evaluate_linearly(
        h,
        [{split: of for split, (of, _) in known.items()} for known in labels],
        [known["train"][1] for known in labels],
        independent_sources(splits["test"]),
        penalties=questions[0].penalties,
    )
    note = {NOTE: overlap_reason(_shared(splits, names))}
    return [_known({f"{LINEAR}{name}": value for name, value in asdict(one).items()}) | note for one in accuracies]


def _shared(splits: dict[str, ImageSet], names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The test images found in each other split, by name."""
    origins = {split: _origin(images, names[split]) for split, images in splits.items()}
    return {split: shared(origins["test"], origins[split]) for split in ("train", "validation")}


def measured(declaration: Geometry, data: PreparedData, h: Embedded) -> Values:
    """Alignment and uniformity on the test images, and of same-class pairs tolerance."""
    images, _ = data.split("test"), _named(data, h)
    match declaration.pairing:
        case SameClass():
            same = _of_classes(declaration.pairing, images, h["test"])
            return _measures(alignment=same.alignment, uniformity=same.uniformity, tolerance=same.tolerance)
        case SimCLR():
            found = geometry.of_views(h["test"], independent_sources(images))
            return _measures(alignment=found.alignment, uniformity=found.uniformity)
        case _:
            assert_never(declaration.pairing)


def _of_classes(pairing: SameClass, images: ImageSet, h: NDArray[np.float32]) -> geometry.OfClasses:
    """By the pairs that the estimate draws: of different images, classes weighed as declared."""
    labels = labelled(pairing.task, images)[0]
    rows = distinct_rows(identities_of_pixels(images.images), labels)
    is_share_of_rows = pairing.prior == "empirical" and len(rows) == len(images)
    prior = None if is_share_of_rows else label_channel(pairing, images).prior
    sampling = geometry.Sampling(labels=labels[rows], prior=prior, redraw=pairing.redraw)
    return geometry.of_classes(h[rows], sampling, independent_sources(images)[rows])


def _measures(**measures: geometry.Estimated) -> Values:
    return _known(
        {
            name: value
            for measure, found in measures.items()
            for name, value in ((measure, found.value), (f"{measure}_standard_error", found.standard_error))
        }
    )


def _known(values: Values) -> Values:
    """Without the standard errors that are nan: too few sources to tell."""
    return {name: value for name, value in values.items() if not (name.endswith("standard_error") and isnan(value))}
