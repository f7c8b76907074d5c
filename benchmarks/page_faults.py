"""Page faults and processor time of a training step, with and without `keep_freed_blocks`, in pairs of processes.

OMP_NUM_THREADS=1 python benchmarks/page_faults.py --k-tr 8 32 128 --pairs 3
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from statistics import median

import timm
import torch

from mi_ray.compute.numerics.memory import keep_freed_blocks


def measure(k_tr: int, steps: int, keeps: bool) -> dict[str, float]:
    """Milliseconds of processor and page faults of a step of ``k_tr`` pairs of views of 32 pixels, by resnet10t in
    bfloat16 with AdamW; megabytes of the process at most."""
    torch.set_num_threads(1)
    if keeps:
        keep_freed_blocks()
    encoder = timm.create_model("resnet10t", num_classes=0).to(memory_format=torch.channels_last)
    views = torch.randn(2 * k_tr, 3, 32, 32).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(encoder.parameters())

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = encoder(views).float().pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = (getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    faults = (after.ru_minflt - before.ru_minflt) / steps
    return {"ms": (user + system) / steps * 1e3, "faults": faults, "MB": after.ru_maxrss / 1e3}


def main(options: argparse.Namespace) -> None:
    print(
        "| K_tr | page faults a step | kept | processor, ms a step | kept | ratio: least | median | most | MB | kept |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for k_tr in options.k_tr:
        rows: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for _ in range(options.pairs):
            for keeps in rows:
                command = [sys.executable, __file__, "--one", str(k_tr), str(options.steps), *["keep"] * keeps]
                rows[keeps].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        plain, kept = ({name: median(row[name] for row in rows[keeps]) for name in rows[keeps][0]} for keeps in rows)
        ratios = sorted(b["ms"] / a["ms"] for a, b in zip(rows[False], rows[True], strict=True))
        print(
            f"| {k_tr} | {plain['faults']:,.0f} | {kept['faults']:,.0f} | {plain['ms']:.1f} | {kept['ms']:.1f}",
            f"| {ratios[0]:.2f} | {median(ratios):.2f} | {ratios[-1]:.2f} | {plain['MB']:.0f} | {kept['MB']:.0f} |",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k-tr", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(int(options.one[0]), int(options.one[1]), len(options.one) > 2)))
    else:
        main(options)
