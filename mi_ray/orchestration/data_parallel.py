"""Ray Train: one training by several workers, started inside the trial that is answerable for it.

The workers run the loop that a trial alone would run. None of them calls Ray: the first commits the cell to the store,
so that Train's own state is worth nothing once it is over, and an interrupted training goes on from its checkpoints.
(Type checkers see the names of Train V1 in ray.train; those of V2 are there at run time.)
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device

from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.plan import Job
from mi_ray.experiments.run.history import Diverged
from mi_ray.experiments.run.job import compute_together
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Share
from mi_ray.orchestration.preemption import is_preempted, leaving_in_order
from mi_ray.orchestration.rendezvous import AtNodeAddress

START_SECONDS = 600
"""How long Train waits for room for its workers before it calls the try a failure."""


def train_together(
    job: Job, data: PreparedData, store: Store, *, workers: int, each: Share, retries: int, folder: Path
) -> str:
    """Train with ``workers`` workers that take ``each``; returns why that cannot succeed, nothing where it did.

    A worker that dies takes the others with it: all start again from the newest checkpoint, ``retries`` times. What
    Ray Train raises after that is raised. Train's own state is kept in ``folder``, of this node alone.
    """
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(START_SECONDS))
    trainer = TorchTrainer(
        _worker,  # type: ignore[arg-type]
        train_loop_config={"job": job, "data": data, "store": store},
        torch_config=AtNodeAddress(),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=each.gpus > 0, resources_per_worker={"CPU": each.cpus, "GPU": each.gpus}
        ),
        run_config=RunConfig(
            name=f"{job.key}-{uuid.uuid4().hex[:8]}",  # a name that Train knows would be restored from its own state
            storage_path=str(folder),  # the workers, who report nothing to Train, need not see it
            failure_config=FailureConfig(
                max_failures=retries,
                controller_failure_limit=retries,  # type: ignore[call-arg]
            ),
        ),
    )
    return trainer.fit().return_value or ""  # type: ignore[attr-defined]


def _worker(config: dict[str, Any]) -> str:
    """What every worker runs. A loss that diverges does so on all alike: it is told, as a retry would do the same. What
    else is raised may be one worker's alone, with the others waiting for it: Train ends them, and tries again."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        with leaving_in_order():
            compute_together(
                config["job"],
                config["data"],
                config["store"],
                device=get_device(),
                workers=Workers.here(),
                leaving=is_preempted,
            )
    except Diverged as error:
        return f"{type(error).__name__}: {error}"
    return ""
