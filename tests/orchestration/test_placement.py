"""Shares of jobs, whether they fit the cluster, and the refusal of a plan that cannot fit, with the arithmetic."""

from __future__ import annotations

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    NearestNeighbours,
    Quality,
    SameClass,
    Training,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.plan import Job, build, group
from mi_ray.orchestration.cluster import Capacity, Share
from mi_ray.orchestration.placement import (
    LONG,
    ON_GPU,
    ON_GPU_IF_LONG,
    Occupancy,
    Team,
    job_share,
    loaders,
    refuse_what_cannot_fit,
    training_slots,
)

LAPTOP = Capacity((Share(2, 0),))
NODES = Capacity((Share(4, 0), Share(4, 1), Share(4, 1)))


def jobs(**training: int) -> list[Job]:
    """The jobs of one encoder: a training, an embedding and a linear evaluation."""
    encoder = Training(data=CDP(), pairing=SameClass(task="color"), arch="resnet10t", **training)
    question = LinearEvaluation(embedding=Embedding(encoder=encoder), task="color")
    return group(build([question], lambda data: "d").cells.values())


TRAINING, EMBEDDING, EVALUATION = jobs()


def test_one_worker_takes_a_core_and_a_gpu_where_there_are_any():
    assert [job_share(job, LAPTOP, Team()) for job in (TRAINING, EMBEDDING, EVALUATION)] == 3 * [Share(1, 0)]
    assert [job_share(job, NODES, Team()).gpus for job in (TRAINING, EMBEDDING, EVALUATION)] == [1, 1, 0]


def test_several_workers_and_their_trial_fill_their_cores():
    assert job_share(TRAINING, LAPTOP, Team(workers=2)) == Share(0.01 + 2 * 0.99, 0)
    refuse_what_cannot_fit([TRAINING], LAPTOP, Team(workers=2))
    assert training_slots(LAPTOP, Team(workers=2)) == 1
    assert training_slots(NODES, Team(workers=2)) == 1


def test_parts_of_gpus_let_more_jobs_run_side_by_side():
    assert training_slots(NODES, Team(gpus=0.5)) == 4
    assert training_slots(NODES, Team(gpus=0.25)) == 8
    assert training_slots(NODES, Team(gpus=0)) == 12


@pytest.mark.parametrize(
    ("capacity", "team", "message"),
    [
        (LAPTOP, Team(workers=4), r"4 workers of 0.99 CPU and 0 GPU and a trial of 0.01 CPU and 0 GPU take 3.97 CPU"),
        (LAPTOP, Team(workers=2, gpus=1), r"the cluster has 1 node with 2 CPU and 0 GPU, room for 0"),
        (NODES, Team(workers=4), r"the cluster has 3 nodes with 4 CPU and 0 GPU, 4 CPU .*, room for 2; allowed: 2"),
        (LAPTOP, Team(gpus=0.5), r"gpus: a training takes 1 CPU and 0.5 GPU; the cluster has 1 node"),
        (NODES, Team(gpus=2), r"gpus: a training takes 1 CPU and 2 GPU"),
    ],
)
def test_what_can_never_fit_is_refused_with_the_arithmetic(capacity, team, message):
    with pytest.raises(Refused, match=message):
        refuse_what_cannot_fit([EVALUATION, TRAINING], capacity, team)


def test_a_cluster_that_grows_is_taken_for_what_it_may_become():
    head = Capacity((Share(2, 0),), grows_to=Share(34, 4))
    refuse_what_cannot_fit([TRAINING], head, Team(workers=4))
    assert job_share(TRAINING, head, Team(workers=4)).gpus == 4 and training_slots(head, Team(workers=2)) == 2
    with pytest.raises(Refused, match="and grows to 34 CPU and 4 GPU, room for 4; allowed: 4 or fewer"):
        refuse_what_cannot_fit([TRAINING], head, Team(workers=8))


def test_pairs_that_workers_cannot_share_are_refused():
    with pytest.raises(Refused, match="workers: 2 is not allowed; allowed: a divisor of k_tr, 63"):
        refuse_what_cannot_fit(jobs(k_tr=63), NODES, Team(workers=2))


@pytest.mark.parametrize(
    ("field", "team"),
    [("workers", {"workers": 0}), ("gpus", {"gpus": 1.5}), ("gpus", {"gpus": -1}), ("loaders", {"loaders": -1})],
)
def test_nonsense_is_refused(field, team):
    with pytest.raises(Refused, match=f"{field}: "):
        Team(**team)


def test_jobs_start_while_they_fit_and_one_alone_always_does():
    occupancy = Occupancy(NODES, Team(gpus=0.5))
    first, second = jobs(k_tr=32)[0], jobs(k_tr=16)[0]
    assert occupancy.fits(TRAINING)
    for job in (TRAINING, first, second):
        occupancy.take(job)
    assert occupancy.fits(EMBEDDING)
    occupancy.capacity = Capacity((Share(4, 1),))
    assert not occupancy.fits(EMBEDDING)
    for job in (TRAINING, first, second):
        occupancy.free(job)
    occupancy.capacity = LAPTOP
    assert occupancy.fits(EMBEDDING)


def streamed(arch: str = "resnet50") -> list[Job]:
    """The jobs of one encoder on photographs that no memory holds: 5 and 15 loaders keep up with it on a GPU."""
    data = Labelled(name="imagenet-1k", side=224)
    encoder = Training(data=data, pairing=SameClass(task="class"), arch=arch, k_tr=256)
    question = LinearEvaluation(embedding=Embedding(encoder=encoder), task="class")
    held = Counts(train=10**6, validation=10**5, test=5 * 10**4, classes=1000)
    return group(build([question], lambda data: "d", lambda data: held).cells.values())


