"""Principal axes of embeddings: probes and critics are fitted there, so that loud axes do not drown faint ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

CONSTANT = 1e-5
"""A feature whose deviation is at most this share of its mean is constant, and left out."""

FAR = 20.0
"""Deviations from the mean beyond which a value is drawn in: a feature may be dead on train and alive elsewhere."""


class PrincipalAxes:
    """h standardised and rotated to the principal axes of the embeddings that it was built from."""

    def __init__(self, h: Float[Tensor, "n width"]) -> None:
        """``h``: the train embeddings."""
        self._mean, self._std = h.mean(0), h.std(0)
        self._std[self._std <= CONSTANT * self._mean.abs()] = torch.inf
        standard = self._standard(h)
        self._variances, self._rotation = _eigen(standard.T @ standard / len(h))

    def __call__(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates along the axes; distances between standardised h are kept."""
        return self._standard(h) @ self._rotation

    def softened(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates divided by sqrt(1 + variance): loud axes are levelled, axes below unit variance barely change."""
        return self(h) / (1 + self._variances.clamp(min=0)).sqrt()

    def _standard(self, h: Tensor) -> Tensor:
        return ((h - self._mean) / self._std).clamp(-FAR, FAR)


def _eigen(covariance: Float[Tensor, "width width"]) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors; in double precision where single does not converge (nearly constant embeddings)."""
    try:
        return torch.linalg.eigh(covariance)
    except torch.linalg.LinAlgError:
        values, vectors = torch.linalg.eigh(covariance.double())
        return values.float(), vectors.float()
