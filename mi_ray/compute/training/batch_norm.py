"""Batch normalisation over the views of all workers, so that the number of workers does not change the result.

GPUs use torch's SyncBatchNorm. It does not run on CPUs, so `BatchNormOfAll` does the same there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)

Total = Callable[[Tensor], Tensor]
"""Sums a tensor over workers; gradients pass through."""


def synchronise(networks: nn.Module, device: torch.device, total: Total) -> None:
    """Replace every batch normalisation inside ``networks``; names and values of their state stay.

    ValueError names a kind of batch normalisation that cannot be replaced on CPUs.
    """
    for child in networks.children():
        if isinstance(child, _BatchNorm) and device.type == "cpu" and type(child) not in PLAIN:
            raise ValueError(f"arch: {type(child).__name__} is not synchronised on processors; allowed: one worker")
    for name, child in networks.named_children():
        if not isinstance(child, _BatchNorm):
            synchronise(child, device, total)
        elif device.type == "cpu":
            setattr(networks, name, BatchNormOfAll.like(child, total))
        else:
            from timm.layers import convert_sync_batchnorm

            setattr(networks, name, convert_sync_batchnorm(child))


class BatchNormOfAll(_BatchNorm):
    """Batch normalisation of [n, c, ...] over the rows of every worker."""

    total: Total

    @classmethod
    def like(cls, plain: _BatchNorm, total: Total) -> BatchNormOfAll:
        """The same layer, with the weights and running moments of ``plain``, over all workers."""
        layer = cls(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats)
        layer.total = total
        layer.weight, layer.bias = plain.weight, plain.bias
        layer.running_mean, layer.running_var = plain.running_mean, plain.running_var
        layer.num_batches_tracked = plain.num_batches_tracked
        return layer.train(plain.training)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"input: {input.ndim} dimensions; allowed: 2 or more")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise in float32 in two passes, mean first; running moments are updated as torch does."""
        if not self.training:
            return super().forward(input)
        x = input if input.dtype == torch.float64 else input.float()
        rows = self.total(torch.tensor(x.numel() // x.shape[1])).item()
        per_channel = (1, -1) + (1,) * (x.ndim - 2)
        over = [dim for dim in range(x.ndim) if dim != 1]
        mean = self.total(x.sum(over)) / rows
        centred = x - mean.view(per_channel)
        variance = self.total(centred.square().sum(over)) / rows
        self.update_running_moments(mean.detach(), variance.detach() * rows / (rows - 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            return (centred * (scale * self.weight).view(per_channel) + self.bias.view(per_channel)).to(input.dtype)
        return (centred * scale.view(per_channel)).to(input.dtype)

    def update_running_moments(self, mean: Tensor, variance: Tensor) -> None:
        """Move running mean and variance towards those of a batch, if the layer tracks them."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)
