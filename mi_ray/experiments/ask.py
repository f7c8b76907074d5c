"""Questions to frozen embeddings: a declaration in, the flat values of its result out."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from mi_ray.compute import estimation, evaluation, geometry, views
from mi_ray.compute.critics import Report, Settings
from mi_ray.compute.estimation import Sample
from mi_ray.compute.images import SPLITS, ImageSet
from mi_ray.experiments.cells import Attempt
from mi_ray.experiments.couples import couple, label_channel, labelled
from mi_ray.experiments.data import PreparedData
from mi_ray.experiments.declare import Estimation, Geometry, LinearEvaluation, SameClass, SimCLR, encoder_of
from mi_ray.experiments.encode import Embedded
from mi_ray.experiments.files import append_line
from mi_ray.experiments.results import expected, told, told_views
from mi_ray.experiments.train import Progress

Values = dict[str, Any]


def estimated(declaration: Estimation, data: PreparedData, attempt: Attempt, h: Embedded) -> Values:
    """Post-training MI estimation."""
    splits = {split: data.split(split) for split in SPLITS}
    report = _report(declaration, attempt)
    match declaration.pairing:
        case SameClass():
            return _estimate(declaration, declaration.pairing, splits, h, report)
        case SimCLR():
            found = estimation.estimate_views(
                {split: views.flattened(h[split], images.sources) for split, images in splits.items()},
                k_est=declaration.k_est,
                batches=declaration.batches,
                settings=critic_settings(declaration),
                report=report,
            )
            return told_views(found)
        case _:
            assert_never(declaration.pairing)


def _estimate(
    declaration: Estimation, pairing: SameClass, splits: dict[str, ImageSet], h: Embedded, report: Report
) -> Values:
    channel = label_channel(pairing, splits["test"])
    estimate = estimation.estimate(
        {split: _sample(h[split], images, pairing) for split, images in splits.items()},
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


def _sample(h: NDArray[np.float32], images: ImageSet, pairing: SameClass) -> Sample:
    return Sample(h, labelled(pairing.task, images)[0], images.sources, couple(pairing, images))


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
    """Linear evaluation of several tasks, their probes fitted together."""
    splits = {split: data.split(split) for split in SPLITS}
    labels = [{split: labelled(q.task, images) for split, images in splits.items()} for q in questions]
    accuracies = evaluation.evaluate_linearly(
        h,
        [{split: of for split, (of, _) in known.items()} for known in labels],
        [known["train"][1] for known in labels],
        splits["test"].sources,
        penalties=questions[0].penalties,
    )
    return [_known({f"linear_{name}": value for name, value in asdict(one).items()}) for one in accuracies]


def measured(declaration: Geometry, data: PreparedData, h: Embedded) -> Values:
    """Alignment and uniformity on the test images, and of same-class pairs tolerance."""
    images = data.split("test")
    match declaration.pairing:
        case SameClass():
            of_classes = geometry.of_classes(h["test"], _sampling(declaration.pairing, images), images.sources)
            return _measures(
                alignment=of_classes.alignment, uniformity=of_classes.uniformity, tolerance=of_classes.tolerance
            )
        case SimCLR():
            found = geometry.of_views(h["test"], images.sources)
            return _measures(alignment=found.alignment, uniformity=found.uniformity)
        case _:
            assert_never(declaration.pairing)


def _sampling(pairing: SameClass, images: ImageSet) -> geometry.Sampling:
    """How the estimate draws its pairs; an empirical prior is that of the images, sampled as they are."""
    prior = None if pairing.prior == "empirical" else label_channel(pairing, images).prior
    return geometry.Sampling(labels=labelled(pairing.task, images)[0], prior=prior, redraw=pairing.redraw)


def _measures(**measures: geometry.Measure) -> Values:
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
