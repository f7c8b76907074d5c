"""Principal axes of embeddings: probes and critics are fitted there, so that loud axes do not drown faint ones."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mi_ray.compute.numerics.finite import refuse_rows

FAR = 20.0
"""Deviations from the mean beyond which a value is drawn in: a feature may be dead on train and alive elsewhere."""

ROWS = 8192
"""Rows that exist in float64 at once."""


class Standardiser:
    """Features less their mean, over their standard deviation, whatever their offset and scale.

    All is computed in float64 of a feature's distance from its first value, in units of the greatest such distance:
    differences of float32 are exact there, and no square overflows or vanishes. A feature is constant, and 0 everywhere
    after, if and only if all rows have the same value.
    """

    def __init__(self, h: Float[Tensor, "n width"]) -> None:
        """``h``: the rows that mean and deviation (n - 1 in the denominator) are taken of; NotFinite as `refuse_rows`
        says."""
        refuse_rows("h", h)
        self._origin, self._span = _halved(h[:1]), torch.ones(h.shape[1], dtype=torch.float64)
        self._mean, self._deviation = torch.zeros_like(self._span), torch.ones_like(self._span)
        self._span = torch.stack([self._relative(part).abs().amax(0) for part in h.split(ROWS)]).amax(0)
        self._span[self._span == 0] = torch.inf
        self._mean = torch.stack([self._relative(part).sum(0) for part in h.split(ROWS)]).sum(0) / len(h)
        from_mean = ((self._relative(part) - self._mean).square().sum(0) for part in h.split(ROWS))
        squares = torch.stack(list(from_mean)).sum(0)
        self._deviation = (squares / max(1, len(h) - 1)).sqrt()
        self._deviation[self._span.isinf()] = torch.inf

    def __call__(self, h: Float[Tensor, "n width"], far: float = torch.inf) -> Float[Tensor, "n width"]:
        """Standardised h, drawn in to +-``far``, in the number type of h but in no smaller one than float32."""
        refuse_rows("h", h)
        kind = torch.promote_types(h.dtype, torch.float32)
        return torch.cat([self._standard(part).clamp(-far, far).to(kind) for part in h.split(ROWS)])

    def _standard(self, h: Tensor) -> Float64[Tensor, "n width"]:
        return (self._relative(h) - self._mean) / self._deviation

    def _relative(self, h: Tensor) -> Float64[Tensor, "n width"]:
        return (_halved(h) - self._origin) / self._span


def _halved(h: Tensor) -> Float64[Tensor, "n width"]:
    """h / 2: a difference of any two is finite."""
    return h.double() / 2


class PrincipalAxes:
    """h standardised and rotated to the principal axes of the embeddings that it was built from."""

    def __init__(self, h: Float[Tensor, "n width"]) -> None:
        """``h``: the train embeddings; NotFinite if a value of theirs is not."""
        self._standardiser = Standardiser(h)
        standard = self._standard(h)
        self._variances, self._rotation = eigen(standard.T @ standard / len(h))

    def __call__(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates along the axes; distances between standardised h are kept. NotFinite if a value of h is not."""
        return self._standard(h) @ self._rotation

    def softened(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates divided by sqrt(1 + variance): loud axes are levelled, axes below unit variance barely change."""
        return self(h) / (1 + self._variances.clamp(min=0)).sqrt()

    def _standard(self, h: Tensor) -> Tensor:
        return self._standardiser(h, FAR)


def eigen(covariance: Float[Tensor, "width width"]) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors; in double precision where single does not converge (nearly constant embeddings)."""
    try:
        return torch.linalg.eigh(covariance)
    except torch.linalg.LinAlgError:
        values, vectors = torch.linalg.eigh(covariance.double())
        return values.to(covariance.dtype), vectors.to(covariance.dtype)
