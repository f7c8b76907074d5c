"""The online probe: kNN accuracy of the checkpoints of running trainings, in a process that no training waits for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.probes.nearest import evaluate_nearest
from mi_ray.experiments.declare import CDP, Embedding, Estimation, SameClass, SimCLR, Training
from mi_ray.experiments.images.pairs import labelled
from mi_ray.experiments.images.prepared import PreparedData, prepare
from mi_ray.experiments.plan.plan import Job, Plan, build
from mi_ray.experiments.run import loop
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.run.loop import Leaving
from mi_ray.experiments.store.store import Store
from mi_ray.running import panels
from mi_ray.running.probing import accuracy, process
from mi_ray.running.probing.accuracy import Probed, encoder_in, online_accuracies, step_of
from mi_ray.running.probing.process import OnlineProbe, tasks_of
from tests.running.studies import SMALL, order_in

CPU = torch.device("cpu")
TASKS = ("color", "digit")


def plan_in(store: Store, data: PreparedData) -> Plan:
    return order_in(store.root, SMALL).renewed(lambda images: data.digest).whole


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, PreparedData, Job]:
    """A training that left after two steps, with a checkpoint."""
    store = Store(tmp_path_factory.mktemp("saved"))
    store.prepare()
    data = prepare(CDP(train_images=1024, validation_images=1024, test_images=1024), store)
    job = next(job for job in plan_in(store, data).missing_jobs(store) if job.kind == "training")
    seconds, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, 0.0
    try:
        with pytest.raises(Leaving):
            compute(job, data, store, device=CPU, leaving=lambda: any(store.backend.checkpoints(job.key)))
    finally:
        loop.CHECKPOINT_SECONDS = seconds
    return store, data, job


def probed(data: PreparedData, job: Job) -> Probed:
    declaration = job.cells[0].declaration
    assert isinstance(declaration, Training)
    return Probed(key=job.key, training=declaration, data=data, tasks=TASKS)


def test_its_accuracy_is_that_of_the_knn_evaluation_on_the_validation_images_of_the_part(saved, monkeypatch):
    store, data, job = saved
    monkeypatch.setattr(accuracy, "MOST", {"train": 300, "validation": 100})
    asked = probed(data, job)
    newest, parts = next(iter(store.backend.checkpoints(job.key))), asked.parts()
    assert {split: len(part) for split, part in parts.items()} == {"train": 300, "validation": 100}
    encoder = encoder_in(newest, asked.training)
    found = online_accuracies(encoder, parts, asked.tasks)
    h = {split: embed(encoder, part, device=CPU) for split, part in parts.items()}
    for task in TASKS:
        labels = {split: labelled(task, part)[0] for split, part in parts.items()}
        judged = evaluate_nearest(
            h | {"test": h["validation"]}, labels | {"test": labels["validation"]}, 10, np.arange(100),
            neighbours=[accuracy.NEIGHBOURS], temperature=accuracy.TEMPERATURE,
        )  # fmt: skip
        assert found[f"online_knn_accuracy_{task}"] == judged.accuracy
    assert found["online_knn_accuracy_color"] > 0.3, "colours are seen by an untrained encoder"


@pytest.mark.slow
def test_the_process_probes_a_checkpoint_once_and_ends_with_its_driver(saved):
    store, data, job = saved
    step = step_of(next(iter(store.backend.checkpoints(job.key))))
    with OnlineProbe(lambda: plan_in(store, data), store, {data.digest: data}) as probe:
        probe.began(job)
        process_id = probe._process.pid
        until = time.monotonic() + 60
        while not store.probes(job.key):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert os.getpriority(os.PRIO_PROCESS, process_id) == process.LEAST_PRIORITY
        assert os.getsid(process_id) == process_id
        group = Path(f"/proc/{process_id}/autogroup")
        assert not group.is_file() or group.read_text().endswith(f" nice {process.LEAST_PRIORITY}\n")
        probe.ended(job)
    assert not Path(f"/proc/{process_id}").exists()
    process._look(store, probed(data, job), {})
    (row,) = store.probes(job.key)
    assert row["step"] == step and row.keys() == {"step", "online_knn_accuracy_color"}
    assert list((store.root / "cells").iterdir()) == []


def test_a_job_that_is_no_training_starts_no_process(saved):
    store, data, _ = saved
    plan = plan_in(store, data)
    other = next(job for job in plan.missing_jobs(store) if job.kind == "embedding")
    with OnlineProbe(lambda: plan, store, {data.digest: data}) as probe:
        probe.began(other)
        probe.ended(other)
        assert probe._process is None


def test_a_checkpoint_that_cannot_be_read_is_said_once_and_its_training_is_probed_no_more(saved, capsys, monkeypatch):
    store, data, job = saved
    told = Told([probed(data, job)])
    monkeypatch.setattr(process, "encoder_in", lambda *_: {}["no such tensor"])
    monkeypatch.setattr(process, "take_least_priority", lambda: None)
    monkeypatch.setattr(process.signal, "signal", lambda *_: None)
    monkeypatch.setattr(Store, "probes", lambda store, key: [])
    process.probe(store, told)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("probe: test_resnet: ") and line.endswith("; not probed any more")


class Told:
    """The end of a pipe that gives its messages, then lets the process look twice, then is closed."""

    def __init__(self, messages: list[Probed | str]) -> None:
        self.messages, self.looks = messages, 3

    def poll(self, seconds: float) -> bool:
        self.looks -= not self.messages
        return bool(self.messages) or not self.looks

    def recv(self) -> Probed | str:
        if self.messages:
            return self.messages.pop()
        raise EOFError


def training_of(pairing: SameClass | SimCLR) -> Training:
    return Training(data=CDP(), pairing=pairing, arch="test_resnet")


@pytest.mark.parametrize(
    ("pairing", "tasks"), [(SameClass(task="digit"), ("digit",)), (SimCLR(), ("color",))], ids=["class", "views"]
)
def test_without_evaluations_the_tasks_are_that_of_the_pairs_or_the_first(pairing, tasks):
    training = training_of(pairing)
    alone = build([Estimation(embedding=Embedding(encoder=training), pairing=SameClass(task="all"))], lambda _: "d")
    key = next(cell.key for cell in alone.cells.values() if cell.kind == "training")
    assert tasks_of(alone, key, training) == tasks


def test_the_screen_says_what_the_last_probe_found():
    line = panels.moment({"loss_nats": 2.5}, {"step": 40.0, "online_knn_accuracy_color": 0.98765})
    assert line == "loss 2.500 nats  kNN color 0.988 at step 40"
    assert panels.moment({}, {}) == ""
