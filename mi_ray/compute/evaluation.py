"""Linear evaluation of a frozen encoder (Sec. IV): fitted on train, selected on validation, read on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mi_ray.compute.images import SPLITS
from mi_ray.compute.probes import Probes, fit_probes
from mi_ray.compute.uncertainty import clustered_standard_error


@dataclass(frozen=True, kw_only=True)
class LinearAccuracy:
    """Held-out accuracy of a linear probe, in 0..1, with its standard error over source images."""

    accuracy: float
    standard_error: float
    penalty: float
    train_accuracy: float
    validation_accuracy: float


def evaluate_linearly(
    h: Mapping[str, NDArray[np.float32]],
    labels: Sequence[Mapping[str, NDArray[np.int64]]],
    n_classes: Sequence[int],
    sources: NDArray[np.int64],
    *,
    penalties: Sequence[float],
) -> list[LinearAccuracy]:
    """Fit the probes of all tasks together and score each on untouched rows.

    h: per split [n, width]; labels: per task and split [n]; ``sources`` [n of test]. The penalty with the best
    validation accuracy is used, the larger one on a tie. Source: Sec. IV, Fig. 6.
    """
    rows = {split: torch.from_numpy(h[split]) for split in SPLITS}
    train_labels = [torch.from_numpy(task["train"]) for task in labels]
    probes = fit_probes(rows["train"], train_labels, n_classes, sorted(penalties))
    return [_score(probes, task, rows, labels[task], sources, sorted(penalties)) for task in range(len(labels))]


def _score(
    probes: Probes,
    task: int,
    rows: Mapping[str, torch.Tensor],
    labels: Mapping[str, NDArray[np.int64]],
    sources: NDArray[np.int64],
    penalties: Sequence[float],
) -> LinearAccuracy:
    hits = {
        split: (probes.logits(rows[split], task).argmax(2) == torch.from_numpy(labels[split])[:, None]).numpy()
        for split in SPLITS
    }
    validation = hits["validation"].mean(0)
    best = int(np.flatnonzero(validation == validation.max())[-1])
    test = hits["test"][:, best].astype(float)
    return LinearAccuracy(
        accuracy=float(test.mean()),
        standard_error=clustered_standard_error(test, sources),
        penalty=penalties[best],
        train_accuracy=float(hits["train"][:, best].mean()),
        validation_accuracy=float(validation[best]),
    )
