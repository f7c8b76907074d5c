"""What a training tells of itself: a record at each report, and the losses of the steps since the last one."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mi_ray.compute.training.trainer import Trainer
from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.declare.measures import IN_TRAINING, LOSS
from mi_ray.theory.information import bits, nominal_bound_bits

FIRST = "first_loss"


class Diverged(ArithmeticError):
    """The loss is no longer a finite number; trying again would do the same."""


@dataclass
class History:
    """``records``: step, loss in nats and, where the objective makes one, the in-training estimate of Eq. 4 in bits.
    ``losses``: this worker's in nats, one for each step that no record tells of yet. ``first_loss_nats``: of the first
    step, whose networks are untrained; None before the first report, and after resuming a run that did not keep it."""

    records: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    first_loss_nats: float | None = None

    def report(self, trainer: Trainer) -> None:
        """Add the record of the steps since the last one, over all workers; Diverged when the loss is not finite."""
        if not self.records:
            self.first_loss_nats = trainer.workers.mean(self.losses[0]).item()
        loss = trainer.workers.mean(torch.stack(self.losses).mean()).item()
        self.losses.clear()
        if not abs(loss) < float("inf"):
            raise Diverged(f"loss is {loss} at step {trainer.step_number}; lower learning_rate or raise temperature")
        record: dict[str, float] = {"step": trainer.step_number, LOSS.name: loss}
        if trainer.objective.estimates:
            record[IN_TRAINING.name] = nominal_bound_bits(trainer.k_tr) - bits(loss)
        self.records.append(record)

    def state(self, workers: Workers) -> dict[str, Tensor]:
        """All of it as named tensors, losses as means over workers, each of whom calls this."""
        names = self.records[0] if self.records else ()
        columns = {name: torch.tensor([r[name] for r in self.records], dtype=torch.float64) for name in names}
        told = {f"history.{name}": column for name, column in columns.items()}
        if self.first_loss_nats is not None:
            told[FIRST] = torch.tensor(self.first_loss_nats, dtype=torch.float64)
        return told | ({"losses": workers.mean(torch.stack(self.losses))} if self.losses else {})

    @classmethod
    def of(cls, state: dict[str, Tensor], device: torch.device) -> History:
        """What `state` returned, the losses back on ``device``."""
        columns = {n.removeprefix("history."): t.tolist() for n, t in state.items() if n.startswith("history.")}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        losses = state["losses"].to(device).unbind() if "losses" in state else ()
        first = state[FIRST].item() if FIRST in state else None
        return cls([{**row, "step": int(row["step"])} for row in rows], list(losses), first)
