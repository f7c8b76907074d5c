"""Projector f_p and critic f_c, the same MLP (Sec. III-C). It needs no timm, whose import takes seconds."""

from __future__ import annotations

from torch import nn

from mi_ray.compute.seeding import torch_seed


def fresh_mlp(width: int, *, hidden: int, out: int, seed: int, purpose: str = "projector") -> nn.Sequential:
    """The MLP h [n, width] -> z [n, out]: projector in training and, freshly initialised, critic after it."""
    with torch_seed(seed, purpose):
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))
