"""Views per second of one contrastive training step on one thread: number type and memory layout, side by side.

    OMP_NUM_THREADS=1 python benchmarks/training_step.py [arch ...]
    OMP_NUM_THREADS=1 python benchmarks/training_step.py --page-faults 8 32      # of steps with so many pairs

Rounds of all variants are interleaved, so that a machine whose speed drifts treats them alike; medians are printed, and
their ratio to float32 in row-major layout. ``--page-faults``: the same step in bfloat16, channels-last, in pairs of
processes of which the second keeps freed memory (`keep_freed_blocks`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from mi_ray.compute.images.pixels import pixels
from mi_ray.compute.numerics.memory import keep_freed_blocks
from mi_ray.compute.numerics.precision import autocast, number_type
from mi_ray.compute.training import losses, networks
from mi_ray.compute.training.mlp import fresh_mlp

PAIRS, SIDE, ROUNDS, STEPS = 64, 32, 5, 3
VARIANTS = {
    "float32, row-major": (torch.float32, torch.contiguous_format),
    "float32, channels-last": (torch.float32, torch.channels_last),
    "bfloat16, row-major": (torch.bfloat16, torch.contiguous_format),
    "bfloat16, channels-last": (torch.bfloat16, torch.channels_last),
}


def stepper(arch: str, dtype: torch.dtype, layout: torch.memory_format, pairs: int = PAIRS) -> Callable[[], None]:
    """One training step of ``arch`` with AdamW on random images."""
    encoder = networks.encoder(arch, seed=0).to(memory_format=layout)
    projector = fresh_mlp(networks.width(arch), hidden=512, out=128, seed=0)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *projector.parameters()], fused=True)
    images = torch.randint(256, (2 * pairs, 3, SIDE, SIDE), dtype=torch.uint8)

    def step() -> None:
        views = pixels(images).contiguous(memory_format=layout)
        with autocast(views.device, dtype):
            z = projector(encoder(views))
        optimizer.zero_grad(set_to_none=True)
        losses.nt_xent(z[:pairs], z[pairs:], temperature=0.2).backward()
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


def cost(arch: str, pairs: int, keeps: bool) -> dict[str, float]:
    """Milliseconds of processor and page faults of a step, in a process that keeps freed memory or does not."""
    torch.set_num_threads(1)
    if keeps:
        keep_freed_blocks()
    step, steps = stepper(arch, torch.bfloat16, torch.channels_last, pairs), 30
    for _ in range(5):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"ms": seconds / steps * 1e3, "faults": (after.ru_minflt - before.ru_minflt) / steps}


def page_faults(arch: str, pairs: int, rounds: int = 3) -> None:
    """Print what steps cost without and with freed memory kept, and the ratios of their processor time."""
    rows: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for _ in range(rounds):
        for keeps, costs in rows.items():
            command = [sys.executable, __file__, arch, "--page-faults", str(pairs), "--one", str(int(keeps))]
            costs.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    ratios = sorted(kept["ms"] / plain["ms"] for plain, kept in zip(rows[False], rows[True], strict=True))
    faults, ms = ([median(row[name] for row in rows[keeps]) for keeps in rows] for name in ("faults", "ms"))
    print(
        f"{arch}, {pairs} pairs: {faults[0]:,.0f} page faults a step, {faults[1]:,.0f} kept; {ms[0]:.1f} ms,"
        f" {ms[1]:.1f} kept; ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archs", nargs="*", default=["resnet10t", "resnet18"])
    parser.add_argument("--page-faults", type=int, nargs="+", metavar="PAIRS")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one is not None:
        print(json.dumps(cost(flags.archs[0], flags.page_faults[0], bool(flags.one))))
    elif flags.page_faults:
        for k_tr in flags.page_faults:
            page_faults(flags.archs[0], k_tr)
    else:
        main(flags.archs)
