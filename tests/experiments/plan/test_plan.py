"""The plan: every cell once, upstream first, and only what is missing is a job."""

from collections import Counter

import pytest

from mi_ray.experiments.declare import CDP, Embedding, Estimation, LinearEvaluation, SameClass, SimCLR, Training
from mi_ray.experiments.plan.cost import job_work, predicted_work
from mi_ray.experiments.plan.plan import UNPREPARED, build
from mi_ray.experiments.store.files import write_json
from mi_ray.experiments.store.store import Store

TASKS = ("color", "digit", "position", "all")
DIGEST = "0" * 64


def questions(pairings=TASKS, tasks=TASKS, seeds=(0,), k_est=256):
    for seed in seeds:
        for pairing in pairings:
            training = Training(data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet", seed=seed)
            frozen = Embedding(encoder=training)
            for task in tasks:
                yield LinearEvaluation(embedding=frozen, task=task)
                yield Estimation(embedding=frozen, pairing=SameClass(task=task), k_est=k_est, seed=seed)


def plan_of(*arguments, **axes):
    return build(questions(*arguments, **axes), lambda data: DIGEST)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.prepare()
    return store


def commit(store, cell):
    attempt = store.attempt(cell.key)
    write_json(attempt.payload / "result.json", {})
    attempt.publish({"kind": cell.kind})


def test_a_grid_of_four_by_four_takes_28_jobs_for_40_cells(store):
    plan = plan_of()
    assert Counter(cell.kind for cell in plan.cells.values()) == {
        "training": 4, "embedding": 4, "evaluation": 16, "estimation": 16,
    }  # fmt: skip
    jobs = plan.missing_jobs(store)
    assert Counter(job.kind for job in jobs) == {"training": 4, "embedding": 4, "evaluation": 4, "estimation": 16}


def test_the_evaluations_of_an_encoder_share_a_job(store):
    jobs = [job for job in plan_of().missing_jobs(store) if job.kind == "evaluation"]
    for job in jobs:
        assert len(job.cells) == 4 and {cell.upstream for cell in job.cells} == {job.needs}


def test_evaluations_with_other_penalties_do_not_share_a_job(store):
    frozen = Embedding(encoder=Training(data=CDP(), pairing=SameClass(task="color"), arch="test_resnet"))
    questions = [LinearEvaluation(embedding=frozen, task=t, penalties=p) for t in TASKS for p in [(1e-3,), (1e-2,)]]
    jobs = build(questions, lambda data: DIGEST).missing_jobs(store)
    assert sorted(len(job.cells) for job in jobs if job.kind == "evaluation") == [4, 4]


def test_every_cell_comes_after_the_one_that_it_needs():
    plan = plan_of(seeds=(0, 1))
    seen = set()
    for cell in plan.cells.values():
        assert cell.upstream is None or cell.upstream in seen
        seen.add(cell.key)


def test_another_seed_adds_only_its_own_cells(store):
    narrow, wide = plan_of(seeds=(0,)), plan_of(seeds=(0, 1))
    assert narrow.cells.keys() < wide.cells.keys() and len(wide.cells) == 2 * len(narrow.cells)
    for cell in narrow.cells.values():
        commit(store, cell)
    assert narrow.missing_jobs(store) == []
    missing = {cell.key for job in wide.missing_jobs(store) for cell in job.cells}
    assert missing == wide.cells.keys() - narrow.cells.keys()


def test_another_task_asks_the_same_encoders(store):
    narrow, wide = plan_of(tasks=TASKS[:3]), plan_of()
    added = [wide.cells[key] for key in wide.cells.keys() - narrow.cells.keys()]
    assert Counter(cell.kind for cell in added) == {"evaluation": 4, "estimation": 4}


def test_two_studies_that_share_a_training_share_its_key():
    small, large = plan_of(pairings=["color"], k_est=64), plan_of(pairings=["color", "all"], k_est=256)
    assert {cell.kind for key, cell in small.cells.items() if key in large.cells} == {
        "training",
        "embedding",
        "evaluation",
    }


def test_only_keeps_what_is_upstream():
    kept = plan_of().only("evaluation pairing=color task=digit*")
    assert [cell.kind for cell in kept.cells.values()] == ["training", "embedding", "evaluation"]
    assert {cell.parameters["pairing"] for cell in kept.cells.values()} == {"color"}


def test_only_without_a_match_is_an_empty_plan():
    assert plan_of().only("nonsense").cells == {}


def test_names_tell_kind_and_what_varies():
    plan = plan_of(pairings=["color", "all"], tasks=["digit", "all"], seeds=(0, 1))
    names = [plan.name(cell) for cell in plan.cells.values()]
    assert len(set(names)) == len(names)
    assert names[0] == "training pairing=color seed=0"


def test_names_tell_augmentations_apart():
    data = CDP()
    trainings = [
        Training(data=data, pairing=SimCLR(jitter_strength=strength), arch="test_resnet") for strength in (0.5, 1.0)
    ]
    questions = [LinearEvaluation(embedding=Embedding(encoder=training), task="color") for training in trainings]
    plan = build(questions, lambda data: DIGEST)
    assert len({plan.name(cell) for cell in plan.cells.values()}) == len(plan.cells) == 6


def test_downstream_of_a_training_is_everything_that_rests_on_it():
    plan = plan_of(pairings=["color", "all"])
    training = next(cell for cell in plan.cells.values() if cell.kind == "training")
    below = plan.downstream(training.key)
    assert Counter(cell.kind for cell in below) == {"embedding": 1, "evaluation": 4, "estimation": 4}
    assert {cell.parameters["pairing"] for cell in below} == {"color"}


def test_images_that_are_not_prepared_key_cells_of_their_own():
    listed = build(questions(), lambda data: None)
    assert {cell.data_digest for cell in listed.cells.values()} == {UNPREPARED}
    assert listed.cells.keys().isdisjoint(plan_of().cells)


def test_an_estimation_costs_more_with_more_critics_steps_and_pairs():
    frozen = Embedding(encoder=Training(data=CDP(), pairing=SameClass(task="color"), arch="test_resnet"))

    def work(**fields):
        small = {"critics": 2, "steps": 50, "k_fit": 64, "k_est": 256, "batches": 2}
        return predicted_work(Estimation(embedding=frozen, pairing=SameClass(task="all"), **small | fields))

    for more in ({"critics": 4}, {"steps": 100}, {"k_fit": 128}, {"k_est": 512}, {"batches": 4}, {"penalties": (1, 2)}):
        assert work(**more) > work()
    assert work(k_est=2**12, batches=4) == work(k_est=2**20, batches=4), "more pairs cost nothing once images are drawn"


def test_the_work_of_a_job_is_that_of_its_cells(store):
    jobs = {job.kind: job for job in plan_of().missing_jobs(store)}
    together = jobs["evaluation"]
    assert job_work(together) == pytest.approx(sum(predicted_work(cell.declaration) for cell in together.cells))
    assert job_work(jobs["training"]) > job_work(jobs["embedding"]) > 0
