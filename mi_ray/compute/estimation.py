"""Post-training MI estimation (Sec. III-C, Fig. 3 bottom): a fresh critic, a frozen encoder, untouched images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mi_ray.compute.images import SPLITS
from mi_ray.compute.losses import nt_xent, nt_xent_rows
from mi_ray.compute.networks import projector
from mi_ray.compute.pairings import Couple, Indices
from mi_ray.compute.seeding import stream
from mi_ray.compute.uncertainty import paired_standard_error
from mi_ray.theory.information import bits, nominal_bound_bits

Embeddings = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A held-out estimate of I(h_X; h_Y) in bits by Eq. 4, with its standard error over source images.

    ``train_bits`` and ``validation_bits`` are the same critic's readings on the rows it was fitted and selected on:
    diagnostics, never the estimate.
    """

    nominal_bits: float
    standard_error_bits: float
    bound_bits: float
    train_bits: float
    validation_bits: float
    critic_temperature: float
    critic_steps: int
    k_est: int


class Critic(nn.Module):
    """f_c: the projector's MLP, freshly initialised, on standardised h, with a learnable temperature (Sec. III-C)."""

    def __init__(self, h: Tensor, *, hidden: int, out: int, temperature: float, seed: int) -> None:
        """``h`` [n, width] sets the standardisation."""
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", h.mean(0))
        self.register_buffer("std", h.std(0).clamp(min=1e-6))
        self.mlp = projector(h.shape[1], hidden=hidden, out=out, seed=seed, purpose="critic")
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(temperature))))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()

    def forward(self, h: Tensor) -> Tensor:
        """h [n, width] -> z [n, out]."""
        return self.mlp((h - self.mean) / self.std)


def estimate(
    h: Mapping[str, Embeddings],
    couples: Mapping[str, Couple],
    sources: NDArray[np.int64],
    *,
    k_est: int,
    hidden: int,
    out: int,
    temperature: float,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    patience: int,
    batches: int,
    seed: int,
    report: Callable[[int, float, float], None] = lambda step, train_bits, validation_bits: None,
) -> Estimate:
    """Fit a critic on train, stop it on validation, read it once on test (Def. II.2).

    h: per split [n, width]; couples: per split; ``sources`` [n of test]. ``k_est`` counts positive pairs per batch,
    ``batches`` how many are read, ``patience`` how many checks without a better validation reading end the fit.
    ``report`` is told (step, train bits, validation bits) at every check.
    """
    rows = {split: torch.from_numpy(h[split]) for split in SPLITS}
    critic = Critic(rows["train"], hidden=hidden, out=out, temperature=temperature, seed=seed)
    held = {split: _pairs(couples[split], k_est, batches, seed, f"read {split}") for split in SPLITS}
    taken = _fit(
        critic, rows, couples["train"], held, k_est=k_est, steps=steps, learning_rate=learning_rate,
        weight_decay=weight_decay, patience=patience, seed=seed, report=report,
    )  # fmt: skip
    score = _read(critic, rows["test"], held["test"])
    x, y = (np.concatenate(side) for side in zip(*held["test"], strict=True))
    return Estimate(
        nominal_bits=float(score.mean()),
        standard_error_bits=paired_standard_error(score, sources[x], sources[y]),
        bound_bits=nominal_bound_bits(k_est),
        train_bits=float(_read(critic, rows["train"], held["train"]).mean()),
        validation_bits=float(_read(critic, rows["validation"], held["validation"]).mean()),
        critic_temperature=critic.temperature.item(),
        critic_steps=taken,
        k_est=k_est,
    )


Pairs = list[tuple[Indices, Indices]]
CHECKS = 20


def _pairs(couple: Couple, k: int, batches: int, seed: int, purpose: str) -> Pairs:
    return [couple(k, stream(seed, purpose, batch)) for batch in range(batches)]


def _fit(
    critic: Critic,
    rows: Mapping[str, Tensor],
    couple: Couple,
    held: Mapping[str, Pairs],
    *,
    k_est: int,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    patience: int,
    seed: int,
    report: Callable[[int, float, float], None],
) -> int:
    """Ascend the estimate on train; keep the critic that reads best on validation. Returns the steps it had taken."""
    optimizer = torch.optim.AdamW(critic.parameters(), lr=learning_rate, weight_decay=weight_decay)
    every = max(1, steps // CHECKS)
    best, kept, taken = -np.inf, critic.state_dict(), 0
    train_bits: list[float] = []
    for step in range(1, steps + 1):
        x, y = couple(k_est, stream(seed, "critic pairs", step))
        loss = nt_xent(critic(rows["train"][x]), critic(rows["train"][y]), temperature=critic.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        train_bits.append(nominal_bound_bits(k_est) - bits(loss.item()))
        if step % every:
            continue
        reading = float(_read(critic, rows["validation"], held["validation"]).mean())
        report(step, float(np.mean(train_bits[-every:])), reading)
        if reading > best:
            best, kept, taken = reading, {k: v.clone() for k, v in critic.state_dict().items()}, step
        elif step - taken >= patience * every:
            break
    critic.load_state_dict(kept)
    return taken


@torch.inference_mode()
def _read(critic: Critic, h: Tensor, pairs: Pairs) -> NDArray[np.float64]:
    """Eq. 4 for every pair of every batch, in bits: [batches * k]."""
    z = critic(h)
    nats = [nt_xent_rows(z[x], z[y], temperature=critic.temperature).numpy() for x, y in pairs]
    values = np.concatenate(nats).astype(np.float64)
    return nominal_bound_bits(len(pairs[0][0])) - values / np.log(2)
