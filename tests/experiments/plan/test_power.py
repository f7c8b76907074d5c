"""A line of power tells what a grid's replicates could find, and how many would find what matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mi_ray.experiments.plan.power import Differences, Leads, lines, seeds
from mi_ray.theory.power import needed, told

DIFFERENCES = Differences(
    compares="A and B", matters=0.02, spread=0.015, source="a finished store", level=0.025, seeds=seeds
)
LEADS = Leads(
    compares="one measure over another", best=0.98, next=0.58, between=0.5, source="a table", level=0.025,
    encoders=lambda grid: len(grid["encoder"]),
)  # fmt: skip


def test_seeds_tell_a_difference_and_more_would_tell_the_one_that_matters() -> None:
    (line,) = lines([DIFFERENCES], {"seed": (0, 1, 2)})
    least, enough = told(3, 0.015, level=0.025), needed(0.02, 0.015, level=0.025)
    assert line == (
        f"power     3 seeds tell {100 * least:.3g} points between A and B with probability 0.8; {enough} would tell 2"
        " (assumed standard deviation 1.5 points: a finished store)"
    )


def test_one_seed_tells_nothing_of_other_trainings_and_no_number_may_be_enough() -> None:
    (line,) = lines([replace(DIFFERENCES, matters=1e-6)], {"seed": (0,)})
    assert "1 seed tells nothing about other trainings" in line and "more than 1000 would tell" in line


def test_unpaired_seeds_have_more_degrees() -> None:
    (line,) = lines([replace(DIFFERENCES, paired=False)], {"seed": (0, 1)})
    assert f"{100 * told(2, 0.015, level=0.025, sides=2):.3g} points" in line


@pytest.mark.parametrize(("n", "words"), [(3, "3 encoders tell no lead"), (11, "11 encoders tell a lead in r of 0.")])
def test_encoders_tell_a_lead(n: int, words: str) -> None:
    (line,) = lines([LEADS], {"encoder": tuple(range(n))})
    assert words in line and " would tell 0.40 (assumed r 0.98 and 0.58, 0.50 between the two: a table)" in line
