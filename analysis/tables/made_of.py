"""What a figure's caption says of its origin: preset, the reading that is drawn, and K_est."""

from __future__ import annotations

from collections.abc import Collection

from analysis.cells import cells_of
from mi_ray.experiments.declare.measures import NOMINAL
from mi_ray.experiments.plan.plan import Plan

K_EST = "k_est"


def made_of(plan: Plan, kinds: Collection[str] = ("estimation",)) -> str:
    """``preset smoke; estimates: nominal reading (Eq. 4), K_est = 1024``; estimates if ``kinds`` has them.

    Empty where neither is known. ``nominal`` is the reading of `NOMINAL`, which every figure of estimates draws.
    """
    estimations = cells_of(plan, "estimation") if "estimation" in kinds else []
    ks = sorted({int(cell.parameters[K_EST]) for cell in estimations if K_EST in cell.parameters})
    reading = NOMINAL.name.removesuffix("_bits")
    of_estimates = f"estimates: {reading} reading (Eq. 4)" if estimations else ""
    batch = f", K_est = {', '.join(map(str, ks))}" if ks else ""
    return "; ".join(filter(None, [plan.made_with, of_estimates + batch]))
