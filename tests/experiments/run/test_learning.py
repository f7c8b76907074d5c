"""Real trainings and embeddings say of themselves whether they learned; earlier ones are judged by what they have."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, log, log2

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Embedding,
    Labelled,
    LinearEvaluation,
    NTXent,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
)
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import Job, build
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.run.learning import (
    NOT_LEARNED,
    allowed_bits,
    doubts,
    faults,
    reasons_below,
    things_told_apart,
    why_not_learned,
)
from mi_ray.experiments.store.files import append_line, write_json
from mi_ray.experiments.store.store import Store
from mi_ray.theory.channel import LabelChannel

DATA = CDP(train_images=1024, validation_images=1024, test_images=1024)
PROPER = Training(
    data=DATA, pairing=SameClass(task="color"), arch="test_resnet", k_tr=16, views=16 * 2 * 60, hidden=32, out=16,
    learning_rate=1e-2,
)  # fmt: skip
UNTRAINED = replace(PROPER, learning_rate=1e-12)
ABSURD = replace(PROPER, learning_rate=1000.0, optimizer="sgd")
CHANCE = log(2 * 16 - 1)


def question(training):
    return LinearEvaluation(embedding=Embedding(encoder=training), task="color")


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """A store with the trainings and embeddings of three encoders, and the plan of a question to each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("store"))
    store.prepare()
    data = prepare(DATA, store)
    plan = build([question(training) for training in (PROPER, UNTRAINED, ABSURD)], lambda _: data.digest)
    for cell in plan.cells.values():
        if cell.kind != "evaluation":
            compute(Job((cell,)), data, store, device=torch.device("cpu"))
    torch.set_num_threads(threads)
    return store, plan


def result(computed, training, kind="training"):
    store, plan = computed
    wanted = {"training": training, "embedding": Embedding(encoder=training)}[kind]
    return store.read(next(key for key, cell in plan.cells.items() if cell.declaration == wanted)).result


def test_a_proper_training_says_nothing_against_itself(computed):
    assert result(computed, PROPER)[NOT_LEARNED] == ""
    assert result(computed, PROPER)["in_training_bits"] > 0.5
    assert result(computed, PROPER, "embedding")[NOT_LEARNED] == ""
    assert result(computed, PROPER, "embedding")["effective_rank"] > 1.25


def test_a_training_that_moved_no_weight_learned_nothing(computed):
    values = result(computed, UNTRAINED)
    assert values[NOT_LEARNED].startswith("learned nothing: the loss ended")
    assert values["first_loss_nats"] == pytest.approx(values["loss_nats"], abs=0.5)


def test_a_training_at_an_absurd_rate_learned_nothing(computed):
    assert "the loss ended" in result(computed, ABSURD)[NOT_LEARNED]


def test_faults_are_those_of_the_encoders_and_all_that_rests_on_them(computed):
    store, plan = computed
    reasons = faults(plan, store)
    listed = doubts(plan, reasons)
    assert {plan.cells[doubt.key].declaration for doubt in listed} == {UNTRAINED, ABSURD}, "each once"
    assert all("learning_rate=" in doubt.name and doubt.reason for doubt in listed)
    below = reasons_below(plan, reasons)
    declarations = {plan.cells[key].declaration for key in below if plan.cells[key].kind == "evaluation"}
    assert declarations == {question(UNTRAINED), question(ABSURD)}
    assert not {key for key, cell in plan.cells.items() if PROPER in (cell.declaration,)} & below.keys()


# Cells of an earlier version


def commit(store, cell, result, history=(), h=None):
    attempt = store.attempt(cell.key)
    write_json(attempt.payload / "result.json", result)
    for record in history:
        append_line(attempt.payload / "history.jsonl", record)
    if h is not None:
        save_file({"test": h}, attempt.payload / "h.safetensors")
    return attempt.publish({"kind": cell.kind})


@pytest.fixture
def plan():
    return build([question(PROPER)], lambda _: "d" * 64)


def older(bits):
    loss = CHANCE - bits * log(2)
    return {"loss_nats": loss, "in_training_bits": bits, "steps": 60}


