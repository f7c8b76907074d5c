"""Compute the cells of one job and commit them: the only place that opens a declaration and calls the mathematics."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from mi_ray.compute import embeddings, estimation, evaluation, networks
from mi_ray.compute.augmentation import SimCLRView, plain
from mi_ray.compute.checkpoints import load_tensors, save_tensors
from mi_ray.compute.critics import Settings
from mi_ray.compute.estimation import Sample
from mi_ray.compute.images import SPLITS, ImageSet
from mi_ray.compute.pairings import Couple, WithinClass, WithItself
from mi_ray.compute.precision import number_type
from mi_ray.compute.training import Trainer, View
from mi_ray.experiments.cells import Attempt, Store, append_line
from mi_ray.experiments.cost import predicted_work
from mi_ray.experiments.data import PreparedData
from mi_ray.experiments.declare import (
    Embedding,
    Estimation,
    LinearEvaluation,
    Pairing,
    SameClass,
    SimCLR,
    Training,
    training_of,
)
from mi_ray.experiments.identity import PROTOCOL, own_fields, story
from mi_ray.experiments.plan import Cell, Job
from mi_ray.experiments.provenance import provenance
from mi_ray.experiments.results import expected, told
from mi_ray.experiments.train import Progress, train
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits
from mi_ray.theory.tasks import Task

Values = dict[str, Any]
Embedded = dict[str, NDArray[np.float32]]

IN_TRAINING_SHARE = 0.1
"""The in-training estimate is averaged over this last share of the reports."""


def compute(job: Job, data: PreparedData, store: Store, *, device: torch.device) -> None:
    """Compute every cell of ``job`` that the store does not hold yet and commit each.

    Raises what the mathematics raises; what was committed before stays.
    """
    attempts = {cell.key: store.attempt(cell.key) for cell in job.cells if not store.has(cell.key)}
    cells = [cell for cell in job.cells if cell.key in attempts]
    if not cells:
        return
    started, clock = time.time(), time.monotonic()
    results = _results(cells, attempts, data, store, device)
    seconds = (time.monotonic() - clock) / len(cells)
    for cell, result in zip(cells, results, strict=True):
        manifest = _manifest(cell, device, started, seconds)
        attempts[cell.key].publish(manifest, result=result, declaration=story(cell.declaration))


def _results(
    cells: list[Cell], attempts: dict[str, Attempt], data: PreparedData, store: Store, device: torch.device
) -> list[Values]:
    cell, attempt = cells[0], attempts[cells[0].key]
    match cell.declaration:
        case Training():
            return [_train(cell.declaration, data, attempt, device)]
        case Embedding():
            return [_embed(cell, data, attempt, store, device)]
        case Estimation():
            return [_estimate(cell.declaration, data, attempt, _embedded(cell, store))]
        case LinearEvaluation():
            questions = [c.declaration for c in cells if isinstance(c.declaration, LinearEvaluation)]
            return _evaluate(questions, data, _embedded(cell, store))
        case _:
            assert_never(cell.declaration)


def _train(declaration: Training, data: PreparedData, attempt: Attempt, device: torch.device) -> Values:
    images = data.split("train")
    encoder = networks.encoder(declaration.arch, seed=declaration.seed)
    projector = networks.projector(
        networks.width(declaration.arch), hidden=declaration.hidden, out=declaration.out, seed=declaration.seed
    )
    trainer = Trainer(
        encoder,
        projector,
        images,
        couple(declaration.pairing, images),
        view(declaration.pairing),
        k_tr=declaration.k_tr,
        steps=declaration.steps,
        temperature=declaration.temperature,
        optimizer=declaration.optimizer,
        learning_rate=declaration.learning_rate,
        weight_decay=declaration.weight_decay,
        warmup_steps=round(declaration.warmup * declaration.steps),
        seed=declaration.seed,
        dtype=number_type(declaration.precision, device),
        device=device,
    )
    history = train(trainer, attempt)
    save_tensors(encoder.state_dict(), attempt.payload / "encoder.safetensors")
    save_tensors(projector.state_dict(), attempt.payload / "projector.safetensors")
    last = history[-max(1, round(IN_TRAINING_SHARE * len(history))) :]
    return {
        "in_training_bits": float(np.mean([record["in_training_bits"] for record in last])),
        "in_training_bound_bits": nominal_bound_bits(declaration.k_tr),
        "loss_nats": float(np.mean([record["loss_nats"] for record in last])),
        "steps": declaration.steps,
    }


def _embed(cell: Cell, data: PreparedData, attempt: Attempt, store: Store, device: torch.device) -> Values:
    assert cell.upstream
    training = training_of(cell.declaration)
    encoder = networks.encoder(training.arch, seed=training.seed)
    encoder.load_state_dict(load_tensors(store.read(cell.upstream).file("encoder.safetensors")))
    progress = Progress(attempt)
    h: Embedded = {}
    for done, split in enumerate(SPLITS, start=1):
        h[split] = embeddings.embed(encoder, data.split(split), device=device)
        progress(done / len(SPLITS))
    save_file(h, attempt.payload / "h.safetensors")
    return {"width": networks.width(training.arch), "images": sum(map(len, h.values()))}


def _embedded(cell: Cell, store: Store) -> Embedded:
    assert cell.upstream
    return load_file(store.read(cell.upstream).file("h.safetensors"))


def _estimate(declaration: Estimation, data: PreparedData, attempt: Attempt, h: Embedded) -> Values:
    progress = Progress(attempt)

    def report(step: int, train_bits: float, validation_bits: float) -> None:
        record = {"step": step, "critic_train_bits": train_bits, "critic_validation_bits": validation_bits}
        append_line(attempt.payload / "history.jsonl", record)
        progress(step / declaration.steps)

    splits = {split: data.split(split) for split in SPLITS}
    channel = label_channel(declaration.pairing, splits["test"])
    estimate = estimation.estimate(
        {split: _sample(h[split], images, declaration.pairing) for split, images in splits.items()},
        channel,
        k_est=declaration.k_est,
        batches=declaration.batches,
        penalties=declaration.penalties,
        settings=critic_settings(declaration),
        report=report,
    )
    return told(estimate) | expected(channel, declaration.k_est)


def _sample(h: NDArray[np.float32], images: ImageSet, pairing: SameClass) -> Sample:
    return Sample(h, Task(pairing.task).labels(images.attributes), images.sources, couple(pairing, images))


def critic_settings(declaration: Estimation) -> Settings:
    """The critics of an estimation: no two seeds of a sweep share one."""
    training, n = training_of(declaration), declaration.critics
    return Settings(
        hidden=training.hidden,
        out=training.out,
        temperature=declaration.temperature,
        seeds=range(declaration.seed * n, (declaration.seed + 1) * n),
        k=declaration.k_fit,
        steps=declaration.steps,
        learning_rate=declaration.learning_rate,
        weight_decay=declaration.weight_decay,
        patience=declaration.patience,
    )


def _evaluate(questions: list[LinearEvaluation], data: PreparedData, h: Embedded) -> list[Values]:
    splits = {split: data.split(split) for split in SPLITS}
    tasks = [Task(question.task) for question in questions]
    accuracies = evaluation.evaluate_linearly(
        h,
        [{split: task.labels(images.attributes) for split, images in splits.items()} for task in tasks],
        [task.n_classes for task in tasks],
        splits["test"].sources,
        penalties=questions[0].penalties,
    )
    return [{f"linear_{name}": value for name, value in asdict(accuracy).items()} for accuracy in accuracies]


def label_channel(pairing: SameClass, images: ImageSet) -> LabelChannel:
    """The classes of the pairs that ``pairing`` makes of ``images``."""
    task = Task(pairing.task)
    if pairing.prior == "uniform":
        return LabelChannel.uniform(task.n_classes, pairing.redraw)
    counts = np.bincount(task.labels(images.attributes), minlength=task.n_classes)
    return LabelChannel(prior=tuple(counts / counts.sum()), redraw=pairing.redraw)


def couple(pairing: Pairing, images: ImageSet) -> Couple:
    """How ``pairing`` couples the images of a split."""
    match pairing:
        case SameClass():
            task = Task(pairing.task)
            prior = None if pairing.prior == "uniform" else np.array(label_channel(pairing, images).prior)
            return WithinClass(task.labels(images.attributes), task.n_classes, redraw=pairing.redraw, prior=prior)
        case SimCLR():
            return WithItself(len(images))
        case _:
            assert_never(pairing)


def view(pairing: Pairing) -> View:
    """How ``pairing`` views an image: plainly for same-class sampling, through augmentation for SimCLR."""
    match pairing:
        case SameClass():
            return plain
        case SimCLR():
            return SimCLRView(**own_fields(pairing))
        case _:
            assert_never(pairing)


def _manifest(cell: Cell, device: torch.device, started: float, seconds: float) -> Values:
    precision = number_type(training_of(cell.declaration).precision, device)
    return provenance() | {
        "kind": cell.kind,
        "protocol": PROTOCOL[type(cell.declaration).__name__],
        "upstream": cell.upstream,
        "data_digest": cell.data_digest,
        "device": str(device),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "work": predicted_work(cell.declaration),
        "seconds": seconds,
        "started_at": started,
        "committed_at": time.time(),
    }
