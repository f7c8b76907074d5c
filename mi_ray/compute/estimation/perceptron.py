"""A probe with one hidden layer: where a linear probe leaves information behind, it may read more of it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from math import inf

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mi_ray.compute.choices import PERCEPTRON_ROWS, PERCEPTRON_STEPS
from mi_ray.compute.estimation.averaging import Plateau, average
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import Rows, rows_within, slices
from mi_ray.compute.numerics.eager import eager
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.numerics.strata import Labels
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.theory.information import bits

LEARNING_RATE, WEIGHT_DECAY = 1e-2, 1.0
"""Of AdamW; the rate rises until the first check and stays."""

EVERY, PATIENCE = 40, 3
"""Steps between two checks; checks without a gain after which a fit has converged."""

CHECKED = 2048
"""Most rows of validation that a check reads."""


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A fitted probe with one layer of ``hidden`` units, on softened principal ``axes``; ``widest``: the most units of
    a layer."""

    axes: PrincipalAxes
    mlp: nn.Module
    hidden: int
    widest: int

    def blocks(self, h: Float[Tensor, "n width"], task: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """Class scores [rows, 1, classes] of some rows of h at a time, with the slice of these rows, as
        `Probes.blocks` gives them; it has one ``task``. NotFinite if an embedding or a score is not finite."""
        refuse_rows("h", h)
        for rows in slices(len(h), rows_within(4 * self.widest)):
            with torch.inference_mode():
                scores = self.mlp(self.axes.softened(h[rows]))
            refuse_rows("logits", scores, first=rows.start)
            yield rows, scores[:, None]


def fit_perceptron(
    train: tuple[Rows, Labels],
    validation: tuple[Rows, Int64[np.ndarray, " m"]],
    axes: PrincipalAxes,
    n_classes: int,
    *,
    hidden: int,
    seed: int,
) -> Perceptron:
    """Minimise cross-entropy on train until it has converged on validation (`Plateau`), at most for `PERCEPTRON_STEPS`.

    Rows are on softened ``axes``. The probe is an average of weights (`average`), in its best state on validation.
    """
    device = axes.device
    mlp = fresh_mlp(train[0].shape[1], hidden=hidden, out=n_classes, seed=seed, purpose="perceptron").to(device)
    labels = torch.from_numpy(train[1]).to(device)
    checked = np.unique(np.linspace(0, len(validation[0]) - 1, CHECKED).astype(np.int64))
    held, answers = validation[0][torch.from_numpy(checked)], torch.from_numpy(validation[1][checked]).to(device)
    optimizer = eager(torch.optim.AdamW)(mlp.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    averages, plateau, best, least = deepcopy(mlp), Plateau(1, PATIENCE * EVERY), deepcopy(mlp), inf
    batches = _batches(len(labels), seed)
    for step in range(1, PERCEPTRON_STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, step / EVERY)
        rows = next(batches)
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(mlp(train[0][rows]), labels[rows.to(device)]).backward()
        optimizer.step()
        average(averages.parameters(), mlp.parameters(), step)
        if step % EVERY == 0:
            with torch.inference_mode():
                loss = float(cross_entropy(averages(held), answers))
            if loss < least:
                best, least = deepcopy(averages), loss
            plateau.see(step, np.array([-bits(loss)]))
            if plateau.converged.all():
                break
    return Perceptron(axes, best.eval(), hidden, max(train[0].shape[1], hidden, n_classes))


def _batches(n: int, seed: int) -> Iterator[Int64[Tensor, " rows"]]:
    """`PERCEPTRON_ROWS` rows for each step, or all ``n`` if there are fewer: in rounds, each row once or not at all."""
    for epoch in count():
        order = torch.from_numpy(stream(seed, "perceptron rows", epoch).permutation(n))
        yield from order.split(PERCEPTRON_ROWS)[: max(1, n // PERCEPTRON_ROWS)]
