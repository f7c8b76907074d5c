"""Principal axes of embeddings. Probes and critics are fitted on them, so that axes of large variance do not hide those
of small variance."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mi_ray.compute.numerics.blocks import CPU, rows_within
from mi_ray.compute.numerics.finite import refuse_rows

FAR = 20.0
"""Standard deviations from the mean at which values are clipped: a feature that is nearly constant on train may vary on
other splits."""

ROWS = 8192
"""Number of rows that are converted to float64 at a time."""


class Standardiser:
    """Standardises features: minus mean, over standard deviation, accurately at any offset and scale.

    Each feature is first shifted by its first value and divided by its largest distance from that, in float64.
    Differences of float32 values are exact there, and no square overflows or underflows. A feature becomes 0 everywhere
    if and only if it has the same value in all rows.
    """

    def __init__(self, h: Float[Tensor, "n width"], device: torch.device = CPU) -> None:
        """``h``: the rows from which mean and standard deviation (denominator n - 1) are computed, on ``device``; they
        may lie elsewhere. NotFinite if a value is not finite."""
        refuse_rows("h", h)
        self._device = device
        self._origin = _halved(h[:1].to(device))
        self._span = torch.ones(h.shape[1], dtype=torch.float64, device=device)
        self._mean, self._deviation = torch.zeros_like(self._span), torch.ones_like(self._span)
        self._span = torch.stack([self._relative(part).abs().amax(0) for part in h.split(ROWS)]).amax(0)
        self._span[self._span == 0] = torch.inf
        self._mean = torch.stack([self._relative(part).sum(0) for part in h.split(ROWS)]).sum(0) / len(h)
        from_mean = ((self._relative(part) - self._mean).square().sum(0) for part in h.split(ROWS))
        squares = torch.stack(list(from_mean)).sum(0)
        self._deviation = (squares / max(1, len(h) - 1)).sqrt()
        self._deviation[self._span.isinf()] = torch.inf

    def __call__(self, h: Float[Tensor, "n width"], far: float = torch.inf) -> Float[Tensor, "n width"]:
        """Standardised h on the device, clipped to +-``far``, in the number type of h, but at least float32. NotFinite
        if a value is not finite."""
        refuse_rows("h", h)
        dtype = torch.promote_types(h.dtype, torch.float32)
        return torch.cat([self._standard(part).clamp_(-far, far).to(dtype) for part in h.split(ROWS)])

    def _standard(self, h: Tensor) -> Float64[Tensor, "n width"]:
        return self._relative(h).sub_(self._mean).div_(self._deviation)

    def _relative(self, h: Tensor) -> Float64[Tensor, "n width"]:
        return _halved(h.to(self._device)).sub_(self._origin).div_(self._span)


def _halved(h: Tensor) -> Float64[Tensor, "n width"]:
    """h / 2 in float64, so that the difference of any two values is finite; memory of its own."""
    return h.double() / 2


class PrincipalAxes:
    """Standardises embeddings and rotates them to the principal axes of the train embeddings, on one device.

    Statistics are computed in blocks of rows. Coordinates of many rows are asked for in blocks too (`blocks.Rows`).
    """

    def __init__(self, h: Float[Tensor, "n width"], device: torch.device = CPU) -> None:
        """``h``: the train embeddings, which may lie elsewhere than on ``device``; NotFinite if a value is not
        finite."""
        self.device = device
        self._standardiser = Standardiser(h, device)
        width = h.shape[1]
        first, *others = h.split(rows_within(width * max(4, h.element_size())))
        products = self._products(first)
        for part in others:
            products += self._products(part)
        self._variances, self._rotation = eigen(products / len(h))

    def __call__(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates on the axes, which preserve distances between standardised h. NotFinite if a value of h is not
        finite."""
        return self._standard(h) @ self._rotation

    def softened(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        """Coordinates over sqrt(1 + variance): axes of large variance shrink to about unit variance, axes of small
        variance hardly change."""
        return self(h) / (1 + self._variances.clamp(min=0)).sqrt()

    def _standard(self, h: Tensor) -> Tensor:
        return self._standardiser(h, FAR)

    def _products(self, h: Tensor) -> Float[Tensor, "width width"]:
        standard = self._standard(h)
        return standard.T @ standard


def eigen(covariance: Float[Tensor, "width width"]) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of ``covariance``. If the solver does not converge in single precision (embeddings
    are nearly constant), it runs in double."""
    try:
        return torch.linalg.eigh(covariance)
    except torch.linalg.LinAlgError:
        values, vectors = torch.linalg.eigh(covariance.double())
        return values.to(covariance.dtype), vectors.to(covariance.dtype)
