"""Names of distinct cells are distinct, and only replicates share a place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Embedding,
    Labelled,
    LinearEvaluation,
    Noise,
    SameClass,
    SimCLR,
    Training,
    color_jitter,
    data_of,
)
from mi_ray.experiments.declare.identity import canonical, own_fields
from mi_ray.experiments.plan.plan import Cell, Plan, build, group
from mi_ray.experiments.plan.sheets import place_title, sheets, telling

TRAINING = Training(data=CDP(), pairing=SameClass(task="color"), arch="test_resnet")


def evaluations(*trainings, tasks=("color", "digit")):
    return [
        LinearEvaluation(embedding=Embedding(encoder=training), task=task) for training in trainings for task in tasks
    ]


def plan_of(*trainings, **tasks):
    return build(evaluations(*trainings, **tasks), lambda data: canonical(own_fields(data)))


LABELLED = replace(TRAINING, data=Labelled(name="cifar-10", half="first"), pairing=SimCLR())
ALIKE = {
    "folders": [replace(TRAINING, data=CDP(digits=folder)) for folder in ("/a", "/b")],
    "roots": [replace(LABELLED, data=replace(LABELLED.data, root=root)) for root in ("/a", "/b")],
    "noise": [replace(LABELLED, data=replace(LABELLED.data, negatives=Noise(seed=seed))) for seed in (0, 1)],
    "prior": [replace(TRAINING, pairing=SameClass(task="color", prior=prior)) for prior in ("uniform", "empirical")],
    "redraw": [replace(TRAINING, pairing=SameClass(task="color", redraw=redraw)) for redraw in (0.5, 0.5000001)],
    "strengths": [replace(TRAINING, pairing=color_jitter(strength)) for strength in (0.3, 0.3000001)],
    "temperature": [replace(TRAINING, temperature=temperature) for temperature in (0.2, 0.2000000001)],
    "projector": [replace(TRAINING, hidden=hidden) for hidden in (256, 512)],
}


@pytest.mark.parametrize("trainings", ALIKE.values(), ids=list(ALIKE))
def test_cells_that_differ_in_one_field_have_names_of_their_own(trainings):
    tasks = ("class",) if isinstance(trainings[0].data, Labelled) else ("color", "digit")
    plan = plan_of(*trainings, tasks=tasks)
    assert len({plan.name(cell) for cell in plan.cells.values()}) == len(plan.cells) == 4 + 2 * len(tasks)
    jobs = group(plan.cells.values())
    assert len({plan.job_name(job) for job in jobs}) == len(jobs)
    for cell in plan.cells.values():
        matches = plan.only(plan.name(cell)).cells
        assert cell.key in matches and len([match for match in matches.values() if match.kind == cell.kind]) == 1


def test_checkpoints_of_one_name_are_told_apart_by_what_they_were_trained_with():
    read = [
        Checkpoint(data=CDP(), arch="test_resnet", source=replace(TRAINING, hidden=h), name="ours") for h in (8, 16)
    ]
    plan = plan_of(*read, tasks=("color",))
    assert len({plan.name(cell) for cell in plan.cells.values()}) == len(plan.cells) == 8


def test_cells_with_equal_parameters_are_told_apart_by_the_digest_of_their_images_or_their_key():
    """Images that changed between two runs, or another protocol: the declaration is the same, the key is not."""
    twins = [Cell(f"training-{end * 20}", TRAINING, None, digest) for end, digest in (("a", "1" * 64), ("b", "2" * 64))]
    plan = Plan({cell.key: cell for cell in twins})
    assert [plan.name(cell) for cell in twins] == ["training images=11111111", "training images=22222222"]
    same = Plan({cell.key: replace(cell, data_digest="1" * 64) for cell in twins})
    assert [same.name(cell) for cell in same.cells.values()] == ["training key=aaaaaaaa", "training key=bbbbbbbb"]
    long = [Cell(f"training-{'a' * 19}{end}", TRAINING, None, "1" * 64) for end in "bc"]
    assert len({Plan({c.key: c for c in long}).name(cell) for cell in long}) == 2


def cells_of(*trainings, **tasks):
    return [cell for cell in plan_of(*trainings, **tasks).cells.values() if cell.kind == "evaluation"]


def test_what_follows_from_what_is_shown_tells_nothing_apart():
    follows = [replace(TRAINING, k_tr=k_tr, learning_rate=k_tr / 64) for k_tr in (64, 128)]
    assert telling(cells_of(*follows), ("task", "pairing")) == ("k_tr",)
    assert telling(cells_of(*follows), ("task", "k_tr")) == ()
    crossed = [replace(TRAINING, k_tr=k, learning_rate=rate) for k in (64, 128) for rate in (0.1, 0.2)]
    assert telling(cells_of(*crossed), ("task",)) == ("k_tr", "learning_rate")


def test_seeds_of_every_kind_are_replicates_and_nothing_else_is():
    seeds = [replace(TRAINING, seed=1), replace(TRAINING, data=CDP(seed=1)), TRAINING]
    assert telling(cells_of(*seeds), ("task",)) == ()
    for name, trainings in ALIKE.items():
        tasks = ("class",) if isinstance(trainings[0].data, Labelled) else ("color",)
        names = telling(cells_of(*trainings, tasks=tasks), ("task",))
        assert (len(names) == 0) == (name == "noise"), name


def test_a_sheet_for_each_value_of_what_else_varies_and_its_entries_differ_in_seeds_alone():
    trainings = [replace(TRAINING, k_tr=k_tr, seed=seed) for k_tr in (8, 32) for seed in (0, 1)]
    first, second = sheets(cells_of(*trainings), "task", "pairing")
    assert (first.title, second.title) == ("k_tr=8", "k_tr=32") and first.rows == ("color", "digit")
    for sheet in (first, second):
        assert all(sorted(cell.parameters["seed"] for cell in cells) == ["0", "1"] for cells in sheet.cells.values())
        assert {cell.parameters["k_tr"] for cells in sheet.cells.values() for cell in cells} == {sheet.title[5:]}


def test_a_title_leaves_out_what_a_cell_does_not_have():
    assert place_title(["k_tr", "root", "arch"], ["8", "", "a"]) == "k_tr=8, arch=a"
    assert {data_of(question).digits for question in ALIKE["folders"]} == {"/a", "/b"}
