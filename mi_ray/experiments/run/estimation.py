"""Estimate mutual information from embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mi_ray.compute.estimation.critics import Settings
from mi_ray.compute.estimation.estimate import estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.own import OwnCritic
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.samples import Origin, Sample, flattened
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.experiments.declare import Estimation, SameClass
from mi_ray.experiments.declare.kind import Values
from mi_ray.experiments.images.pairs import couple_of_different, label_channel, labelled
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.results.estimates import result
from mi_ray.experiments.run.embedding import Embedded, names_of
from mi_ray.experiments.run.loop import Progress
from mi_ray.experiments.store.files import append_line
from mi_ray.experiments.store.store import Attempt


def estimated(
    declaration: Estimation, data: PreparedData, attempt: Attempt, h: Embedded, device: torch.device
) -> Values:
    """Post-training MI estimation on ``device``: of same-class pairs against their label channel, or of views."""
    splits, names = {split: data.split(split) for split in SPLITS}, names_of(data, h)
    origins = {split: origin_of(splits[split], names[split]) for split in SPLITS}
    pairing, progress = declaration.pairing, Progress(attempt)

    def report(step: int, train_bits: float, validation_bits: float) -> None:
        record = {"step": step, "critic_train_bits": train_bits, "critic_validation_bits": validation_bits}
        append_line(attempt.payload / "history.jsonl", record)
        progress(step / declaration.steps)

    settings = critic_settings(declaration)
    samples, labels = {}, None
    others: list[ProbeCritic | OwnCritic] = [OwnCritic(critic) for critic in declaration.own]
    if isinstance(pairing, SameClass):
        labels = label_channel(pairing, splits["test"])
        hidden, seed = declaration.encoder.hidden, declaration.seed
        others = [ProbeCritic(penalties=declaration.penalties, hidden=hidden, seed=seed), *others]
        for split, images in splits.items():
            couple = couple_of_different(pairing, images, origins[split].identities)
            samples[split] = Sample(h[split], labelled(pairing.task, images)[0], origins[split], couple)
    else:
        samples = {split: flattened(h[split], origins[split]) for split in SPLITS}
    problem = Problem(
        samples=samples,
        labels=labels,
        k_est=declaration.k_est,
        batches=declaration.batches,
        seed=settings.seeds[0],
        device=device,
    )
    return result(estimate(problem, LearnedCritics(settings=settings, report=report), *others))


def origin_of(images: ImageSet, names: Sequence[str]) -> Origin:
    """Identities, sources and names of the images of a split."""
    return Origin(identities=images.identities, sources=images.sources, names=names)


def critic_settings(declaration: Estimation) -> Settings:
    """The critics of an estimation: no two seeds of a sweep share one."""
    encoder, n = declaration.encoder, declaration.critics
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
