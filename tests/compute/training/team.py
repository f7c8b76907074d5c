"""Teams of workers, as processes: each trains a few steps and writes the losses, gradients and weights of its first
worker. Run by test_workers.

All workers are forked from one process, which imports torch once. They compute in float64: in float32 the order of sums
decides now and then on which side of a rectifier a number falls.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.pairs.augmentation import SimCLRView, plain
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.training import workers
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.training.objectives import NT_XENT, SupConLoss
from mi_ray.compute.training.trainer import Trainer

CASES = ("nt_xent", "augmented", "sup_con")
FAULTS = ("gather", "moments")
CLASSES, IMAGES, K_TR, STEPS = 4, 64, 16, 3


def main(folder: Path) -> None:
    """Run every team in turn; each writes ``folder``/``name``.safetensors."""
    torch.set_num_threads(1)
    for size in (2, 4):
        run_team(folder, str(size), size, CASES)
    for fault in FAULTS:
        run_team(folder, fault, 2, ("nt_xent",), fault)


def run_team(folder: Path, name: str, size: int, cases: tuple[str, ...], fault: str = "") -> None:
    """Fork the workers of one team and wait for them."""
    fork = multiprocessing.get_context("fork")
    team = [fork.Process(target=work, args=(folder, name, size, rank, cases, fault)) for rank in range(size)]
    for process in team:
        process.start()
    for process in team:
        process.join()
    assert [process.exitcode for process in team] == [0] * size


def work(folder: Path, name: str, size: int, rank: int, cases: tuple[str, ...], fault: str) -> None:
    """Train each case as the worker number ``rank``; the first worker writes the results."""
    dist.init_process_group("gloo", init_method=f"file://{folder / name}.meeting", rank=rank, world_size=size)
    introduce(fault)
    results = {case: trained(case, workers.Workers.here()) for case in cases}
    if rank == 0:
        named = {f"{case}.{name}": value for case in cases for name, value in results[case].items()}
        save_file(named, folder / f"{name}.safetensors")
    dist.destroy_process_group()


def trained(case: str, team: workers.Workers) -> dict[str, torch.Tensor]:
    """The loss of every step, the gradients of the first, and the networks' state after the last."""
    run, losses, results = trainer(case, team), [], {}
    for step in range(STEPS):
        losses.append(team.mean(run.step()))
        if step == 0:
            results = {f"gradient.{name}": p.grad.clone() for name, p in run.networks.named_parameters()}
    results |= {f"state.{name}": value.float() for name, value in run.networks.state_dict().items()}
    return {name: value.contiguous() for name, value in results.items()} | {"loss": torch.stack(losses)}


def trainer(case: str, team: workers.Workers) -> Trainer:
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % CLASSES
    images = rng.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    data = ImageSet(images, labels[:, None], np.arange(IMAGES))
    f_e = encoder("resnet10t", seed=0).double()
    view = SimCLRView() if case == "augmented" else plain
    return Trainer(
        f_e, fresh_mlp(f_e.num_features, hidden=32, out=16, seed=0).double(), data,
        WithItself(IMAGES) if case == "augmented" else WithinClass(labels, CLASSES),
        lambda images, seed, rows: view(images, seed, rows).double(),
        k_tr=K_TR, steps=STEPS, temperature=0.5, optimizer="sgd", learning_rate=0.01, weight_decay=1e-4,
        warmup_steps=0, seed=0, dtype=torch.float32, device=torch.device("cpu"),
        objective=SupConLoss(labels) if case == "sup_con" else NT_XENT, workers=team,
    )  # fmt: skip


def introduce(fault: str) -> None:
    """Break this process's team in the way of a wrong implementation."""
    if fault == "gather":
        workers.Workers.gather = of_own_rows_alone
    if fault == "moments":
        workers.synchronise = lambda networks, device, total: None
    assert fault in ("", *FAULTS)


def of_own_rows_alone(team: workers.Workers, z: torch.Tensor) -> torch.Tensor:
    """The gather of many public implementations: only the worker's own rows carry gradients."""
    every = [torch.empty_like(z) for _ in range(team.size)]
    dist.all_gather(every, z.detach().contiguous())
    every[team.rank] = z
    return torch.cat(every)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
