"""RankMe and analytic bounds as a question: its key, parameters and name, and its result through a whole run."""

from math import cosh, log

import pytest
import torch

from mi_ray.compute.probes.rank_me import rank_me
from mi_ray.experiments.declare import Embedding, Labelled, Quality, SameClass, SimCLR, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.geometry import BAO_LOWER, BAO_UPPER, H_LOSS
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.declare.measures import measure_named
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.embedding import h_of
from mi_ray.experiments.run.geometry import graded
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DIGITS = Labelled(name="digits", half="first", held_out=0.2)
TRAINING = Training(data=DIGITS, pairing=SimCLR(), arch="resnet10t", k_tr=8, views=48, hidden=16, out=8)
FROZEN = Embedding(encoder=TRAINING)
QUESTION = Quality(embedding=FROZEN, pairing=SameClass(task="class"), k_est=64, batches=8)
SHARES = Quality(embedding=FROZEN, pairing=SameClass(task="class", prior="empirical"), k_est=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    data = prepare(DIGITS, store)
    plan = build([QUESTION, SHARES], lambda _: data.digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {data.digest: data}, store, Quiet())
    results = {cell.declaration: store.read(cell.key).result for cell in plan.cells.values()}
    return data, h_of(next(c.key for c in plan.cells.values() if c.kind == "embedding"), store), results


def test_a_run_commits_the_loss_of_h_with_every_bound_of_it(run):
    data, h, results = run
    result = results[QUESTION]
    assert result == graded(QUESTION, data, h, torch.device("cpu"))
    assert result["rank_me"] == rank_me(h["test"]) and result["negatives"] == 63
    assert 0 < result["h_loss_standard_error_nats"] < 0.1
    assert result["bao_upper_nats"] == pytest.approx(result["h_loss_nats"] + log(5 * cosh(1) ** 2 / 63))
    assert result["bao_lower_nats"] < result["mean_classifier_loss_nats"] < log(5)
    for paper in ("bao", "arora", "nozawa_sato", "ash"):
        assert result["mean_classifier_loss_nats"] < result[f"{paper}_upper_nats"]
    assert result["bao_upper_nats"] == min(value for name, value in result.items() if name.endswith("_upper_nats"))


def test_bounds_that_need_equal_classes_or_more_negatives_are_not_committed(run):
    _, _, results = run
    upper = {name for name in results[SHARES] if name.endswith("_upper_nats")}
    assert upper == {"bao_upper_nats"}


def test_every_field_enters_key_and_parameters():
    pairing = SameClass(task="class")
    others = [
        Quality(embedding=FROZEN, pairing=pairing, **field) for field in ({"k_est": 8}, {"batches": 2}, {"seed": 1})
    ]
    questions = [QUESTION, SHARES, *others]
    assert len({cell_key(question, "d") for question in questions}) == 5
    plan = build(questions, lambda _: "d")
    assert len({plan.name(cell) for cell in plan.cells.values()}) == len(plan.cells)
    cell = next(cell for cell in plan.cells.values() if cell.declaration == QUESTION)
    assert (cell.parameters["task"], cell.parameters["k_est"], cell.parameters["quality_seed"]) == ("class", "64", "0")


def test_a_table_finds_the_standard_error_by_the_name_of_the_loss():
    assert measure_named(H_LOSS.name).error == H_LOSS.error == BAO_UPPER.error == BAO_LOWER.error


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("task", {"pairing": SameClass(task="color")}),
        ("redraw", {"pairing": SameClass(task="class", redraw=0.1)}),
        ("pairing", {"pairing": SimCLR()}),
        ("k_est", {"k_est": 1}),
        ("batches", {"batches": 0}),
        ("seed", {"seed": -1}),
    ],
)
def test_nonsense_is_refused_with_the_field(field, wrong):
    with pytest.raises(Refused, match=field):
        Quality(**{"embedding": FROZEN, "pairing": SameClass(task="class")} | wrong)
