"""Critics f_c that differ by seed alone, fitted together on cached embeddings (Sec. III-C, Fig. 3 bottom)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from mi_ray.compute.estimation.averaging import Plateau, average, check_interval
from mi_ray.compute.numerics.blocks import CPU, Rows, rows_within, slices
from mi_ray.compute.numerics.eager import eager
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.pairs.couples import Couple
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.losses import nt_xent
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.theory.information import NATS_PER_BIT, nominal_bound_bits

BATCHES = 2
"""Batches of pairs, of train and of validation, on which critics are read at every check."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of critics and their fit: one for each of ``seeds``, ``k`` positive pairs a step for at most ``steps``.

    A critic has converged after ``patience`` checks without a gain (`averaging`); ``temperature`` is where it starts.
    """

    hidden: int
    out: int
    temperature: float
    seeds: Sequence[int]
    k: int
    steps: int
    learning_rate: float
    weight_decay: float
    patience: int


class Critics(nn.Module):
    """The projector's MLP, freshly initialised for each seed, with a learnable temperature each: stacked weights.

    Weights are drawn on the CPU: critics of one seed are the same on every device.
    """

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        layers = []
        for seed in settings.seeds:
            with CPU:
                mlp = fresh_mlp(width, hidden=settings.hidden, out=settings.out, seed=seed, purpose="critic")
            linear = [layer for layer in mlp if isinstance(layer, nn.Linear)]
            layers.append(
                [tensor for layer in linear for tensor in (layer.weight.detach().T, layer.bias.detach()[None])]
            )
        hidden_weight, hidden_bias, out_weight, out_bias = (torch.stack(stack) for stack in zip(*layers, strict=True))
        self.hidden_weight, self.hidden_bias = nn.Parameter(hidden_weight), nn.Parameter(hidden_bias)
        self.out_weight, self.out_bias = nn.Parameter(out_weight), nn.Parameter(out_bias)
        self.log_temperature = nn.Parameter(torch.full((len(layers),), log(settings.temperature), device=CPU))

    @property
    def temperature(self) -> Float[Tensor, " seeds"]:
        return self.log_temperature.exp()

    def forward(self, h: Float[Tensor, "seeds n width"]) -> Float[Tensor, "seeds n out"]:
        """h on softened principal axes -> z of every critic."""
        hidden = torch.baddbmm(self.hidden_bias, h, self.hidden_weight).relu_()
        return torch.baddbmm(self.out_bias, hidden, self.out_weight)

    @torch.inference_mode()
    def projections(self, h: Float[Tensor, "n width"] | Rows) -> Float[Tensor, "seeds n out"]:
        """z of every critic of the same rows, in blocks."""
        seeds, _, hidden = self.hidden_weight.shape
        rows = rows_within(seeds * max(h.shape[1], hidden) * self.hidden_weight.element_size())
        return torch.cat([self(h[part].expand(seeds, -1, -1)) for part in slices(len(h), rows)], dim=1)


@dataclass(frozen=True, eq=False)
class Fit:
    """Critics in their best state on validation: the step of that state, and its readings (Eq. 4 at the K of the fit)
    on pairs of validation and of train."""

    critics: Critics
    steps: Int64[np.ndarray, " seeds"]
    train_bits: Float64[np.ndarray, " seeds"]
    validation_bits: Float64[np.ndarray, " seeds"]


Report = Callable[[int, float, float], None]
"""Progress callback: step, train bits and validation bits, means over critics."""


def ignore(step: int, train_bits: float, validation_bits: float) -> None:
    """The default progress callback: does nothing."""


Split = tuple[Float[Tensor, "_ width"] | Rows, Couple]
"""Embeddings on softened principal axes, as a tensor or made when they are read, and how they pair."""


def fit_critics(
    train: Split,
    validation: Split,
    settings: Settings,
    report: Report = ignore,
    device: torch.device = CPU,
) -> Fit:
    """Ascend Eq. 4 on train until each critic has converged on validation, at most for ``settings.steps`` steps.

    The learning rate rises until the first check and stays; the critics that are checked, and kept where they are best,
    are averages of those that are fitted (`average`). A critic has converged when `Plateau` says so. Critics share no
    pairs, gradient or patience; the fit ends when the last has converged. ``report`` is called at every check.
    ``device``: that of the critics and of the rows, as they are read. NotFinite if an embedding is not finite,
    ArithmeticError if the loss of a critic is not.
    """
    for split, (rows, _) in (("train", train), ("validation", validation)):
        if isinstance(rows, Tensor):  # `Rows` look at their embeddings whenever they make rows of them
            refuse_rows(f"{split} embeddings", rows)
    critics, k, seeds = Critics(train[0].shape[1], settings).to(device), settings.k, settings.seeds
    optimizer, averages = adamw(critics, settings.weight_decay), deepcopy(critics)
    seen, held = (
        [_draw(split[1], k, seeds, purpose, batch) for batch in range(BATCHES)]
        for split, purpose in ((train, "train pairs"), (validation, "validation pairs"))
    )
    every = check_interval(settings.steps)
    kept = _Kept(critics, settings.patience * every)
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, step / every)
        losses = _losses(critics, train[0], _draw(train[1], k, seeds, "critic pairs", step))
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        optimizer.step()
        average(averages.parameters(), critics.parameters(), step)
        if step % every == 0:
            train_bits, validation_bits = _read(averages, train[0], seen, k), _read(averages, validation[0], held, k)
            refuse_divergence(step, seeds, train_bits + validation_bits)
            report(step, float(train_bits.mean()), float(validation_bits.mean()))
            kept.keep_better(averages, step, train_bits, validation_bits)
            if kept.plateau.converged.all():
                break
    return kept.fit(critics)


def refuse_divergence(step: int, seeds: Sequence[int], read: Float64[np.ndarray, " seeds"]) -> None:
    """Raise ArithmeticError if the reading of a critic is not finite."""
    diverged = [seed for seed, value in zip(seeds, read, strict=True) if not np.isfinite(value)]
    if diverged:
        raise ArithmeticError(
            f"critic of seed {diverged[0]}: loss is not finite at step {step}; lower learning_rate or raise temperature"
        )


BETAS = (0.8, 0.95)
"""Short memories for a short fit."""


def adamw(critics: Critics, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; weights decay, biases and temperatures do not."""
    weights = [critics.hidden_weight, critics.out_weight]
    rest = [critics.hidden_bias, critics.out_bias, critics.log_temperature]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return eager(torch.optim.AdamW)(groups, betas=BETAS, fused=True)


