"""Contrastive training of encoder and projector (Fig. 3, top), in which a step is a function of its number."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.eager import eager
from mi_ray.compute.numerics.precision import autocast
from mi_ray.compute.pairs.augmentation import Rows, View
from mi_ray.compute.pairs.couples import Couple
from mi_ray.compute.pairs.feed import Request, feed_of, pairs_of_step
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.objectives import NT_XENT, Loss, refuse_misfit
from mi_ray.compute.training.schedule import warmup_cosine
from mi_ray.compute.training.workers import ALONE, Workers


class Trainer:
    """Minimises a loss, by default L_InfoNCE (Eq. 2), over positive pairs that are drawn anew at each step.

    Step ``s`` draws its pairs and views from (seed, s) alone, so that a run resumed from `state` continues bit for bit.
    Negatives from D- have a random stream of their own, so that pairs and views do not depend on the loss. They pass
    through the networks together with the pairs: batch normalisation takes its moments over D and D-. Streamed images
    are decoded by ``loaders`` processes, whose number changes no number.

    ``workers`` that train together share the pairs of each step. All draw the same pairs, so that their number changes
    only the order of sums.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module,
        data: ImageSet,
        couple: Couple,
        view: View,
        *,
        k_tr: int,
        steps: int,
        temperature: float,
        optimizer: Literal["adamw", "sgd"],
        learning_rate: float,
        weight_decay: float,
        warmup_steps: int,
        seed: int,
        dtype: torch.dtype,
        device: torch.device,
        objective: Loss = NT_XENT,
        workers: Workers = ALONE,
        batch_norm_parts: int = 1,
        loaders: int = 0,
    ) -> None:
        """``k_tr`` counts positive pairs per step over all workers; ``dtype`` is the networks' autocast type. The loss
        is float32.

        ValueError if labels or negatives of ``objective`` do not fit ``data``, or if ``k_tr`` or ``batch_norm_parts``
        (`Workers.together`) does not fit ``workers``.
        """
        refuse_misfit(objective, data, workers)
        self.workers, self._rows = workers, workers.share(k_tr)
        self.networks = nn.ModuleDict({"encoder": encoder, "projector": projector})
        self.networks.to(device).to(memory_format=torch.channels_last).train()
        self._project = workers.together(nn.Sequential(encoder, projector), device, batch_norm_parts=batch_norm_parts)
        self.objective, self.device = objective, device
        self._couple, self._seed, self._dtype = couple, seed, dtype
        self.k_tr, self.steps, self._temperature = k_tr, steps, temperature
        self._learning_rate, self._warmup = learning_rate, warmup_steps
        self._optimizer = _optimizer(self.networks, optimizer, learning_rate, weight_decay)
        self.step_number = 0
        self._pairs = lru_cache(maxsize=2)(self._drawn_pairs)
        self._views = feed_of(data, self._pairs, view, steps=steps, device=device, loaders=loaders)
        self._negative_views = (
            None
            if objective.negatives is None
            else feed_of(objective.negatives, self._negatives, view, steps=steps, device=device, loaders=loaders)
        )

    def step(self) -> Tensor:
        """Take an optimiser step; returns the loss of this worker's pairs in nats, on the device."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        loss = self.loss()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self.step_number += 1
        return loss.detach()

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self._learning_rate * warmup_cosine(self.step_number, self.steps, self._warmup)

    def loss(self) -> Tensor:
        """The loss of this worker's pairs at the next step, in nats, with its graph."""
        indices = self._pairs(self.step_number).indices
        views = self._views(self.step_number)
        if self._negative_views is not None:
            views = torch.cat([views, self._negative_views(self.step_number)])
        with autocast(views.device, self._dtype):
            z = self._project(views)
        return self.objective(z, indices, temperature=self._temperature, workers=self.workers)

    def _drawn_pairs(self, step: int) -> Request:
        """This worker's share of the pairs of a step."""
        return pairs_of_step(self._couple, self.k_tr, self._rows, seed=self._seed, step=step)

    def _negatives(self, step: int) -> Request:
        """Two views each of k_tr - 1 images of D-, drawn uniformly and independently."""
        assert self.objective.negatives is not None
        rng = stream(self._seed, "negatives", step)
        drawn = np.tile(rng.integers(len(self.objective.negatives), size=self.k_tr - 1), 2)
        return Request(drawn, int(rng.integers(2**63)), Rows.all(len(drawn)))

    def state(self) -> dict[str, Tensor]:
        """The tensors that the next step depends on, by name. They share the trainer's memory, so save them first."""
        networks = {f"networks.{name}": tensor for name, tensor in self.networks.state_dict().items()}
        slots = {
            f"optimizer.{index}.{slot}": value
            for index, slots in self._optimizer.state_dict()["state"].items()
            for slot, value in slots.items()
        }
        return networks | slots | {"step": torch.tensor(self.step_number)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state`."""
        self.networks.load_state_dict(_below("networks.", state))
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer.", state).items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})
        # slots get the memory layout of their weights, because fused optimisers on CPU pair them byte by byte
        for parameter, values in self._optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        self.step_number = int(state["step"])


def _optimizer(networks: nn.Module, name: str, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum; biases and normalisation weights are not decayed."""
    parameters = list(networks.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return eager(torch.optim.AdamW)(groups, lr=learning_rate, fused=True)
    return eager(torch.optim.SGD)(groups, lr=learning_rate, momentum=0.9, fused=True)


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
