"""Projections, and the double loop of NT-Xent written from Eqs. 2-3."""

import torch


def projections(k=7, width=5, seed=0):
    return torch.randn(2, k, width, generator=torch.Generator().manual_seed(seed))


def nt_xent_by_hand(z_x, z_y, temperature):
    """Eq. 2 in float64: the mean over both directions of Eq. 3, one pair of projections at a time."""
    z = [*z_x.double(), *z_y.double()]
    k = len(z_x)
    total = 0.0
    for i in range(2 * k):
        similarity = [torch.dot(z[i], z[j]) / (z[i].norm() * z[j].norm()) for j in range(2 * k)]
        positive = similarity[(i + k) % (2 * k)] / temperature
        others = [(similarity[j] / temperature).exp() for j in range(2 * k) if j != i]
        assert len(others) == 2 * k - 1
        total = total - positive + torch.stack(others).sum().log()
    return total / (2 * k)
