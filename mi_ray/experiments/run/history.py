"""The history of a training: a record per report, and the losses of the steps since the last record."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mi_ray.compute.training.trainer import Trainer
from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.declare.measures import IN_TRAINING, IN_TRAINING_BOUND, LOSS
from mi_ray.theory.information import bits, nominal_bound_bits

FIRST = "first_loss"


class Diverged(ArithmeticError):
    """The loss is not finite. A retry would diverge again."""


@dataclass
class History:
    """``records``: one per report, with step, loss in nats and, if the objective gives one, the in-training estimate of
    Eq. 4 in bits. ``losses``: this worker's losses in nats, one per step since the last record. ``first_loss_nats``:
    the loss of the first step, with untrained networks; None before the first report, and after resuming from a
    checkpoint that lacks it."""

    records: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    first_loss_nats: float | None = None

    def report(self, trainer: Trainer) -> None:
        """Add a record of the steps since the last one, averaged over all workers; Diverged if the loss is not
        finite."""
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

    def latest(self, trainer: Trainer) -> dict[str, float]:
        """The present record, for people who watch: means of this worker's losses since the last report, or that
        report. Nothing that is kept depends on it."""
        if not self.losses:
            return self._with_bound(self.records[-1], trainer) if self.records else {}
        loss = torch.stack(self.losses).mean().item()
        record: dict[str, float] = {"step": trainer.step_number, LOSS.name: loss}
        if trainer.objective.estimates:
            record[IN_TRAINING.name] = nominal_bound_bits(trainer.k_tr) - bits(loss)
        return self._with_bound(record, trainer)

    def _with_bound(self, record: dict[str, float], trainer: Trainer) -> dict[str, float]:
        bound = {IN_TRAINING_BOUND.name: nominal_bound_bits(trainer.k_tr)} if IN_TRAINING.name in record else {}
        return record | bound

    def state(self, workers: Workers) -> dict[str, Tensor]:
        """The history as named tensors, with losses averaged over workers. Every worker must call it."""
        names = self.records[0] if self.records else ()
        columns = {name: torch.tensor([r[name] for r in self.records], dtype=torch.float64) for name in names}
        tensors = {f"history.{name}": column for name, column in columns.items()}
        if self.first_loss_nats is not None:
            tensors[FIRST] = torch.tensor(self.first_loss_nats, dtype=torch.float64)
        return tensors | ({"losses": workers.mean(torch.stack(self.losses))} if self.losses else {})

    @classmethod
    def of(cls, state: dict[str, Tensor], device: torch.device) -> History:
        """The history from the tensors that `state` returned, with the losses on ``device``."""
        columns = {n.removeprefix("history."): t.tolist() for n, t in state.items() if n.startswith("history.")}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        losses = state["losses"].to(device).unbind() if "losses" in state else ()
        first = state[FIRST].item() if FIRST in state else None
        return cls([{**row, "step": int(row["step"])} for row in rows], list(losses), first)
