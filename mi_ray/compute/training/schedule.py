"""Learning-rate schedule."""

from __future__ import annotations

from math import cos, pi


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate at ``step``: linear warm-up over ``warmup`` steps, then half a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + cos(pi * (step - warmup) / max(1, steps - warmup)))
