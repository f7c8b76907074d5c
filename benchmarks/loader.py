"""Views per second from JPEG files: mi-ray's loader beside torchvision's ImageFolder, v2 transforms and DataLoader.

    OMP_NUM_THREADS=1 python benchmarks/loader.py FOLDER      # of photographs, see benchmarks/photographs.py

SimCLR's views (two of each image: random resized crop, flip, colour jitter, grayscale) and plain views (resize to 256,
centre 224; mi-ray's as a training with same-class pairs has them, and as an embedding), all as normalised float32
batches in the main process, with the same number of worker processes.
Torchvision decodes an image once for its two views. Then training steps fed by mi-ray's loader, beside the same steps
on tensors in memory.

Jobs run in turns, and a ratio is that of one turn. A turn counts from its first batch to its last, so that starting
processes costs neither loader anything. It is long, since a loader begins it with as many batches as it prepares ahead.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mi_ray_views import mi_ray_views
from rounds import Job, ratios, rounds_of
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from mi_ray.compute.training import losses, networks
from mi_ray.compute.training.mlp import fresh_mlp

SIDE, KINDS = 224, ("simclr", "plain pairs", "plain")
NORMALISED = (
    v2.ToImage(),
    v2.ToDtype(torch.float32, scale=True),
    v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)
SIMCLR = v2.Compose(
    [
        v2.RandomResizedCrop(SIDE, scale=(0.2, 1)),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        v2.RandomGrayscale(0.2),
        *NORMALISED,
    ]
)
PLAIN = v2.Compose([v2.Resize(256), v2.CenterCrop(SIDE), *NORMALISED])

Views = Callable[[int], Iterator[Tensor]]
"""views(batches): batches of views, float32 [images or 2 images, 3, 224, 224]; its worker processes outlive a call."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What both loaders load: ``images`` a batch of the photographs ``paths``, by ``workers`` processes."""

    paths: list[Path]
    kind: str
    images: int
    workers: int


@dataclass
class Drawn(Sampler[int]):
    """Draws ``images`` images of ``n`` at random, without torch's limit to one pass over the data."""

    n: int
    images: int

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randint(self.n, (self.images,)).tolist())

    def __len__(self) -> int:
        return self.images


def torchvision_views(setting: Setting) -> Views:
    """Views by torchvision and torch's DataLoader."""
    transform = two(SIMCLR) if setting.kind == "simclr" else PLAIN
    whole = ImageFolder(str(setting.paths[0].parents[1]), transform)
    places = {path: place for place, (path, _) in enumerate(whole.samples)}
    data = Subset(whole, [places[str(path)] for path in setting.paths])

    def views(batches: int) -> Iterator[Tensor]:
        drawn.images = batches * setting.images
        for batch, _ in loader:
            yield torch.cat(batch) if setting.kind == "simclr" else batch

    drawn = Drawn(len(data), 0)
    loader = DataLoader(
        data, setting.images, sampler=drawn, num_workers=setting.workers, persistent_workers=setting.workers > 0
    )
    return views


def two(transform: Callable[[Any], Tensor]) -> Callable[[Any], tuple[Tensor, Tensor]]:
    """Both views of a decoded image."""
    return partial(_both, transform)


def _both(transform: Callable[[Any], Tensor], image: Any) -> tuple[Tensor, Tensor]:
    return transform(image), transform(image)


def loading(
    views: Views, batches: int, work: Callable[[Tensor], None] = lambda batch: None, waits: list[float] | None = None
) -> Job:
    """A job that loads ``1 + batches`` batches and does ``work`` on each; its rate counts from the end of the first.

    ``waits`` gets the share of that time which passes before batches are there.
    """

    def job() -> float:
        loaded = views(1 + batches)
        work(next(loaded))
        started, worked, n = time.perf_counter(), 0.0, 0
        for batch in loaded:
            began = time.perf_counter()
            work(batch)
            worked += time.perf_counter() - began
            n += len(batch)
        seconds = time.perf_counter() - started
        if waits is not None:
            waits.append(1 - worked / seconds)
        return n / seconds

    return job


def step_of(arch: str) -> Callable[[Tensor], None]:
    """One training step of ``arch`` with AdamW on the views of both sides."""
    encoder = networks.encoder(arch, seed=0).to(memory_format=torch.channels_last)
    projector = fresh_mlp(networks.width(arch), hidden=512, out=128, seed=0)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *projector.parameters()], fused=True)

    def step(views: Tensor) -> None:
        z_x, z_y = projector(encoder(views.contiguous(memory_format=torch.channels_last))).chunk(2)
        optimizer.zero_grad(set_to_none=True)
        losses.nt_xent(z_x, z_y, temperature=0.2).backward()
        optimizer.step()

    return step


