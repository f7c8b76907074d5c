"""Critics f_c that differ by seed alone, fitted together on cached embeddings (Sec. III-C, Fig. 3 bottom)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from mi_ray.compute.numerics.blocks import CPU, Rows, rows_within, slices
from mi_ray.compute.numerics.eager import eager
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.compute.pairs.couples import Couple
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.losses import nt_xent
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.schedule import warmup_cosine
from mi_ray.theory.information import NATS_PER_BIT, nominal_bound_bits

CHECKS = 10
"""How often a fit is checked on validation; the learning rate rises until the first check."""

VALIDATION_BATCHES = 2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of critics and their fit: one for each of ``seeds``, ``k`` positive pairs a step for at most ``steps``.

    ``patience`` counts checks without a better critic before the fit ends; ``temperature`` is where they start from.
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
    on validation and on train, the latter as a mean since the check before."""

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
    """Ascend Eq. 4 on train, and stop each critic on validation.

    Critics share no pairs, gradient or patience; the fit ends when the last has settled. ``report`` is called at every
    check. ``device``: that of the critics and of the rows, as they are read. NotFinite if an embedding is not finite,
    ArithmeticError if the loss of a critic is not.
    """
    for split, (rows, _) in (("train", train), ("validation", validation)):
        if isinstance(rows, Tensor):  # `Rows` look at their embeddings whenever they make rows of them
            refuse_rows(f"{split} embeddings", rows)
    critics, k, seeds = Critics(train[0].shape[1], settings).to(device), settings.k, settings.seeds
    optimizer = adamw(critics, settings.weight_decay)
    held = [_draw(validation[1], k, seeds, "validation pairs", batch) for batch in range(VALIDATION_BATCHES)]
    every = max(1, settings.steps // CHECKS)
    kept, recent = _Kept(critics, settings.patience * every), []
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * warmup_cosine(step - 1, settings.steps, every)
        losses = _losses(critics, train[0], _draw(train[1], k, seeds, "critic pairs", step))
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        optimizer.step()
        recent.append(_bits(losses, k))
        if step % every == 0:
            with torch.inference_mode():
                validation_bits = np.mean([_bits(_losses(critics, validation[0], rows), k) for rows in held], axis=0)
            train_bits = np.mean(recent, axis=0)
            refuse_divergence(step, seeds, train_bits + validation_bits)
            report(step, float(train_bits.mean()), float(validation_bits.mean()))
            kept.keep_better(critics, step, train_bits, validation_bits)
            recent.clear()
            if kept.settled.all():
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
    """The best state of each critic so far; one that has not bettered itself for ``patience`` steps is settled."""

    def __init__(self, critics: Critics, patience: int) -> None:
        n = len(critics.log_temperature)
        self.state = {name: value.clone() for name, value in critics.state_dict().items()}
        self.steps, self.patience, self.settled = np.zeros(n, dtype=np.int64), patience, np.zeros(n, dtype=bool)
        self.train_bits, self.validation_bits = np.full(n, np.nan), np.full(n, -np.inf)

    def keep_better(self, critics: Critics, step: int, train_bits: np.ndarray, validation_bits: np.ndarray) -> None:
        better = (validation_bits > self.validation_bits) & ~self.settled
        for name, value in critics.state_dict().items():
            chosen = torch.from_numpy(better).to(value.device)
            self.state[name][chosen] = value[chosen]
        self.steps[better] = step
        self.train_bits[better], self.validation_bits[better] = train_bits[better], validation_bits[better]
        self.settled |= step - self.steps >= self.patience

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


def _bits(losses: Tensor, k: int) -> Float64[np.ndarray, " seeds"]:
    """Eq. 4 of each critic."""
    return nominal_bound_bits(k) - losses.detach().double().cpu().numpy() / NATS_PER_BIT