@pytest.mark.parametrize(
    ("nodes", "gpus", "training", "embedding"),
    [
        ((Share(4, 1),), None, 3, 3),
        ((Share(8, 1), Share(64, 0)), None, 5, 7),
        ((Share(64, 1),), None, 5, 15),
        ((Share(64, 8),), None, 5, 7),
        ((Share(64, 8),), 0.5, 3, 3),
        ((Share(1, 1),), None, 0, 0),
        ((Share(64, 0),), None, 0, 0),
    ],
)
def test_loaders_are_those_needed_as_far_as_the_cores_of_a_node_go_for_each_of_its_gpus(
    nodes: tuple[Share, ...], gpus: float | None, training: int, embedding: int
) -> None:
    capacity, team = Capacity(nodes), Team(gpus=gpus)
    assert [loaders(job, capacity, team) for job in streamed()] == [training, embedding, 0]
    assert [job_share(job, capacity, team).cpus for job in streamed()] == [1 + training, 1 + embedding, 1]
    refuse_what_cannot_fit(streamed(), capacity, team)


def test_slots_leave_room_for_the_loaders_of_every_training() -> None:
    node, training = Capacity((Share(8, 4),)), streamed()[:1]
    assert training_slots(node, Team(), training) == 4 == training_slots(node)
    assert training_slots(node, Team(loaders=3), training) == 2


def test_images_that_are_resident_need_no_loader_whatever_the_option() -> None:
    capacity = Capacity((Share(64, 8),))
    assert [
        loaders(job, capacity, Team(loaders=n)) for job in (TRAINING, EMBEDDING, EVALUATION) for n in (None, 4)
    ] == 6 * [0]


def test_a_node_that_the_autoscaler_has_yet_to_start_has_its_share_of_what_it_declares() -> None:
    head = Capacity((Share(0, 0),), grows_to=Share(32, 8))
    assert [loaders(job, head, Team()) for job in streamed()] == [3, 3, 0]
    refuse_what_cannot_fit(streamed(), head, Team())


def test_workers_of_a_team_have_as_many_loaders_as_leave_a_place_for_all_of_them() -> None:
    node, team = Capacity((Share(8, 2),)), Team(workers=2)
    training = streamed()[0]
    assert loaders(training, node, team) == 3 and job_share(training, node, team) == Share(0.01 + 2 * 3.99, 2)
    uneven = Capacity((Share(8, 1), Share(2, 1)))
    assert loaders(training, uneven, team) == 1
    for capacity in (node, uneven):
        refuse_what_cannot_fit([training], capacity, team)


def test_a_number_of_loaders_is_taken_as_it_is_or_refused_with_one_that_fits() -> None:
    capacity = Capacity((Share(8, 1),))
    assert [loaders(job, capacity, Team(loaders=2)) for job in streamed()] == [2, 2, 0]
    assert [loaders(job, capacity, Team(loaders=0)) for job in streamed()] == [0, 0, 0]
    refuse_what_cannot_fit(streamed(), capacity, Team(loaders=7))
    with pytest.raises(Refused, match=r"loaders: a training with 8 loaders takes 9 CPU and 1 GPU.*allowed: 5 or fewer"):
        refuse_what_cannot_fit(streamed(), capacity, Team(loaders=8))
    with pytest.raises(Refused, match="gpus: a training takes"):
        refuse_what_cannot_fit(streamed(), capacity, Team(gpus=2))


def test_moments_by_worker_ask_for_as_many_workers():
    by_worker = jobs(batch_norm_parts=2)
    refuse_what_cannot_fit(by_worker, LAPTOP, Team(workers=2))
    with pytest.raises(Refused, match="workers: 1 is not allowed; allowed: 2, the batch_norm_parts of a training"):
        refuse_what_cannot_fit(by_worker, LAPTOP, Team())


# Questions


def questions(data: CDP, arch: str) -> list[Job]:
    """A job for each kind of question to one encoder."""
    embedding = Embedding(encoder=Training(data=data, pairing=SameClass(task="color"), arch=arch))
    asked = [
        LinearEvaluation(embedding=embedding, task="color"),
        NearestNeighbours(embedding=embedding, task="color"),
        Geometry(embedding=embedding, pairing=SameClass(task="color")),
        Estimation(embedding=embedding, pairing=SameClass(task="color")),
        Quality(embedding=embedding, pairing=SameClass(task="color")),
    ]
    return [job for job in group(build(asked, lambda data: "d").cells.values()) if job.kind not in ON_GPU]


LARGE = CDP(train_images=10**6, validation_images=10**5, test_images=10**5)


def test_every_question_takes_a_gpu_only_if_a_core_would_need_more_than_a_minute():
    few, many = (
        questions(CDP(train_images=1024, validation_images=1024, test_images=1024), "resnet10t"),
        questions(LARGE, "resnet50"),
    )
    assert {job.kind for job in few} == {job.kind for job in many} == ON_GPU_IF_LONG
    for job in [*few, *many]:
        assert job_share(job, NODES, Team()).gpus == (job_work(job) > LONG), job.kind
    assert [job_share(job, NODES, Team()).gpus for job in many] == 5 * [1]
    assert {job_share(job, LAPTOP, Team()) for job in many} == {Share(1, 0)}


def test_a_long_question_takes_the_part_of_a_gpu_that_a_training_takes_but_never_two():
    long = questions(LARGE, "resnet50")[0]
    assert [job_share(long, NODES, Team(gpus=gpus)).gpus for gpus in (0, 0.25, 1, 2)] == [0, 0.25, 1, 1]
