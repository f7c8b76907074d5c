"""Memory, time and accuracy of a linear evaluation at scale, on generated embeddings, beside scikit-learn on a subset.

python benchmarks/probe_scale.py                                        # 128,000 x 512, 1,000 classes, 5 penalties
python benchmarks/probe_scale.py --images 1280000 --width 2048          # the same of ImageNet-1k by ResNet-50: a GPU

Embeddings are class means in noise, in files that are mapped into memory as those of a store are. Classes are of
unequal size: the largest has about 10 times the images of the smallest.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import tensor_of
from mi_ray.compute.probes import logistic
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.experiments.declare.kind import probe_work

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
MIB = 2**20
ROWS = 8192

Splits = Mapping[str, NDArray]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the problem; validation and test have ``held_out`` images each. ``noise``: that of a component, where
    class means have unit variance."""

    images: int = 128_000
    width: int = 512
    classes: int = 1_000
    held_out: int = 10_000
    noise: float = 4.0
    seed: int = 0

    def images_of(self, split: str) -> int:
        return self.images if split == "train" else self.held_out


def generated(sizes: Sizes, folder: Path) -> tuple[Splits, Splits]:
    """h and labels by split; h in files of ``folder``, mapped for reading."""
    rng = np.random.default_rng(sizes.seed)
    means = rng.standard_normal((sizes.classes, sizes.width), dtype=np.float32)
    share = np.geomspace(1, 10, sizes.classes)
    h, labels = {}, {}
    for split in SPLITS:
        n = sizes.images_of(split)
        labels[split] = rng.choice(sizes.classes, size=n, p=share / share.sum())
        file, shape = folder / f"{split}.bin", (n, sizes.width)
        rows = np.memmap(file, np.float32, "w+", shape=shape)
        for start in range(0, n, ROWS):
            of = labels[split][start : start + ROWS]
            rows[start : start + ROWS] = means[of] + sizes.noise * rng.standard_normal((len(of), sizes.width), "f4")
        rows.flush()
        del rows
        h[split] = np.memmap(file, np.float32, "r", shape=shape)
    return h, labels


@contextmanager
def peak_beyond() -> Iterator[list[float]]:
    """The peak of private memory within, beyond that before, in MiB: mapped files do not count, as the system may drop
    their pages at any time."""
    found, done, before = [0.0], threading.Event(), _private()

    def watch() -> None:
        while not done.wait(0.005):
            found[0] = max(found[0], _private() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def _private() -> float:
    """Private resident memory of this process, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


@contextmanager
def counted_passes() -> Iterator[list[int]]:
    """The number of passes over the train rows within."""
    passes, objective = [0], logistic._Objective
    original = objective.__call__

    def counted(self: logistic._Objective, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        passes[0] += 1
        return original(self, weights)

    objective.__call__ = counted  # type: ignore[method-assign]
    try:
        yield passes
    finally:
        objective.__call__ = original  # type: ignore[method-assign]


def measured(sizes: Sizes, device: torch.device) -> dict[str, float]:
    """Linear evaluation of the whole problem."""
    with tempfile.TemporaryDirectory() as folder:
        h, labels = generated(sizes, Path(folder))
        evaluate_linearly(*_first(h, labels, 256), [2], np.arange(256), penalties=PENALTIES, device=device)
        sources = np.arange(sizes.held_out)
        started = time.perf_counter()
        with peak_beyond() as peak, counted_passes() as passes:
            (found,) = evaluate_linearly(h, [labels], [sizes.classes], sources, penalties=PENALTIES, device=device)
        seconds = time.perf_counter() - started
    work = probe_work(sizes.width, sizes.images, sizes.classes, len(PENALTIES))
    on_device = torch.cuda.max_memory_allocated(device) / MIB if device.type == "cuda" else 0.0
    return {
        "seconds": seconds,
        "passes": passes[0],
        "mib_beyond_h": peak[0],
        "mib_on_device": on_device,
        "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "operations_predicted": work,
        "operations_per_second": work / seconds,
        **asdict(found),
    }


def beside_scikit_learn(sizes: Sizes, device: torch.device, rows: int, classes: int) -> dict[str, float]:
    """Test accuracy of ours and of scikit-learn's on ``rows`` images of ``classes`` classes, by penalty.

    scikit-learn minimises the sum of the cross-entropies + |W|^2 / 2C, which is ours at C = 1 / (n penalty). Both see
    the embeddings on principal axes.
    """
    small = Sizes(images=rows, width=sizes.width, classes=classes, held_out=sizes.held_out, noise=sizes.noise)
    with tempfile.TemporaryDirectory() as folder:
        h, labels = generated(small, Path(folder))
        axes = PrincipalAxes(tensor_of(h["train"]))
        x = {split: axes(tensor_of(h[split])).numpy() for split in ("train", "test")}
        rows_of = {split: tensor_of(h[split]) for split in ("train", "test")}
        probes = logistic.fit_probes(
            rows_of["train"], [torch.from_numpy(labels["train"])], [classes], PENALTIES, device=device
        )
        ours = (probes.predictions(rows_of["test"], 0).numpy() == labels["test"][:, None]).mean(0)
        found = {}
        for number, penalty in enumerate(PENALTIES):
            solver = LogisticRegression(C=1 / (rows * penalty), max_iter=1000, tol=1e-6)
            theirs = solver.fit(x["train"], labels["train"]).score(x["test"], labels["test"])
            found |= {f"ours_{penalty:g}": float(ours[number]), f"scikit_learn_{penalty:g}": float(theirs)}
    return found


def _first(h: Splits, labels: Splits, n: int) -> tuple[Splits, list[Splits]]:
    """The first ``n`` rows of each split in two classes, to load all code before memory and time are measured."""
    return {split: rows[:n] for split, rows in h.items()}, [{split: of[:n] % 2 for split, of in labels.items()}]


def main() -> None:
    """One JSON line for the whole problem, and one for the subset."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Sizes()
    for name in ("images", "width", "classes", "held_out", "seed"):
        flags.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    flags.add_argument("--noise", type=float, default=default.noise)
    flags.add_argument("--subset-rows", type=int, default=8_000, help="0 leaves scikit-learn out")
    flags.add_argument("--subset-classes", type=int, default=100)
    flags.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = vars(flags.parse_args())
    device, rows, classes = torch.device(given.pop("device")), given.pop("subset_rows"), given.pop("subset_classes")
    sizes = Sizes(**given)
    print(json.dumps({"device": str(device), "threads": torch.get_num_threads()} | asdict(sizes)), flush=True)
    print(json.dumps(measured(sizes, device)), flush=True)
    if rows:
        print(json.dumps(beside_scikit_learn(sizes, device, rows, classes)), flush=True)


if __name__ == "__main__":
    main()
