"""Objectives of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, kw_only=True)
class NTXent:
    """L_InfoNCE of Eq. 2 in NT-Xent form."""


@dataclass(frozen=True, kw_only=True)
class SupCon:
    """Supervised contrastive loss (Khosla et al. 2020): every view of the same class of ``task`` is a positive."""

    task: str


Objective = NTXent | SupCon


def objective_name(objective: Objective) -> str:
    """Short name of the objective."""
    match objective:
        case NTXent():
            return "nt_xent"
        case SupCon():
            return f"sup_con {objective.task}"
        case _:
            assert_never(objective)
