"""Every kind of cell, computed small from images to results: other objectives, negatives, checkpoints and views."""

import json
from math import isfinite, log2

import pytest

from mi_ray.experiments.declare import (
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
    data_of,
)
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DIGITS = Labelled(name="digits", half="first", held_out=0.2)
AGAINST = Labelled(name="digits", half="first", held_out=0.2, negatives=Noise(images=64))
SHORT = {"arch": "resnet10t", "k_tr": 8, "views": 48, "hidden": 16, "out": 8}
QUICK = {"k_est": 32, "batches": 2, "critics": 1, "k_fit": 8, "steps": 2}


def computed(questions, store):
    """The plan of some questions, and the results of its cells by kind."""
    data = {declared: prepare(declared, store) for declared in dict.fromkeys(map(data_of, questions))}
    plan = build(questions, lambda declared: data[declared].digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {made.digest: made for made in data.values()}, store, Quiet())
    assert plan.missing_jobs(store) == []
    return plan, {cell.kind: store.read(cell.key) for cell in plan.cells.values()}


@pytest.fixture(scope="module")
def simclr(tmp_path_factory):
    """An encoder of others' layout, asked about classes and about views."""
    store = Store(tmp_path_factory.mktemp("store"))
    training = Training(data=DIGITS, pairing=SimCLR(), **SHORT)
    encoder = Checkpoint(data=DIGITS, arch="resnet10t", source=training, layout="moco", hidden=16, out=8, name="ours")
    plain, views = Embedding(encoder=encoder), Views(encoder=encoder, pairing=SimCLR(), per_image=3)
    same_class = SameClass(task="class")
    questions = [
        LinearEvaluation(embedding=plain, task="class"),
        Estimation(embedding=plain, pairing=same_class, **QUICK),
        Geometry(embedding=plain, pairing=same_class),
        Estimation(embedding=views, pairing=SimCLR(), **QUICK),
        Geometry(embedding=views, pairing=SimCLR()),
    ]
    plan, _ = computed(questions, store)
    return store, plan


def of_kind(simclr, kind, task=None):
    store, plan = simclr
    cells = [c for c in plan.cells.values() if c.kind == kind and task in (None, c.parameters.get("task"))]
    assert len(cells) == 1
    return store.read(cells[0].key)


def test_a_checkpoint_of_ours_is_read_back_and_known_by_its_name(simclr):
    result = of_kind(simclr, "checkpoint").result
    assert (result["layout"], result["ran_code"]) == ("moco", False)
    assert len(result["sha256"]) == 64
    _, plan = simclr
    names = {cell.kind: cell.parameters.get("encoder") for cell in plan.cells.values()}
    assert names["training"] is None
    assert names["checkpoint"] == names["embedding"] == names["evaluation"] == "ours"


def test_an_encoder_read_back_embeds_as_the_one_that_was_trained(simclr):
    store, plan = simclr
    keys = {cell.kind: cell.key for cell in plan.cells.values()}
    trained = store.read(keys["training"]).file("encoder.safetensors").read_bytes()
    assert store.read(keys["checkpoint"]).file("encoder.safetensors").read_bytes() == trained


def test_the_tasks_of_a_labelled_data_set_are_evaluated_and_estimated(simclr):
    assert of_kind(simclr, "evaluation").result["linear_accuracy"] > 0
    assert of_kind(simclr, "estimation", "class").result["class_entropy_bits"] == pytest.approx(log2(5))


def test_views_are_kept_as_many_as_declared_and_estimated_without_a_certificate(simclr):
    _, plan = simclr
    views = next(cell for cell in plan.cells.values() if cell.kind == "views")
    assert views.parameters["views_per_image"] == "3"
    result = of_kind(simclr, "estimation", "simclr").result
    assert result["certified"] is False
    assert "no known truth" in result["not_certified"]
    assert isfinite(result["nominal_bits"])
    assert result["nominal_ceiling_bits"] < result["nominal_bound_bits"] == pytest.approx(log2(63))


def test_geometry_is_measured_of_classes_and_of_views(simclr):
    of_class, of_views = of_kind(simclr, "geometry", "class").result, of_kind(simclr, "geometry", "simclr").result
    assert of_class["alignment"] == pytest.approx(2 - 2 * of_class["tolerance"])
    assert of_views.keys() == {"alignment", "alignment_standard_error", "uniformity", "uniformity_standard_error"}


@pytest.mark.parametrize(
    "training",
    [
        Training(data=DIGITS, pairing=SimCLR(), objective=SupCon(task="class"), **SHORT),
        Training(data=AGAINST, pairing=SimCLR(), **SHORT),
    ],
    ids=["sup_con", "negatives"],
)
def test_an_objective_that_is_not_eq_4_makes_no_in_training_estimate(training, tmp_path):
    question = LinearEvaluation(embedding=Embedding(encoder=training), task="class")
    _, cells = computed([question], Store(tmp_path))
    assert cells["training"].result.keys() == {"loss_nats", "first_loss_nats", "steps", "not_learned"}
    assert json.dumps(cells["training"].history).count("in_training") == 0
