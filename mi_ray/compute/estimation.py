"""Post-training MI estimation (Sec. III-C, Fig. 3 bottom): a fresh critic, a frozen encoder, untouched images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from mi_ray.compute.axes import PrincipalAxes
from mi_ray.compute.images import SPLITS
from mi_ray.compute.losses import nt_xent
from mi_ray.compute.networks import projector
from mi_ray.compute.pairings import Couple
from mi_ray.compute.readings import Pairs, nominal_mean, nwj_offset, read_nominal, read_nwj, read_strict
from mi_ray.compute.schedule import warmup_cosine
from mi_ray.compute.seeding import stream
from mi_ray.compute.uncertainty import Sources
from mi_ray.theory.information import bits, nominal_bound_bits

Embeddings = Float32[np.ndarray, "_ width"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Held-out readings of I(h_X; h_Y) in bits, each with its standard error over source images (see `readings`).

    ``nominal`` is Eq. 4 of the paper; ``strict`` and ``nwj`` are lower bounds whatever the critic is. ``train_bits``
    and ``validation_bits`` are its nominal readings on the rows that it was fitted and selected on: diagnostics.
    """

    nominal_bits: float
    nominal_standard_error_bits: float
    strict_bits: float
    strict_standard_error_bits: float
    nwj_bits: float
    nwj_standard_error_bits: float
    train_bits: float
    validation_bits: float
    critic_temperature: float
    critic_steps: int
    k_est: int


CHECKS = 20
"""How often a fit is checked on validation."""


class Critic(nn.Module):
    """f_c: the projector's MLP, freshly initialised, with a learnable temperature (Sec. III-C)."""

    def __init__(self, width: int, *, hidden: int, out: int, temperature: float, seed: int) -> None:
        super().__init__()
        self.mlp = projector(width, hidden=hidden, out=out, seed=seed, purpose="critic")
        self.log_temperature = nn.Parameter(torch.tensor(log(temperature)))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.exp()

    def forward(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n out"]:
        """h on softened principal axes [n, width] -> z [n, out]."""
        return self.mlp(h)


def estimate(
    h: Mapping[str, Embeddings],
    couples: Mapping[str, Couple],
    sources: Sources,
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
    axes = PrincipalAxes(torch.from_numpy(h["train"]))
    rows = {split: axes.softened(torch.from_numpy(h[split])) for split in SPLITS}
    critic = Critic(rows["train"].shape[1], hidden=hidden, out=out, temperature=temperature, seed=seed)
    held = {split: _pairs(couples[split], k_est, batches, seed, f"read {split}") for split in SPLITS}
    taken = _fit(
        critic, rows, couples["train"], held, k_est=k_est, steps=steps, learning_rate=learning_rate,
        weight_decay=weight_decay, patience=patience, seed=seed, report=report,
    )  # fmt: skip
    return _estimate(critic.eval(), rows, held, sources, k_est, taken)


@torch.inference_mode()
def _estimate(
    critic: Critic, rows: Mapping[str, Tensor], held: Mapping[str, Pairs], sources: Sources, k_est: int, taken: int
) -> Estimate:
    """Read the frozen critic on test, and its nominal form on the rows that made it."""
    z = {split: critic(rows[split]) for split in SPLITS}
    temperature = critic.temperature.item()
    test = z["test"], held["test"], sources
    nominal = read_nominal(*test, temperature=temperature)
    strict = read_strict(*test, temperature=temperature)
    offset = nwj_offset(z["validation"], held["validation"], temperature=temperature)
    nwj = read_nwj(*test, temperature=temperature, offset=offset)
    return Estimate(
        nominal_bits=nominal.bits,
        nominal_standard_error_bits=nominal.standard_error_bits,
        strict_bits=strict.bits,
        strict_standard_error_bits=strict.standard_error_bits,
        nwj_bits=nwj.bits,
        nwj_standard_error_bits=nwj.standard_error_bits,
        train_bits=nominal_mean(z["train"], held["train"], temperature=temperature),
        validation_bits=nominal_mean(z["validation"], held["validation"], temperature=temperature),
        critic_temperature=temperature,
        critic_steps=taken,
        k_est=k_est,
    )


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
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup_cosine(step - 1, steps, 0)
        loss = nt_xent(critic(rows["train"][x]), critic(rows["train"][y]), temperature=critic.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        train_bits.append(nominal_bound_bits(k_est) - bits(loss.item()))
        if step % every:
            continue
        with torch.inference_mode():
            reading = nominal_mean(
                critic(rows["validation"]), held["validation"], temperature=critic.temperature.item()
            )
        report(step, float(np.mean(train_bits[-every:])), reading)
        if reading > best:
            best, kept, taken = reading, {k: v.clone() for k, v in critic.state_dict().items()}, step
        elif step - taken >= patience * every:
            break
    critic.load_state_dict(kept)
    return taken


@torch.inference_mode()
def _validation_bits(critic: Critic, h: Tensor, pairs: Pairs) -> float:
    return nominal_mean(critic(h), pairs, temperature=critic.temperature.item())
