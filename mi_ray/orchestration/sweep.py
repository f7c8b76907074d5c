"""Run the jobs of a plan as trials of one Tune run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable

import torch
from ray import tune
from ray.tune.execution.placement_groups import PlacementGroupFactory

from mi_ray.experiments.cells import Store
from mi_ray.experiments.plan import Job
from mi_ray.experiments.queue import Queue
from mi_ray.experiments.run import compute
from mi_ray.experiments.serial import DataByDigest, Listener
from mi_ray.orchestration.cluster import Capacity
from mi_ray.orchestration.dependent_search import FAILED, DependentSearch, Relay
from mi_ray.orchestration.placement import Occupancy, share, training_slots

RETRIES = 2
"""How often a job whose worker died is tried again; a job that raises is not."""


def run_on_ray(
    jobs: Iterable[Job], data: DataByDigest, store: Store, listener: Listener, *, capacity: Capacity
) -> None:
    """Run every job whose upstream is, or becomes, committed. A failed job blocks those below it and no others."""
    table = {job.key: job for job in jobs}
    if not table:
        return
    slots = training_slots(capacity)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(slots, int(capacity.cpus)))
    queue = Queue(table.values(), store, slots=slots)
    search = DependentSearch(queue, Occupancy(capacity), store, listener, retries=RETRIES)
    shares = {key: share(job, capacity) for key, job in table.items()}
    trainable = tune.with_resources(
        tune.with_parameters(_trial, jobs=table, data=dict(data), store=store),
        lambda config: PlacementGroupFactory([_bundle(shares[config["job"]].cpus, shares[config["job"]].gpus)]),
    )
    for leftover in store.work.glob("tune-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = tempfile.mkdtemp(prefix="tune-", dir=store.work)
    try:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(search_alg=search, reuse_actors=True),
            run_config=tune.RunConfig(
                name="trials", storage_path=scratch, verbose=0, callbacks=[Relay(search, listener)]
            ),
        ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _bundle(cpus: float, gpus: float) -> dict[str, float]:
    return {"CPU": cpus} | ({"GPU": gpus} if gpus else {})


def _trial(config: dict, jobs: dict[str, Job], data: DataByDigest, store: Store) -> None:
    """Compute one job in a worker. What the mathematics raises is reported, not raised: a retry would do the same."""
    job = jobs[config["job"]]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    device = torch.device("cuda" if torch.cuda.is_available() and os.environ.get("CUDA_VISIBLE_DEVICES") else "cpu")
    try:
        compute(job, data[job.cells[0].data_digest], store, device=device)
    except Exception as error:
        tune.report({FAILED: f"{type(error).__name__}: {error}"})
    else:
        tune.report({FAILED: ""})
