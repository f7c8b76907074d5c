"""Loader processes: how far they work ahead, and that what they refuse is told as it is."""

import time

import pytest
import torch

from mi_ray.compute.pairs.loader import AHEAD, MOST_AHEAD, computed, tasks_ahead

CPU = torch.device("cpu")


@pytest.mark.parametrize("loaders, at_once", [(1, 1), (1, 5), (2, 5), (2, 8)])
def test_the_tasks_of_the_next_step_are_done_while_this_one_computes(tmp_path, loaders, at_once):
    def work(task: int) -> torch.Tensor:
        (tmp_path / str(task)).touch()
        return torch.tensor(task)

    results = computed(work, range(3 * at_once), loaders=loaders, device=CPU, at_once=at_once)
    assert [int(next(results)) for _ in range(at_once)] == list(range(at_once))
    ahead = {str(task) for task in range(2 * at_once)}
    deadline = time.monotonic() + 60
    while not ahead <= {path.name for path in tmp_path.iterdir()} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ahead <= {path.name for path in tmp_path.iterdir()}


def test_what_is_prepared_ahead_is_bounded():
    assert tasks_ahead(1, 1) == AHEAD
    assert tasks_ahead(3, 1) == 3
    assert tasks_ahead(3, 4) == AHEAD
    assert tasks_ahead(10**6, 1) == MOST_AHEAD
    assert tasks_ahead(10**6, 8) == MOST_AHEAD // 8
