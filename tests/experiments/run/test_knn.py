"""kNN accuracy as a question: its key, parameters and name, and its result through a whole run."""

import numpy as np
import pytest
import torch

from mi_ray.experiments.declare import Embedding, Labelled, NearestNeighbours, SimCLR, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.declare.knn import KNN_ACCURACY, KNN_BALANCED_ACCURACY
from mi_ray.experiments.declare.measures import measure_named
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.embedding import h_of
from mi_ray.experiments.run.knn import voted
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DIGITS = Labelled(name="digits", half="first", held_out=0.2)
TRAINING = Training(data=DIGITS, pairing=SimCLR(), arch="resnet10t", k_tr=8, views=48, hidden=16, out=8)
QUESTION = NearestNeighbours(embedding=Embedding(encoder=TRAINING), task="class")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    data = prepare(DIGITS, store)
    plan = build([QUESTION], lambda _: data.digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {data.digest: data}, store, Quiet())
    return store, data, {cell.kind: cell for cell in plan.cells.values()}


def test_a_run_commits_the_accuracy_with_its_standard_error(run):
    store, data, cells = run
    result = store.read(cells["knn"].key).result
    assert 0.5 < result["knn_accuracy"] <= 1  # five digits: even pixels tell them, chance is .2
    assert 0 < result["knn_accuracy_standard_error"] < 0.1
    assert result == voted(QUESTION, data, h_of(cells["embedding"].key, store), torch.device("cpu"))


def test_the_result_is_that_of_its_neighbours_chosen_on_validation(run):
    store, data, cells = run
    h = h_of(cells["embedding"].key, store)
    labels = {split: data.split(split).attributes[:, 0] for split in h}
    unit = {split: rows / np.linalg.norm(rows, axis=1, keepdims=True) for split, rows in h.items()}
    result = store.read(cells["knn"].key).result
    cosine = unit["test"] @ unit["train"].T
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : result["knn_neighbours_chosen"]]
    weights = np.exp(np.take_along_axis(cosine, nearest, axis=1) / 0.07)
    votes = np.stack([(weights * (labels["train"][nearest] == c)).sum(1) for c in range(5)], axis=1)
    assert np.mean(votes.argmax(1) == labels["test"]) == pytest.approx(result["knn_accuracy"], abs=0.01)


def test_every_field_enters_key_and_parameters(run):
    _, _, cells = run
    others = [
        NearestNeighbours(embedding=QUESTION.embedding, task="class", neighbours=(5,)),
        NearestNeighbours(embedding=QUESTION.embedding, task="class", temperature=0.1),
    ]
    assert len({cell_key(question, "d") for question in [QUESTION, *others]}) == 3
    assert cells["knn"].parameters["knn_neighbours"] == "10 20 50 100 200"
    assert cells["knn"].parameters["task"] == "class"
    plan = build([QUESTION, *others], lambda _: "d")
    assert len({plan.name(cell) for cell in plan.cells.values()}) == len(plan.cells)


def test_a_matrix_finds_the_standard_error_by_the_name_of_the_accuracy():
    for measure in (KNN_ACCURACY, KNN_BALANCED_ACCURACY):
        assert measure_named(measure.name).error == measure.error


@pytest.mark.parametrize(
    ("field", "wrong"), [("task", "colour"), ("neighbours", ()), ("neighbours", (0,)), ("temperature", 0.0)]
)
def test_nonsense_is_refused_with_the_field(field, wrong):
    with pytest.raises(Refused, match=field):
        NearestNeighbours(**{"embedding": QUESTION.embedding, "task": "class"} | {field: wrong})