def chosen(folder: Path, files: int) -> list[Path]:
    """At most ``files`` training photographs at random, so that all of them stay in the page cache."""
    paths = sorted(folder.absolute().glob("train/*/*.JPEG"))
    return random.Random(0).sample(paths, min(files, len(paths)))


# Tables


def beside_torchvision(setting: Setting, batches: int, rounds: int) -> dict[str, Any]:
    """Rates of both loaders, views per second, and mi-ray's ratio to torchvision: smallest, median, largest."""
    jobs = {
        "torchvision": loading(torchvision_views(setting), batches),
        "mi-ray": loading(mi_ray_views(setting.paths, setting.kind, setting.images, setting.workers), batches),
    }
    measured = rounds_of(jobs, rounds)
    ratio = ratios(measured["mi-ray"], measured["torchvision"])
    row = {"kind": setting.kind, "workers": setting.workers, **{k: median(v) for k, v in measured.items()}}
    print(
        f"| {setting.kind} | {setting.workers} | {row['torchvision']:.0f} | {row['mi-ray']:.0f} |"
        f" {ratio[0]:.2f} | {ratio[1]:.2f} | {ratio[2]:.2f} |",
        flush=True,
    )
    return row | {"ratio": ratio}


def beside_resident(setting: Setting, arch: str, batches: int, rounds: int) -> dict[str, Any]:
    """Views per second of training steps on tensors in memory, of the loader alone, and of steps fed by it; the share
    of the first that the last reaches, and the share of its time that a fed step waits for views."""
    views, step = mi_ray_views(setting.paths, setting.kind, setting.images, setting.workers), step_of(arch)
    resident, waits = list(views(2)), list[float]()
    jobs = {
        "resident": loading(lambda n: (resident[i % 2] for i in range(n)), batches, step),
        "loader": loading(views, batches),
        "fed": loading(views, batches, step, waits),
    }
    measured = rounds_of(jobs, rounds)
    share = ratios(measured["fed"], measured["resident"])
    row = {"arch": arch, "workers": setting.workers, **{name: median(values) for name, values in measured.items()}}
    print(
        f"| {arch} | {setting.workers} | {row['resident']:.0f} | {row['loader']:.0f} | {row['fed']:.0f} |"
        f" {share[0]:.2f} | {share[1]:.2f} | {share[2]:.2f} | {min(waits[1:]):.3f} to {max(waits[1:]):.3f} |",
        flush=True,
    )
    return row | {"share": share, "waits": waits[1:]}


def main(options: argparse.Namespace) -> None:
    """Print both tables; write them as JSON too, if asked to."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    paths = chosen(options.folder, options.files)
    rows: dict[str, list[dict[str, Any]]] = {"loader": [], "step": []}
    print(f"{len(paths)} files, {options.images} images a batch, one thread;", end=" ")
    print(f"{options.batches} batches a turn, {options.rounds} turns\n")
    print("| views | workers | torchvision, views/s | mi-ray, views/s | ratio: least | median | most |")
    print("|---|---|---|---|---|---|---|")
    for kind in options.kinds:
        for workers in options.workers:
            setting = Setting(paths=paths, kind=kind, images=options.images, workers=workers)
            rows["loader"].append(beside_torchvision(setting, options.batches, options.rounds))
    print("\n| encoder | workers | step in memory, views/s | loader alone | fed step", end=" ")
    print("| share: least | median | most | waits: least to most |")
    print("|---|---|---|---|---|---|---|---|---|")
    for arch in options.archs:
        for workers in options.workers:
            setting = Setting(paths=paths, kind="simclr", images=options.images, workers=workers)
            rows["step"].append(beside_resident(setting, arch, options.steps, options.rounds))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=2000, help="photographs that are read")
    parser.add_argument("--images", type=int, default=32, help="images a batch")
    parser.add_argument("--batches", type=int, default=64, help="batches a turn")
    parser.add_argument("--steps", type=int, default=6, help="training steps a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--archs", nargs="*", default=["test_resnet", "resnet10t"])
    parser.add_argument("--out", type=Path, default=None, help="a JSON file")
    main(parser.parse_args())