class _Kept:
    """The best state of each critic so far, until it has converged: ``patience`` steps without a gain."""

    def __init__(self, critics: Critics, patience: int) -> None:
        n = len(critics.log_temperature)
        self.state = {name: value.clone() for name, value in critics.state_dict().items()}
        self.steps, self.plateau = np.zeros(n, dtype=np.int64), Plateau(n, patience)
        self.train_bits, self.validation_bits = np.full(n, np.nan), np.full(n, -np.inf)

    def keep_better(self, critics: Critics, step: int, train_bits: np.ndarray, validation_bits: np.ndarray) -> None:
        better = (validation_bits > self.validation_bits) & ~self.plateau.converged
        for name, value in critics.state_dict().items():
            chosen = torch.from_numpy(better).to(value.device)
            self.state[name][chosen] = value[chosen]
        self.steps[better] = step
        self.train_bits[better], self.validation_bits[better] = train_bits[better], validation_bits[better]
        self.plateau.see(step, validation_bits)

    def fit(self, critics: Critics) -> Fit:
        critics.load_state_dict(self.state)
        return Fit(critics.eval(), self.steps, self.train_bits, self.validation_bits)


def _draw(couple: Couple, k: int, seeds: Sequence[int], purpose: str, counter: int) -> Int64[Tensor, "seeds rows"]:
    """Pairs for each critic: k rows of x, then k of y."""
    drawn = [np.concatenate(couple(k, stream(seed, purpose, counter))) for seed in seeds]
    return torch.from_numpy(np.stack(drawn))


def _losses(critics: Critics, h: Tensor | Rows, rows: Tensor) -> Float[Tensor, " seeds"]:
    """L_InfoNCE of each critic on its pairs, in nats."""
    z = critics(h[rows]).unflatten(1, (2, -1))
    return torch.stack([nt_xent(x, y, temperature=t) for (x, y), t in zip(z, critics.temperature, strict=True)])


@torch.inference_mode()
def _read(critics: Critics, h: Tensor | Rows, batches: Sequence[Tensor], k: int) -> Float64[np.ndarray, " seeds"]:
    """Eq. 4 of each critic, in bits, as a mean over ``batches`` of pairs [seeds, rows] of h."""
    losses = torch.stack([_losses(critics, h, rows) for rows in batches]).mean(0)
    return nominal_bound_bits(k) - losses.double().cpu().numpy() / NATS_PER_BIT
