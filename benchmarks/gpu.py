"""Measure one GPU: training steps at the paper's scale, the loader, the loss of many pairs, probes of 1000 classes.

    python benchmarks/gpu.py --out gpu.json                     # at most eight minutes; written after each part
    OMP_NUM_THREADS=1 python benchmarks/gpu.py --out cpu.json --tiny      # every part in small sizes, on a CPU

A part that fails is recorded with its error, and the next one begins; no part begins after ``--minutes``. Parts:

- ``step``: steps/s of a ResNet-50 at 224 with 128 pairs: forward and backward of ready tensors (the bare step); a whole
  training step on images in the GPU's memory; the same fed by the loader; both as a share of the bare step.
- ``loader``: views/s of mi-ray's loader and torchvision's from generated JPEG files, SimCLR's views and plain ones.
- ``loss``: forward and backward of NT-Xent for 65,536 pairs of 128 dimensions.
- ``probes``: linear probes on generated embeddings of ImageNet-1k's size, for five penalties together.

Peak memory is that of the GPU's allocator within a part, on a CPU the process's so far.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from loader import KINDS, Setting, chosen, loading, torchvision_views
from mi_ray_views import mi_ray_views
from photographs import write
from rounds import rounds_of
from torch import Tensor

from mi_ray.compute.images.pixels import pixels
from mi_ray.compute.numerics.precision import autocast, number_type
from mi_ray.compute.pairs.augmentation import SimCLRView
from mi_ray.compute.probes.logistic import fit_probes
from mi_ray.compute.training import losses, networks
from mi_ray.compute.training.mlp import fresh_mlp

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much each part does."""

    arch: str = "resnet50"
    pairs: int = 128
    steps: int = 20
    photographs: int = 2000
    workers: int = 16
    batches: int = 12
    loss_pairs: int = 65_536
    rows: int = 1_281_167
    width: int = 2048
    classes: int = 1000
    iterations: int = 10
    """Of the solver; `fit_probes` takes 40 by default."""


TINY = Sizes(
    arch="test_resnet", pairs=8, steps=2, photographs=100, workers=1, batches=2, loss_pairs=1024, rows=20_000, width=64,
    classes=50, iterations=5,
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """The sizes, the device and the generated photographs."""

    sizes: Sizes
    device: torch.device
    paths: list[Path]

    def seconds(self, work: Callable[[], Any]) -> float:
        """How long ``work`` takes, the device's part included."""
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - started

    def wait(self) -> None:
        """Let the device end what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak_gb(self) -> float:
        """Peak memory of the part; of the process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 1e9
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


# Parts


def machine(bench: Bench) -> dict[str, Any]:
    """What is measured."""
    cuda = bench.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else platform.processor(),
        "memory_gb": torch.cuda.get_device_properties(0).total_memory / 1e9 if cuda else None,
        "torch": torch.__version__,
        "precision": str(number_type("auto", bench.device)),
        "sizes": vars(bench.sizes),
    }


class Step:
    """Training steps of an encoder and its projector, in the layout and number type of trainings."""

    def __init__(self, bench: Bench) -> None:
        self.bench, sizes = bench, bench.sizes
        encoder = networks.encoder(sizes.arch, seed=0)
        projector = fresh_mlp(networks.width(sizes.arch), hidden=512, out=128, seed=0)
        self.networks = torch.nn.Sequential(encoder, projector).to(bench.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.networks.parameters(), lr=1e-3, momentum=0.9, fused=True)
        self.dtype = number_type("auto", bench.device)

    def bare(self, views: Tensor) -> None:
        """Forward and backward."""
        with autocast(views.device, self.dtype):
            z_x, z_y = self.networks(views).chunk(2)
        self.optimizer.zero_grad(set_to_none=True)
        losses.nt_xent(z_x, z_y, temperature=0.2).backward()

    def whole(self, views: Tensor) -> None:
        """A step on views that are ready, wherever they lie."""
        self.bare(views.to(self.bench.device, non_blocking=True).contiguous(memory_format=torch.channels_last))
        self.optimizer.step()


def step(bench: Bench) -> dict[str, Any]:
    """Steps per second: bare, on resident images, and fed by the loader."""
    sizes, steps = bench.sizes, Step(bench)
    images = torch.randint(256, (2048 if bench.device.type == "cuda" else 32, 3, 224, 224), dtype=torch.uint8)
    images, view = images.to(bench.device), SimCLRView()
    ready = pixels(images[torch.arange(2 * sizes.pairs) % len(images)]).contiguous(memory_format=torch.channels_last)

    def resident(number: int) -> None:
        drawn = torch.randint(len(images), (sizes.pairs,)).to(bench.device).repeat(2)
        steps.whole(view(pixels(images[drawn]), number))

    def each(work: Callable[[int], None]) -> Callable[[], None]:
        return lambda: [work(number) for number in range(sizes.steps)] and None

    jobs = {"bare": each(lambda _: steps.bare(ready)), "resident": each(resident)}
    measured: dict[str, Any] = {"views_a_step": 2 * sizes.pairs}
    for name, job in jobs.items():
        bench.seconds(job)  # the first time includes the choice of kernels
        measured[f"{name}_steps_s"] = sizes.steps / bench.seconds(job)
    measured["resident_share_of_bare"] = measured["resident_steps_s"] / measured["bare_steps_s"]
    measured["peak_gb"] = bench.peak_gb()
    return measured | fed(bench, steps, measured["bare_steps_s"])


