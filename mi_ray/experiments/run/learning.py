"""Encoders of a plan that did not learn, and the cells that rest on them.

The result of a training or embedding has the reason in ``not_learned``, empty if there is none. A result of an earlier
version has no such value: it is judged by its history, or by its embeddings of the test images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.experiments.declare import (
    Embedding,
    Encoder,
    OwnPairing,
    Pairing,
    SameClass,
    SupCon,
    Training,
    Views,
    encoder_of,
    n_classes,
)
from mi_ray.experiments.declare.measures import FIRST_LOSS, IN_TRAINING, LOSS, NOT_LEARNED
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits, nominal_bound_bits
from mi_ray.theory.learned import Curve, Spectrum, spectrum, why_collapsed, why_untrained

EMBEDDINGS = "h.safetensors"
Values = Mapping[str, Any]


# Of one cell


def curve_of(
    training: Training, history: Sequence[Values], first_loss_nats: float | None, images: ImageSet | None = None
) -> Curve:
    """The curve of a training from its reports; ``images``: those that it was trained on, if they are at hand."""
    chance = nominal_bound_bits(training.k_tr)
    losses = [record[LOSS.name] for record in history if LOSS.name in record]
    return Curve(
        reports=tuple(chance - bits(loss) for loss in losses),
        steps=max(1, training.steps // max(1, len(losses))),
        first=None if first_loss_nats is None else chance - bits(first_loss_nats),
        allowed=allowed_bits(training, images),
    )


def allowed_bits(training: Training, images: ImageSet | None) -> float | None:
    """How far a perfect encoder's loss is below chance, through a cosine at the training's temperature, in bits.

    None where that takes the images and they are not at hand.
    """
    pairing: Pairing = training.pairing
    if isinstance(training.objective, SupCon):
        pairing = SameClass(task=training.objective.task)
    if isinstance(pairing, OwnPairing) and not pairing.couples_with_itself():
        return None
    if not isinstance(pairing, SameClass):
        apart = exp(-1 / training.temperature)
        return nominal_bound_bits(training.k_tr) - log2(1 + (2 * training.k_tr - 2) * apart)
    known = n_classes(training.data, pairing.task) if pairing.prior == "uniform" else None
    if images is not None:
        from mi_ray.experiments.images.pairs import label_channel

        channel = label_channel(pairing, images)
    elif known:
        channel = LabelChannel.uniform(known, pairing.redraw)
    else:
        return None
    return channel.nominal_ceiling_bits(training.k_tr, temperature=training.temperature)


def things_told_apart(encoder: Encoder) -> float | None:
    """Number of things an encoder was trained to distinguish: classes or, by augmentation, images (infinity).

    None if it is not known, as of a published checkpoint and of couples of a user's own.
    """
    training = encoder if isinstance(encoder, Training) else encoder.upstream
    if training is None:
        return None
    if isinstance(training.objective, SupCon):
        return n_classes(training.data, training.objective.task)
    if isinstance(training.pairing, SameClass):
        return n_classes(training.data, training.pairing.task)
    is_unknown = isinstance(training.pairing, OwnPairing) and not training.pairing.couples_with_itself()
    return None if is_unknown else inf


def embeddings_seen(declaration: Embedding | Views, h: NDArray[np.float32]) -> tuple[Spectrum, str]:
    """The spectrum of embeddings h [n, width], of views [n, per_image, width], and why they are of no use, if so."""
    h_spectrum = spectrum(h.reshape(-1, h.shape[-1]))
    return h_spectrum, why_collapsed(h_spectrum, things_told_apart(encoder_of(declaration)))


# Of committed cells


def why_not_learned(cell: Cell, committed: CommittedCell) -> str:
    """Why the encoder of a committed training or embedding did not learn; empty if nothing is against it."""
    declaration, result = cell.declaration, committed.result
    if not isinstance(declaration, Training | Embedding | Views):
        return ""
    if (reason := result.get(NOT_LEARNED)) is not None:
        return reason
    if isinstance(declaration, Training):
        return _by_history(declaration, committed)
    if EMBEDDINGS not in committed.manifest["files"]:
        return ""
    with safe_open(committed.file(EMBEDDINGS), framework="numpy") as file:
        return embeddings_seen(declaration, file.get_tensor("test"))[1]


def _by_history(training: Training, committed: CommittedCell) -> str:
    """The reason by the history and, if that is lost or shows nothing, by the means in the result."""
    result = committed.result
    history = committed.history if "history.jsonl" in committed.manifest["files"] else []
    if reason := why_untrained(curve_of(training, history, result.get(FIRST_LOSS.name))):
        return reason
    bits_below = [nominal_bound_bits(training.k_tr) - bits(result[LOSS.name])] if LOSS.name in result else []
    bits_below += [result[IN_TRAINING.name]] if IN_TRAINING.name in result else []
    means = (min(bits_below),) if bits_below else ()
    return why_untrained(Curve(reports=means, allowed=allowed_bits(training, None)))


def faults(plan: Plan, store: Store) -> dict[str, str]:
    """Reason by key, of the plan's committed trainings and embeddings that did not learn."""
    held = store.committed(plan.cells)
    reasons = {key: why_not_learned(cell, store.read(key)) for key, cell in plan.cells.items() if key in held}
    return {key: reason for key, reason in reasons.items() if reason}


# Of the cells that rest on them


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """An encoder that did not learn, by the name of its cell, and why."""

    key: str
    name: str
    reason: str


def doubts(plan: Plan, faults: Mapping[str, str]) -> list[Doubt]:
    """Encoders of the plan that did not learn, each once: by its training if that has a reason, else its embedding."""
    return [
        Doubt(key=key, name=plan.name(plan.cells[key]), reason=faults[key])
        for key in plan.cells
        if key in faults and faults.keys().isdisjoint(upstream_keys(plan, key))
    ]


def reasons_below(plan: Plan, faults: Mapping[str, str]) -> dict[str, str]:
    """Reason by key, of every cell of the plan that is, or rests on, an encoder that did not learn."""
    reasons = {}
    for key in plan.cells:
        at_fault = [each for each in (key, *upstream_keys(plan, key)) if each in faults]
        if at_fault and faults[at_fault[-1]]:
            reasons[key] = faults[at_fault[-1]]
    return reasons


def upstream_keys(plan: Plan, key: str) -> list[str]:
    """Keys of the cells that a cell needs, the nearest first."""
    keys: list[str] = []
    while (cell := plan.cells.get(key)) and cell.upstream:
        key = cell.upstream
        keys.append(key)
    return keys
