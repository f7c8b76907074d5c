"""Workers that train together equal a single one: the same losses, gradients and encoder, whatever their number.

Each team runs in processes of its own, joined by gloo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mi_ray.compute.training.workers import ALONE, Workers
from tests.compute.training import team

pytestmark = pytest.mark.timeout(900)  # one fixture runs every team

ROOT = Path(__file__).parents[3]

Outcome = dict[str, torch.Tensor]


def part(results: Outcome, name: str) -> Outcome:
    return {rest: value for full, value in results.items() if (rest := full.removeprefix(f"{name}.")) != full}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The norm of all differences over the norm of ``one``."""
    assert one.keys() == other.keys() and one
    differences = sum(float((one[name] - other[name]).double().square().sum()) for name in one)
    return (differences / sum(float(value.double().square().sum()) for value in one.values())) ** 0.5


@pytest.fixture(scope="module")
def alone() -> dict[str, Outcome]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seen = {case: team.trained(case, ALONE) for case in team.CASES}
    torch.set_num_threads(threads)
    return seen


@pytest.fixture(scope="module")
def teams(tmp_path_factory) -> dict[str, Outcome]:
    """The results of every team by its name."""
    folder = tmp_path_factory.mktemp("teams")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "tests.compute.training.team", str(folder)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=800)
    results = {file.stem: load_file(file) for file in folder.glob("*.safetensors")}
    shutil.rmtree(folder)  # half a gigabyte
    return results


@pytest.fixture(params=["2", "4"])
def outcomes(request, teams) -> dict[str, Outcome]:
    """The results of the teams of two and of four workers, by case."""
    return {case: part(teams[request.param], case) for case in team.CASES}


@pytest.mark.parametrize("case", team.CASES)
def test_the_loss_of_every_step_is_that_of_one_worker(alone, outcomes, case):
    assert len(alone[case]["loss"]) == team.STEPS and alone[case]["loss"].isfinite().all()
    assert (outcomes[case]["loss"] - alone[case]["loss"]).abs().max() < 1e-9


@pytest.mark.parametrize("case", team.CASES)
def test_the_gradients_are_those_of_one_worker(alone, outcomes, case):
    assert distance(part(alone[case], "gradient"), part(outcomes[case], "gradient")) < 1e-9


@pytest.mark.parametrize("case", team.CASES)
def test_weights_and_running_moments_stay_those_of_one_worker(alone, outcomes, case):
    assert distance(part(alone[case], "state"), part(outcomes[case], "state")) < 1e-6


@pytest.mark.parametrize("fault", team.FAULTS)
def test_a_wrong_gather_or_wrong_moments_show_in_the_gradients(alone, teams, fault):
    """Gradients of a worker's own rows alone, or moments of its own views alone."""
    found = part(teams[fault], "nt_xent")
    assert distance(part(alone["nt_xent"], "gradient"), part(found, "gradient")) > 1e-2


def test_shares_are_the_pairs_of_one_worker_each_once():
    rows = [Workers(rank, 4).share(16) for rank in range(4)]
    assert sorted(np.concatenate([own.places for own in rows])) == list(range(32))
    assert all(own.batch == 32 and (own.places[4:] - own.places[:4] == 16).all() for own in rows)
    assert (ALONE.share(16).places == np.arange(32)).all()


def test_pairs_that_cannot_be_shared_evenly_are_refused():
    with pytest.raises(ValueError, match="k_tr: 6 pairs are not shared evenly by 4 workers"):
        Workers(0, 4).share(6)


@pytest.mark.parametrize(("size", "parts"), [(1, 2), (4, 2)])
def test_parts_of_batch_moments_that_are_not_the_workers_are_refused(size: int, parts: int):
    with pytest.raises(ValueError, match=f"batch_norm_parts: {parts} is not allowed; allowed: 1"):
        Workers(0, size).together(torch.nn.Sequential(), torch.device("cpu"), batch_norm_parts=parts)
