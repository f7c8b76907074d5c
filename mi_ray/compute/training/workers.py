"""Workers that train one encoder together: each views a share of a step's pairs, and its loss uses all embeddings.

The processes must have joined torch.distributed's default group (Ray Train does that); a single process needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mi_ray.compute.pairs.augmentation import Rows
from mi_ray.compute.training.batch_norm import synchronise


@dataclass(frozen=True)
class Workers:
    """This process, number ``rank`` of ``size`` that train together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Workers:
        """This process within torch.distributed's default group, or `ALONE` without a group."""
        return cls(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else ALONE

    @property
    def first(self) -> bool:
        """Whether this worker has rank 0, which writes files."""
        return self.rank == 0

    def share(self, k: int) -> Rows:
        """This worker's share of the 2k views of a step: the x of its pairs, then their y.

        ValueError unless all shares are equal.
        """
        if k % self.size:
            raise ValueError(f"k_tr: {k} pairs are not shared evenly by {self.size} workers; allowed: a multiple")
        own = np.arange(self.rank * k // self.size, (self.rank + 1) * k // self.size)
        return Rows(np.concatenate([own, k + own]), batch=2 * k)

    def gather(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "all d"]:
        """The rows of all workers, in the order of ranks; gradients flow back to the worker of each row."""
        return z if self.size == 1 else _Gather.apply(z, self)

    def gather_integers(self, integers: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " all"]:
        """The integers of all workers, in the order of ranks."""
        if self.size == 1:
            return integers
        own = torch.from_numpy(integers).to(_device())
        every = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(every, own)
        return torch.cat(every).cpu().numpy()

    def total(self, value: Tensor) -> Tensor:
        """The sum of all workers' values; its gradient on each worker is the sum of all workers' gradients."""
        return value if self.size == 1 else _Total.apply(value)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of all workers' values."""
        return self.total(value.detach()) / self.size

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true on any worker."""
        return flag if self.size == 1 else bool(self.total(torch.tensor(float(flag), device=_device())))

    def from_first(self, value: Any) -> Any:
        """The value of rank 0, on all workers."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, device=_device())
        return held[0]

    def together(self, networks: nn.Module, device: torch.device, *, batch_norm_parts: int) -> nn.Module:
        """The networks with gradients averaged over workers.

        ``batch_norm_parts``: 1 normalises over all views of a step, as many parts as workers over each worker's own.
        ValueError for any other number of parts.
        """
        if batch_norm_parts not in (1, self.size):
            allowed = "1" if self.size == 1 else f"1 or {self.size}, the workers"
            raise ValueError(f"batch_norm_parts: {batch_norm_parts} is not allowed; allowed: {allowed}")
        if self.size == 1:
            return networks
        if batch_norm_parts == 1:
            synchronise(networks, device, self.total)
        return DistributedDataParallel(networks)


ALONE = Workers()


def _device() -> torch.device:
    """The device on which the default group exchanges tensors."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


class _Gather(torch.autograd.Function):
    """The rows of all workers, in the order of ranks. Gradients of all workers' losses flow back to a row's owner."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, workers: Workers) -> Tensor:
        ctx.workers = workers
        every = [torch.empty_like(z) for _ in range(workers.size)]
        dist.all_gather(every, z.contiguous())
        return torch.cat(every)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return _summed(upstream).chunk(ctx.workers.size)[ctx.workers.rank], None


class _Total(torch.autograd.Function):
    """The sum over workers: of values in the forward pass, of gradients in the backward pass."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _summed(value)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        return _summed(upstream)


def _summed(value: Tensor) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
