"""The training loop of one cell: steps, reports, checkpoints, and picking up where an earlier attempt was cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mi_ray.compute.checkpoints import load_tensors, save_tensors
from mi_ray.compute.training import Trainer
from mi_ray.experiments.cells import Attempt
from mi_ray.experiments.failpoints import failpoint
from mi_ray.experiments.files import append_line, sha256
from mi_ray.theory.information import bits, nominal_bound_bits

REPORTS = 50
CHECKPOINT_SECONDS = 20.0
KEPT = 2
"""Checkpoints kept, so that a torn newest one costs an interval and not the run."""


class Diverged(ArithmeticError):
    """The loss is no longer a finite number; trying again would do the same."""


class Leaving(Exception):
    """The machine is about to go. What was trained is in a checkpoint, and another attempt goes on from it."""


def staying() -> bool:
    """For machines that nobody takes away."""
    return False


@dataclass(frozen=True)
class Progress:
    """Tells whoever asks the store how far the attempt is."""

    attempt: Attempt

    def __call__(self, share: float) -> None:
        self.attempt.tell(share)


def train(trainer: Trainer, attempt: Attempt | None, leaving: Callable[[], bool] = staying) -> list[dict[str, float]]:
    """Train to the end; returns the history: step, loss in nats and, where the objective makes one, the in-training
    estimate of Eq. 4 in bits.

    Of workers that train together the first has the attempt: it alone writes, and reads what an earlier one left for
    all. Raises Diverged when the loss is not finite, and Leaving, once a checkpoint is there, when at a report any
    worker finds itself ``leaving``. The history and the weights do not depend on where it was cut off.
    """
    history = _resume(trainer, attempt)
    every = max(1, trainer.steps // REPORTS)
    losses: list[Tensor] = []
    saved = time.monotonic()
    while trainer.step_number < trainer.steps:
        losses.append(trainer.step())
        failpoint("train.step")
        last = trainer.step_number == trainer.steps
        if trainer.step_number % every and not last:
            continue
        history.append(_report(trainer, losses))
        losses.clear()
        leaves = not last and trainer.workers.any(leaving())
        if attempt:
            attempt.refuse_if_stale()
            Progress(attempt)(trainer.step_number / trainer.steps)
            if not last and (leaves or time.monotonic() - saved > CHECKPOINT_SECONDS):
                _save(trainer, history, attempt)
                saved = time.monotonic()
        if leaves:
            trainer.workers.from_first(None)
            raise Leaving(f"at step {trainer.step_number} of {trainer.steps}")
    if attempt:
        for record in history:
            append_line(attempt.payload / "history.jsonl", record)
    return history


def _report(trainer: Trainer, losses: list[Tensor]) -> dict[str, float]:
    loss = trainer.workers.mean(torch.stack(losses).mean()).item()
    if not abs(loss) < float("inf"):
        raise Diverged(f"loss is {loss} at step {trainer.step_number}; lower learning_rate or raise temperature")
    told: dict[str, float] = {"step": trainer.step_number, "loss_nats": loss}
    if not trainer.objective.estimates:
        return told
    return told | {"in_training_bits": nominal_bound_bits(trainer.k_tr) - bits(loss)}


def _save(trainer: Trainer, history: list[dict[str, float]], attempt: Attempt) -> None:
    """Write a checkpoint named by its step and sha256, its history beside it, and drop the oldest."""
    folder = attempt.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    unnamed = folder / "new.safetensors"
    save_tensors(trainer.state() | _as_tensors(history), unnamed)
    named = unnamed.rename(folder / f"{trainer.step_number:09d}-{sha256(unnamed)[:32]}.safetensors")
    attempt.keep(named, drop=sorted(folder.glob("*-*.safetensors"))[:-KEPT])
    failpoint("train.checkpoint")


def _resume(trainer: Trainer, attempt: Attempt | None) -> list[dict[str, float]]:
    """Continue, on every worker, from the newest intact checkpoint of any earlier attempt; its history is returned."""
    state = trainer.workers.from_first(_left(attempt) if attempt else None)
    if not state:
        return []
    trainer.load({name: tensor for name, tensor in state.items() if not name.startswith("history.")})
    return _as_records(state)


def _left(attempt: Attempt) -> dict[str, Tensor]:
    """The newest intact checkpoint; nothing where there is none."""
    for path in attempt.kept():
        if sha256(path)[:32] == path.stem.partition("-")[2]:
            return load_tensors(path)
    return {}


def _as_tensors(history: list[dict[str, float]]) -> dict[str, Tensor]:
    names = history[0] if history else ()
    return {f"history.{name}": torch.tensor([r[name] for r in history], dtype=torch.float64) for name in names}


def _as_records(state: dict[str, Tensor]) -> list[dict[str, float]]:
    columns = {n.removeprefix("history."): t.tolist() for n, t in state.items() if n.startswith("history.")}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{**row, "step": int(row["step"])} for row in rows]
