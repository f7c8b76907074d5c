"""A worker of a team, as a process: trains a few steps and writes its losses and gradients. Run by test_workers.

In float64: in float32 the order of sums decides now and then on which side of a rectifier a number falls.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.pairs.augmentation import SimCLRView, plain
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.training import workers
from mi_ray.compute.training.networks import encoder, projector
from mi_ray.compute.training.objectives import NT_XENT, SupConLoss
from mi_ray.compute.training.trainer import Trainer

CASES = ("nt_xent", "augmented", "sup_con")
WRONGS = ("gather", "moments")
CLASSES, IMAGES, K_TR, STEPS = 4, 64, 16, 3


def main(size: int, rank: int, meeting: str, out: str, *cases: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    go_wrong(os.environ.get("MI_RAY_TEST_WRONG", ""))
    told = {case: trained(case, workers.Workers.here()) for case in cases}
    if rank == 0:
        save_file({f"{case}.{name}": value for case in cases for name, value in told[case].items()}, out)
    dist.destroy_process_group()


def trained(case: str, team: workers.Workers) -> dict[str, torch.Tensor]:
    """The loss of every step, the gradients of the first, and the networks' state after the last."""
    run, losses, told = trainer(case, team), [], {}
    for step in range(STEPS):
        losses.append(team.mean(run.step()))
        if step == 0:
            told = {f"gradient.{name}": p.grad.clone() for name, p in run.networks.named_parameters()}
    told |= {f"state.{name}": value.float() for name, value in run.networks.state_dict().items()}
    return {name: value.contiguous() for name, value in told.items()} | {"loss": torch.stack(losses)}


def trainer(case: str, team: workers.Workers) -> Trainer:
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % CLASSES
    images = rng.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    data = ImageSet(images, labels[:, None], np.arange(IMAGES))
    f_e = encoder("resnet10t", seed=0).double()
    view = SimCLRView() if case == "augmented" else plain
    return Trainer(
        f_e, projector(f_e.num_features, hidden=32, out=16, seed=0).double(), data,
        WithItself(IMAGES) if case == "augmented" else WithinClass(labels, CLASSES),
        lambda images, seed, rows: view(images, seed, rows).double(),
        k_tr=K_TR, steps=STEPS, temperature=0.5, optimizer="sgd", learning_rate=0.01, weight_decay=1e-4,
        warmup_steps=0, seed=0, dtype=torch.float32, device=torch.device("cpu"),
        objective=SupConLoss(labels) if case == "sup_con" else NT_XENT, workers=team,
    )  # fmt: skip


def go_wrong(how: str) -> None:
    """Break this process's team in a way that a wrong implementation would."""
    if how == "gather":
        workers.Workers.gather = of_own_rows_alone
    if how == "moments":
        workers.synchronise = lambda networks, device, total: None
    assert how in ("", *WRONGS)


def of_own_rows_alone(team: workers.Workers, z: torch.Tensor) -> torch.Tensor:
    """The gather of many public implementations: only the worker's own rows carry gradients."""
    every = [torch.empty_like(z) for _ in range(team.size)]
    dist.all_gather(every, z.detach().contiguous())
    every[team.rank] = z
    return torch.cat(every)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
