"""Data-parallel training: a `TorchTrainer` of Ray Train, started inside the Tune trial of the job.

The workers run the same training loop as a single trial, and report nothing to Ray Train. Checkpoints go to the store,
and worker 0 commits the cell there. So Train's own state is not needed afterwards, and an interrupted training resumes
from the store's checkpoints. (ray.train exports the names of Train V1 to type checkers, and those of V2 at run time.)
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
from mi_ray.experiments.run.loop import Leaving
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration.cluster import Share
from mi_ray.orchestration.preemption import is_preempted, leaving_in_order
from mi_ray.orchestration.rendezvous import AtNodeAddress
from mi_ray.orchestration.silence import beating

START_SECONDS = 600
"""Seconds that Ray Train waits for resources for its workers before the try counts as a failure."""


def train_together(
    job: Job, data: PreparedData, store: Store, *, workers: int, each: Share, loaders: int, retries: int, folder: Path
) -> str:
    """Train with ``workers`` Ray Train workers of size ``each``, in which ``loaders`` processes decode images; returns
    "" or the error that a retry would repeat.

    If a worker dies, Train ends all workers and starts them again from the newest checkpoint, at most ``retries``
    times; after that its exception is raised. ``folder``: node-local folder for Train's own state.
    """
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(START_SECONDS))
    trainer = TorchTrainer(
        worker_loop,  # type: ignore[arg-type]
        train_loop_config={"job": job, "data": data, "store": store, "loaders": loaders},
        torch_config=AtNodeAddress(),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=each.gpus > 0, resources_per_worker={"CPU": each.cpus, "GPU": each.gpus}
        ),
        run_config=RunConfig(
            name=f"{job.key}-{uuid.uuid4().hex[:8]}",  # unique, or Train would restore an earlier run's state
            storage_path=str(folder),  # need not be shared: workers report nothing to Train
            failure_config=FailureConfig(
                max_failures=retries,
                controller_failure_limit=retries,  # type: ignore[call-arg]
            ),
        ),
    )
    return trainer.fit().return_value or ""  # type: ignore[attr-defined]


def worker_loop(config: dict[str, Any]) -> str:
    """Train loop of every Ray Train worker, in a process of its own; returns "" or the text of `Diverged`.

    The loss diverges on all workers at once, and would again after a retry, so `Diverged` is returned; so is `Leaving`,
    which all raise at once where the run is to stop. Any other exception may hit one worker while the others wait for
    it in a collective: it is raised, and Train ends all workers and retries.
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    job, workers = config["job"], Workers.here()
    try:
        with beating(job.key, 1 + workers.rank), leaving_in_order():
            compute_together(
                job,
                config["data"],
                config["store"],
                device=get_device(),
                workers=workers,
                leaving=is_preempted,
                loaders=config["loaders"],
            )
    except (Diverged, Leaving) as error:
        return f"{type(error).__name__}: {error}"
    return ""
