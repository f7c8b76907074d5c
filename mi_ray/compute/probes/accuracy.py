"""Linear evaluation of a frozen encoder (Sec. IV): probes are fitted on train, selected on validation and scored on
test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.numerics.blocks import CPU, tensor_of
from mi_ray.compute.numerics.jackknife import jackknife_standard_error
from mi_ray.compute.numerics.strata import Labels, Strata
from mi_ray.compute.numerics.uncertainty import Sources, clustered_standard_error
from mi_ray.compute.probes.logistic import Probes, fit_probes


@dataclass(frozen=True, kw_only=True)
class LinearAccuracy:
    """Test accuracy of a linear probe, in 0..1, with its standard error over source images.

    ``accuracy`` weights classes by their frequency in the test images, as an empirical prior does;
    ``balanced_accuracy`` weights them equally, as a uniform prior does (`balanced`). ``absent_classes``: the number of
    classes without a test image.
    """

    accuracy: float
    standard_error: float
    balanced_accuracy: float
    balanced_standard_error: float
    penalty: float
    train_accuracy: float
    validation_accuracy: float
    balanced_validation_accuracy: float
    absent_classes: int


def evaluate_linearly(
    h: Mapping[str, NDArray[np.float32]],
    labels: Sequence[Mapping[str, NDArray[np.int64]]],
    n_classes: Sequence[int],
    sources: NDArray[np.int64],
    *,
    penalties: Sequence[float],
    device: torch.device = CPU,
) -> list[LinearAccuracy]:
    """Fit the probes of all tasks together and score each on test rows, which no fit or choice has used.

    h: per split [n, width]; labels: per task and split [n]; ``sources`` [n of test]. Each task takes the penalty with
    the best validation accuracy, the largest such penalty on a tie. ``device``: where the probes are fitted and scored.
    Source: Sec. IV, Fig. 6.
    """
    rows = {split: tensor_of(h[split]) for split in SPLITS}
    train_labels = [torch.from_numpy(task["train"]) for task in labels]
    probes = fit_probes(rows["train"], train_labels, n_classes, sorted(penalties), device=device)
    return [_score(probes, task, n, rows, labels[task], sources, sorted(penalties)) for task, n in enumerate(n_classes)]


@dataclass(frozen=True, kw_only=True)
class Balanced:
    """The mean over classes of the accuracy within each class, and its standard error over sources."""

    accuracy: float
    standard_error: float


def balanced(hits: NDArray[np.bool_], labels: Labels, sources: Sources) -> Balanced:
    """Balanced accuracy over the classes that occur in ``labels``, as scikit-learn's ``balanced_accuracy_score``.

    ``hits`` (correct predictions), ``labels``, ``sources``: [n]. The standard error is the leave-one-source-out
    jackknife, NaN if leaving out a source leaves no image. A class that keeps no image is left out too.
    """

    def terms(_: np.ndarray, rows: np.ndarray, hit: np.ndarray) -> np.ndarray:
        return np.stack([rows > 0, hit[:, 0] / np.maximum(rows, 1)], axis=1)

    whole, without = Strata.of(labels, sources).sums(hits[:, None].astype(float), terms)
    left = without[:, 1] / np.where(without[:, 0] > 0, without[:, 0], np.nan)
    return Balanced(accuracy=float(whole[1] / whole[0]), standard_error=jackknife_standard_error(left))


def _score(
    probes: Probes,
    task: int,
    n_classes: int,
    rows: Mapping[str, torch.Tensor],
    labels: Mapping[str, NDArray[np.int64]],
    sources: NDArray[np.int64],
    penalties: Sequence[float],
) -> LinearAccuracy:
    hits = {
        split: (probes.predictions(rows[split], task) == torch.from_numpy(labels[split])[:, None]).numpy()
        for split in SPLITS
    }
    validation = hits["validation"].mean(0)
    best = int(np.flatnonzero(validation == validation.max())[-1])
    test = hits["test"][:, best]
    alike = balanced(test, labels["test"], sources)
    on_validation = balanced(hits["validation"][:, best], labels["validation"], np.arange(len(hits["validation"])))
    return LinearAccuracy(
        accuracy=float(test.mean()),
        standard_error=clustered_standard_error(test.astype(float), sources),
        balanced_accuracy=alike.accuracy,
        balanced_standard_error=alike.standard_error,
        penalty=penalties[best],
        train_accuracy=float(hits["train"][:, best].mean()),
        validation_accuracy=float(validation[best]),
        balanced_validation_accuracy=on_validation.accuracy,
        absent_classes=n_classes - len(np.unique(labels["test"])),
    )