def fed(bench: Bench, steps: Step, bare: float) -> dict[str, Any]:
    """Steps per second fed by the loader; a failure of it leaves the other figures."""
    try:
        views = mi_ray_views(bench.paths, "simclr", bench.sizes.pairs, bench.sizes.workers, bench.device)
        loaded = views(3 + bench.sizes.steps)
        for _ in range(3):
            steps.whole(next(loaded))
        rate = bench.sizes.steps / bench.seconds(lambda: [steps.whole(batch) for batch in loaded])
    except Exception as error:
        return {"fed_error": repr(error)}
    return {"fed_steps_s": rate, "fed_share_of_bare": rate / bare}


def loader(bench: Bench) -> dict[str, Any]:
    """Views per second of both loaders, three turns each."""
    sizes = bench.sizes
    measured: dict[str, Any] = {}
    for kind in KINDS:
        setting = Setting(paths=bench.paths, kind=kind, images=sizes.pairs, workers=sizes.workers)
        jobs = {
            "torchvision": loading(torchvision_views(setting), sizes.batches),
            "mi-ray": loading(mi_ray_views(bench.paths, kind, sizes.pairs, sizes.workers), sizes.batches),
        }
        measured[kind] = rounds_of(jobs, 3)
    return measured


def loss(bench: Bench) -> dict[str, Any]:
    """Seconds of the loss, forward and backward."""
    z = torch.randn(2, bench.sizes.loss_pairs, 128, device=bench.device, requires_grad=True)

    def both() -> None:
        losses.nt_xent(z[0], z[1], temperature=0.2).backward()

    bench.seconds(both)
    return {"seconds": [bench.seconds(both) for _ in range(3)], "peak_gb": bench.peak_gb()}


def probes(bench: Bench) -> dict[str, Any]:
    """Seconds of the solver's iterations, and the accuracy on rows that were not fitted."""
    sizes, generator = bench.sizes, torch.Generator(bench.device).manual_seed(0)
    scales = torch.logspace(0, -2, sizes.width, device=bench.device)
    means = torch.randn(sizes.classes, sizes.width, generator=generator, device=bench.device)

    def embedded(n: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(sizes.classes, (n,), generator=generator, device=bench.device)
        h = torch.randn(n, sizes.width, generator=generator, device=bench.device)
        for rows in torch.arange(n, device=bench.device).split(2**16):
            h[rows] = h[rows].add_(0.25 * means[labels[rows]]).mul_(scales)
        return h, labels

    (h, labels), (test, truth) = embedded(sizes.rows), embedded(5_000)
    fitted: list[Any] = []

    def fit(iterations: int, n: int = sizes.rows) -> Callable[[], None]:
        return lambda: fitted.append(
            fit_probes(h[:n], [labels[:n]], [sizes.classes], PENALTIES, iterations=iterations, device=bench.device)
        )

    bench.seconds(fit(1, sizes.rows // 50))  # the first time includes the choice of kernels
    once, several = bench.seconds(fit(1)), bench.seconds(fit(1 + sizes.iterations))
    hits = fitted[-1].logits(test, 0).argmax(2) == truth[:, None].to(fitted[-1].logits(test[:1], 0).device)
    each = (several - once) / sizes.iterations
    return {
        "seconds_first_iteration_and_axes": once,
        "seconds_an_iteration": each,
        "seconds_of_40_iterations": once + 39 * each,
        "accuracy_by_penalty": hits.float().mean(0).tolist(),
        "peak_gb": bench.peak_gb(),
    }


PARTS: tuple[Callable[[Bench], dict[str, Any]], ...] = (machine, loss, step, probes, loader)


def results(bench: Bench, minutes: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """The result of each part, or why it has none."""
    started = time.monotonic()
    for part in PARTS:
        if time.monotonic() - started > 60 * minutes:
            yield part.__name__, {"error": f"not begun within {minutes} minutes"}
            continue
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        begun = time.monotonic()
        try:
            measured = part(bench)
        except Exception as error:
            measured = {"error": repr(error), "traceback": traceback.format_exc()}
        yield part.__name__, measured | {"seconds_of_part": time.monotonic() - begun}


def main(options: argparse.Namespace) -> None:
    """Generate the photographs, measure all parts, and write the results after each."""
    given = {name: value for name in vars(Sizes()) if (value := getattr(options, name)) is not None}
    sizes = replace(TINY if options.tiny else Sizes(), **given)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    all_results: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder:
        write(Path(folder), sizes.photographs)
        bench = Bench(sizes, device, chosen(Path(folder), sizes.photographs))
        for name, result in results(bench, options.minutes):
            all_results[name] = result
            print(name, json.dumps(result, indent=1), flush=True)
            options.out.write_text(json.dumps(all_results, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file that is written after each part")
    parser.add_argument("--minutes", type=float, default=6.0, help="no part begins later")
    parser.add_argument("--tiny", action="store_true", help="small sizes")
    for field_name, value in vars(Sizes()).items():
        parser.add_argument(f"--{field_name.replace('_', '-')}", type=type(value), default=None)
    main(parser.parse_args())
