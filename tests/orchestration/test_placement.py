"""Shares of jobs, whether they fit the cluster, and the refusal of a plan that cannot fit, with the arithmetic."""

from __future__ import annotations

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    Estimation,
    Geometry,
    LinearEvaluation,
    NearestNeighbours,
    SameClass,
    Training,
)
from mi_ray.experiments.declare.checks import Refused
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
    ("field", "team"), [("workers", {"workers": 0}), ("gpus", {"gpus": 1.5}), ("gpus", {"gpus": -1})]
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
    assert [job_share(job, NODES, Team()).gpus for job in many] == 4 * [1]
    assert {job_share(job, LAPTOP, Team()) for job in many} == {Share(1, 0)}


def test_a_long_question_takes_the_part_of_a_gpu_that_a_training_takes_but_never_two():
    long = questions(LARGE, "resnet50")[0]
    assert [job_share(long, NODES, Team(gpus=gpus)).gpus for gpus in (0, 0.25, 1, 2)] == [0, 0.25, 1, 1]
