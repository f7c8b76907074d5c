"""Several small trainings in one process: their steps one after another, and as one step of stacked networks.

    OMP_NUM_THREADS=1 python -m benchmarks.steps.stacked [--cells 8] [--pairs 8 16] [--rounds 5]

Cells of equal shape (seeds, temperatures, pairings, learning rates) can be stacked: `torch.func.vmap` turns their
convolutions into one grouped convolution, so that a GPU launches one kernel where it launched one for each cell. Rounds
are interleaved. Printed are medians of processor time (on CUDA of time until the device is done), their ratio, which is
above 1 if stacking pays, and how far the losses of the first step differ.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from mi_ray.compute.training import losses, networks
from mi_ray.compute.training.mlp import fresh_mlp

ARCH, SIDE, TEMPERATURE = "resnet10t", 32, 0.12

Step = Callable[[], list[float]]
"""Takes an optimiser step of every cell; returns their losses in nats."""


def network(seed: int, device: torch.device) -> nn.Module:
    """Encoder and projector of a cell."""
    projector = fresh_mlp(networks.width(ARCH), hidden=512, out=128, seed=seed)
    both = nn.Sequential(networks.encoder(ARCH, seed=seed), projector)
    return both.to(device).to(memory_format=torch.channels_last).train()


def loss(z: Tensor) -> Tensor:
    """NT-Xent of a cell's z, whose first half are x and whose second half y."""
    return losses.nt_xent(*z.float().chunk(2), temperature=TEMPERATURE)


def one_after_another(cells: list[nn.Module], views: Tensor) -> Step:
    """A step of each cell with an optimiser of its own. ``views``: [cells, 2 K_tr, 3, side, side]."""
    optimizers = [torch.optim.AdamW(cell.parameters(), fused=True) for cell in cells]

    def step() -> list[float]:
        found = []
        for cell, optimizer, x in zip(cells, optimizers, views, strict=True):
            optimizer.zero_grad(set_to_none=True)
            of_cell = loss(cell(x.contiguous(memory_format=torch.channels_last)))
            of_cell.backward()
            optimizer.step()
            found.append(of_cell.detach())
        return torch.stack(found).tolist()

    return step


def stacked(cells: list[nn.Module], views: Tensor) -> Step:
    """One step of all cells, whose weights and statistics are stacked."""
    weights, statistics = stack_module_state(cells)
    weights = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    optimizer, shape = torch.optim.AdamW(weights.values(), fused=True), copy.deepcopy(cells[0]).to("meta")
    forward = vmap(lambda own, buffers, x: functional_call(shape, (own, buffers), (x,)))

    def step() -> list[float]:
        optimizer.zero_grad(set_to_none=True)
        of_cells = torch.stack([loss(z) for z in forward(weights, statistics, views)])
        of_cells.sum().backward()
        optimizer.step()
        return of_cells.tolist()

    return step


def seconds(step: Step, device: torch.device) -> float:
    """Of one step: processor time, on CUDA wall time."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    step()
    return clock() - began


def main(cells: int, pairs: int, rounds: int) -> None:
    """Measure both ways at one K_tr."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    views = torch.rand(cells, 2 * pairs, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    fresh = partial(network, device=device)
    ways = {way.__name__: way([fresh(seed) for seed in range(cells)], views) for way in (one_after_another, stacked)}
    first, second = (torch.tensor(step()) for step in ways.values())
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            times[name].append(seconds(step, device))
    alone, together = (median(values) for values in times.values())
    ratios = sorted(a / b for a, b in zip(*times.values(), strict=True))
    print(
        f"{cells} cells of {ARCH}, K_tr {pairs}, {device.type}: {alone * 1e3:.0f} ms one after another,"
        f" {together * 1e3:.0f} ms stacked; ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f});"
        f" losses differ by at most {(first - second).abs().max().item():.1e} nats"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--pairs", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    for k_tr in flags.pairs:
        main(flags.cells, k_tr, flags.rounds)
