"""The table of a dry run, and a part of a plan by a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mi_ray.experiments.plan.costs import chains, costs, span
from mi_ray.experiments.plan.forecast import prices
from mi_ray.experiments.plan.resources import Machine
from mi_ray.experiments.plan.room import Site
from mi_ray.experiments.store.store import Store
from tests.committed import commit_all, plan_of

SITE = Site(store="runs", in_bucket=False, machine=Machine(disk=2**40, memory=2**34, cores=4), slots=4)


def rows(plan, store, site=SITE):
    *table, wall = costs(plan, store, site)
    return {line.split()[0]: line.split()[1:] for line in table[1:]}, wall


def test_every_kind_has_a_row_and_the_last_is_their_sum(tmp_path):
    plan, store = plan_of(), Store(tmp_path)
    table, wall = rows(plan, store)
    assert {kind: row[:2] for kind, row in table.items()} == {
        "training": ["2", "0"], "embedding": ["2", "0"], "evaluation": ["4", "0"], "estimation": ["4", "0"],
        "all": ["12", "0"],
    }  # fmt: skip
    assert table["training"][-1] == "CPU" and table["evaluation"][-3:-1] == ["0", "B"]
    known = prices(plan, store)
    seconds = {key: known.seconds(cell) for key, cell in plan.cells.items()}
    longest = max(seconds.values()) + max(v for k, v in seconds.items() if k.startswith("embedding"))
    assert max(chains(plan, seconds)) >= longest
    assert wall.startswith(
        f"wall time about {span(max(max(chains(plan, seconds)), sum(seconds.values()) / 4))} on 4 slots"
    )


def test_what_is_done_costs_nothing(tmp_path):
    plan, store = plan_of(), Store(tmp_path)
    trainings = [cell for cell in plan.cells.values() if cell.kind == "training"]
    commit_all(trainings, store)
    table, _ = rows(plan, store)
    assert table["training"][:3] == ["2", "2", "0"] and table["all"][:2] == ["12", "2"]
    commit_all(plan.cells.values(), store)
    assert list(costs(plan, store, SITE)) == []


def test_encoders_run_on_a_gpu_if_there_is_one_and_a_clusters_slots_are_not_known(tmp_path):
    table, wall = rows(plan_of(), Store(tmp_path), replace(SITE, on_gpu=True, is_node=False))
    assert [table[kind][-1] for kind in ("training", "embedding", "estimation")] == ["GPU", "GPU", "CPU"]
    assert wall.startswith("wall time at least ") and wall.endswith(" / slots of the cluster")


@pytest.mark.parametrize(
    ("pattern", "cells"), [("task=color", 8), ("color", 10), ("*task=color*", 8), ("estimation*", 8), ("nothing", 0)]
)
def test_a_part_of_a_plan_is_named_by_a_pattern_or_a_word(pattern, cells):
    assert len(plan_of().only(pattern).cells) == cells


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99, "99 s"), (100, "2 min"), (6000, "2 h"), (10**6, "11.6 days")]
)
def test_a_time_is_told_in_its_unit(seconds, text):
    assert span(seconds) == text