def reports(values):
    return [{"step": step, **older(bits)} for step, bits in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(50), "learned nothing"),
        (np.minimum(np.linspace(0, 4, 50), 1.9), ""),
        ([*np.full(40, 1.9), *np.full(10, 0.2)], "collapsed in training"),
    ],
)
def test_an_earlier_training_is_judged_by_its_history(store, plan, values, says):
    cell = next(iter(plan.cells.values()))
    committed = commit(store, cell, older(float(np.mean(values[-5:]))), reports(values))
    reason = why_not_learned(cell, committed)
    assert reason.startswith(says) and bool(reason) == bool(says)


@pytest.mark.parametrize("bits", [0.0, -1.0, 1.9])
def test_an_earlier_training_without_a_history_is_judged_by_its_result(store, plan, bits):
    cell = next(iter(plan.cells.values()))
    assert bool(why_not_learned(cell, commit(store, cell, older(bits)))) == (bits < 0.1)


def test_earlier_embeddings_are_judged_by_what_they_are(store, plan):
    cell = list(plan.cells.values())[1]
    line = np.linspace(0, 1, 1024, dtype=np.float32)[:, None] * np.ones(64, dtype=np.float32)
    committed = commit(store, cell, {"width": 64, "images": 1024}, h=line)
    assert "effective rank 1.00" in why_not_learned(cell, committed)


def test_what_a_cell_says_of_itself_is_believed(store, plan):
    cell = next(iter(plan.cells.values()))
    assert why_not_learned(cell, commit(store, cell, older(0.0) | {NOT_LEARNED: ""})) == ""


def test_an_embedding_is_told_apart_from_its_training_only_where_that_is_well(plan):
    training, embedding, question = plan.cells
    assert [doubt.key for doubt in doubts(plan, {training: "a", embedding: "b"})] == [training]
    assert [doubt.key for doubt in doubts(plan, {embedding: "b"})] == [embedding]
    assert reasons_below(plan, {training: "a", embedding: "b"}) == dict.fromkeys((training, embedding, question), "a")
    assert reasons_below(plan, {embedding: "b"}) == {embedding: "b", question: "b"}


# What could be learned


def test_what_is_allowed_is_what_a_perfect_encoder_reads():
    channel = LabelChannel.uniform(4)
    assert allowed_bits(PROPER, None) == channel.nominal_ceiling_bits(16, temperature=0.2)
    simclr = replace(PROPER, pairing=SimCLR())
    assert allowed_bits(simclr, None) == pytest.approx(log2(31 / (1 + 30 * exp(-5))))
    supervised = replace(simclr, objective=SupCon(task="all"))
    assert allowed_bits(supervised, None) == LabelChannel.uniform(64).nominal_ceiling_bits(16, temperature=0.2)
    redrawn = replace(PROPER, pairing=SameClass(task="color", redraw=0.9))
    assert 0 < allowed_bits(redrawn, None) < 0.1
    folder = Labelled(name="folder", root="somewhere")
    assert allowed_bits(replace(PROPER, data=folder, pairing=SameClass(task="class")), None) is None


@pytest.mark.parametrize(
    ("encoder", "things"),
    [
        (PROPER, 4),
        (replace(PROPER, pairing=SameClass(task="all")), 64),
        (replace(PROPER, pairing=SimCLR()), inf),
        (replace(PROPER, pairing=SimCLR(), objective=SupCon(task="all")), 64),
        (replace(PROPER, pairing=SimCLR(), objective=NTXent()), inf),
        (Checkpoint(data=DATA, arch="test_resnet", source=PROPER), 4),
        (Checkpoint(data=DATA, arch="test_resnet", source="a file.pth"), None),
    ],
)
def test_how_many_things_an_encoder_tells_apart(encoder, things):
    assert things_told_apart(encoder) == things


def test_views_are_judged_as_embeddings_are(store):
    seen = Views(encoder=PROPER, pairing=SimCLR(), per_image=2)
    cell = next(c for c in build([question(PROPER)], lambda _: "d" * 64).cells.values() if c.kind == "embedding")
    cell = replace(cell, declaration=seen)
    h = np.ones((1024, 2, 8), dtype=np.float32)
    assert why_not_learned(cell, commit(store, cell, {}, h=h)) == "collapsed: the embeddings are one point"
