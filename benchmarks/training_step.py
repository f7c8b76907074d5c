"""Views per second of one contrastive training step on one thread: number type and memory layout, side by side.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py [arch ...]

Rounds of all variants are interleaved, so that a machine whose speed drifts treats them alike; medians are printed, and
their ratio to float32 in row-major layout.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from mi_ray.compute.images.pixels import pixels
from mi_ray.compute.numerics.precision import autocast, number_type
from mi_ray.compute.training import losses, networks

PAIRS, SIDE, ROUNDS, STEPS = 64, 32, 5, 3
VARIANTS = {
    "float32, row-major": (torch.float32, torch.contiguous_format),
    "float32, channels-last": (torch.float32, torch.channels_last),
    "bfloat16, row-major": (torch.bfloat16, torch.contiguous_format),
    "bfloat16, channels-last": (torch.bfloat16, torch.channels_last),
}


def stepper(arch: str, dtype: torch.dtype, layout: torch.memory_format) -> Callable[[], None]:
    """One training step of ``arch`` with AdamW on random images."""
    encoder = networks.encoder(arch, seed=0).to(memory_format=layout)
    projector = networks.projector(networks.width(arch), hidden=512, out=128, seed=0)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *projector.parameters()], fused=True)
    images = torch.randint(256, (2 * PAIRS, 3, SIDE, SIDE), dtype=torch.uint8)

    def step() -> None:
        views = pixels(images).contiguous(memory_format=layout)
        with autocast(views.device, dtype):
            z = projector(encoder(views))
        optimizer.zero_grad(set_to_none=True)
        losses.nt_xent(z[:PAIRS], z[PAIRS:], temperature=0.2).backward()
        optimizer.step()

    return step


def views_per_second(step: Callable[[], None]) -> float:
    """Rate over `STEPS` steps."""
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    return STEPS * 2 * PAIRS / (time.perf_counter() - started)


def main(archs: list[str]) -> None:
    """Measure every variant of every encoder."""
    torch.set_num_threads(1)
    auto = str(number_type("auto", torch.device("cpu"))).removeprefix("torch.")
    print(f"precision 'auto' is {auto} on this machine; {PAIRS} pairs of {SIDE}x{SIDE}, one thread")
    for arch in archs:
        steps = {name: stepper(arch, *variant) for name, variant in VARIANTS.items()}
        rates = {name: [] for name in steps}
        for _ in range(1 + ROUNDS):
            for name, step in steps.items():
                rates[name].append(views_per_second(step))
        medians = {name: median(values[1:]) for name, values in rates.items()}
        for name, rate in medians.items():
            print(f"{arch:<12} {name:<26} {rate:7.0f} views/s   x{rate / medians['float32, row-major']:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["resnet10t", "resnet18"])
