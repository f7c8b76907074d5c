"""The InfoNCE loss of Eqs. 2-3 in NT-Xent form, in nats. A loss is never called mutual information."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize


def nt_xent_rows(
    z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor
) -> Float[Tensor, " k"]:
    """l(x_i, y_i) and l(y_i, x_i) of Eq. 3 averaged for each positive pair, in nats.

    z_x, z_y: [k, d] projections, any scale (they are normalised here, in float32). Returns [k]. In-view negatives
    count, the pair itself does not: 2K-1 terms in each denominator.
    """
    k = len(z_x)
    z = normalize(torch.cat([z_x, z_y]).float(), dim=1)
    logits = (z @ z.T) / temperature
    logits = logits.masked_fill(torch.eye(2 * k, dtype=torch.bool, device=z.device), float("-inf"))
    partner = torch.arange(2 * k, device=z.device).roll(k)
    return cross_entropy(logits, partner, reduction="none").view(2, k).mean(0)


def nt_xent(z_x: Float[Tensor, "k d"], z_y: Float[Tensor, "k d"], *, temperature: float | Tensor) -> Float[Tensor, ""]:
    """L_InfoNCE of Eq. 2, in nats: the mean of `nt_xent_rows` over K positive pairs."""
    return nt_xent_rows(z_x, z_y, temperature=temperature).mean()
