"""Principal axes of embeddings: probes and critics are fitted there, so that loud axes do not drown faint ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

DEAD = 0.01
"""A feature that varies less than this share of the others is not blown up to their size."""


class PrincipalAxes:
    """h standardised and rotated to the principal axes of the embeddings that it was built from."""

    def __init__(self, h: Float[Tensor, "n width"]) -> None:
        """``h``: the train embeddings."""
        self._mean, self._std = h.mean(0), h.std(0)
        self._std = self._std.clamp(min=DEAD * self._std.square().mean().sqrt().clamp(min=1e-12))
        standard = (h - self._mean) / self._std
        self._variances, self._rotation = torch.linalg.eigh(standard.T @ standard / len(h))

    def __call__(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates along the axes; distances between standardised h are kept."""
        return ((h - self._mean) / self._std) @ self._rotation

    def softened(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates divided by sqrt(1 + variance): loud axes are levelled, axes below unit variance barely change."""
        return self(h) / (1 + self._variances.clamp(min=0)).sqrt()
