"""What does not fit is told in a dry run and refused by a run before an image is made; forecasts count the folders."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads

import numpy as np
import pytest
import torch
from PIL import Image

from mi_ray.compute.images import catalogue
from mi_ray.experiments.declare import Embedding, Labelled, LinearEvaluation, SimCLR, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.plan.plan import Job, build, group
from mi_ray.experiments.plan.resources import Machine
from mi_ray.experiments.run import job as run_job
from mi_ray.experiments.run import serial
from mi_ray.experiments.store.store import Store
from mi_ray.launch import launch, run
from mi_ray.orchestration import data_parallel, sweep
from mi_ray.orchestration.cluster import Capacity, Share
from mi_ray.orchestration.placement import Team
from mi_ray.running import refusals
from sweeps.objectives import STUDY
from tests.running.studies import order_in

ROOMY = Machine(memory=2**36, disk=2**40, cores=8)


def machine_is(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr(refusals, "this_machine", lambda folder: machine)


def photographs(folder: Path, n: int = 24) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "eel"):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


def dry_run(store: Path, *flags: str) -> None:
    axes = ["--axis", "data=folder", "--axis", "side=32", "--axis", "views=2000"]
    with pytest.raises(SystemExit) as ended:
        launch(STUDY, ["--dry-run", "--on", "here", "--store", str(store), *axes, *flags])
    assert ended.value.code == 0


def test_the_forecast_of_a_folder_follows_what_is_in_it_and_says_when_it_is_a_guess(tmp_path, capsys) -> None:
    alone = ("--axis", "seed=0", "--axis", "objective=class")
    dry_run(tmp_path / "runs", "--axis", f"root={photographs(tmp_path / 'photos')}", *alone)
    counted = capsys.readouterr().out
    assert "72 images (train" in counted and "note " not in counted and "disk " in counted and "memory " in counted
    dry_run(tmp_path / "runs", "--axis", f"root={tmp_path / 'nowhere'}", *alone)
    assumed = capsys.readouterr().out
    assert f"note      folder {tmp_path}/nowhere has not been read: 50,000 images of 100 classes are assumed" in assumed
    times = [sum(map(int, re.findall(r"(\d+) s  embedding", text))) for text in (counted, assumed)]
    assert times[0] < 3 and times[1] > 10


def test_a_folder_is_listed_once_for_a_whole_dry_run(tmp_path, monkeypatch, capsys) -> None:
    listed, found_in = [], catalogue.found_in
    monkeypatch.setattr(catalogue, "found_in", lambda *place: listed.append(place) or found_in(*place))
    dry_run(tmp_path / "runs", "--axis", f"root={photographs(tmp_path / 'photos')}", "--axis", "seed=0,1,2")
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("machine", "field"),
    [(Machine(memory=2**36, disk=2**20, cores=2), "store"), (Machine(memory=2**20, disk=2**40, cores=2), "memory")],
)
def test_what_does_not_fit_is_refused_before_images_are_made_and_told_in_a_dry_run(
    machine: Machine, field: str, tmp_path, monkeypatch, capsys
) -> None:
    machine_is(monkeypatch, machine)
    with pytest.raises(Refused, match=f"^{field}: .*; allowed: "):
        run(order_in(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
    assert run(order_in(tmp_path / "runs", dry_run=True)) == 0
    assert f"\nrefused   {field}: " in capsys.readouterr().out
    machine_is(monkeypatch, ROOMY)
    assert run(order_in(tmp_path / "runs", dry_run=True)) == 0
    assert "refused" not in capsys.readouterr().out


def test_memory_is_not_refused_for_a_cluster_elsewhere(tmp_path, monkeypatch) -> None:
    machine_is(monkeypatch, Machine(memory=2**20, disk=2**40, cores=2))
    refusals.refuse_what_lacks_room(order_in(tmp_path, on="ray", address="auto"))
    with pytest.raises(Refused, match="memory"):
        refusals.refuse_what_lacks_room(order_in(tmp_path, on="ray"))


def streamed() -> list[Job]:
    """A training and an embedding of photographs that are streamed, and a question; a small arch decodes nothing."""
    training = Training(data=Labelled(name="imagenet-1k", side=64), pairing=SimCLR(), arch="test_resnet")
    question = LinearEvaluation(embedding=Embedding(encoder=training), task="class")
    held = Counts(train=10**6, validation=10**5, test=10**5, classes=1000)
    return group(build([question], lambda data: "d", lambda data: held).cells.values())


class Silent:
    def waiting(self, job: Job, reason: str) -> None: ...

    def silent(self, job: Job, reason: str) -> None: ...

    def died(self, job: Job, reason: str) -> None: ...
    def started(self, job: Job) -> None: ...
    def finished(self, job: Job) -> None: ...
    def failed(self, job: Job, reason: str) -> None: ...
    def tick(self) -> None: ...


@pytest.mark.parametrize(("option", "of_encoders"), [(None, 3), (2, 2), (0, 0), (9, 3)])
def test_the_serial_runner_gives_loaders_to_cells_that_stream_and_leaves_itself_a_core(
    option: int | None, of_encoders: int, tmp_path, monkeypatch
) -> None:
    given: dict[str, int] = {}
    monkeypatch.setattr(serial, "cores", lambda: 4)
    monkeypatch.setattr(run_job, "compute", lambda job, *args, loaders, **others: given.setdefault(job.kind, loaders))
    serial.run_here(streamed(), {"d": None}, Store(tmp_path), Silent(), loaders=option)
    assert given == {"training": of_encoders, "embedding": of_encoders, "evaluation": 0}


def test_the_serial_runner_ticks_beside_the_computation_so_that_a_screen_can_tell_how_it_stands(tmp_path, monkeypatch):
    class Clock(Silent):
        ticked = Event()

        def tick(self) -> None:
            self.ticked.set()

    heard = Clock()
    monkeypatch.setattr(serial, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(run_job, "compute", lambda *args, **others: heard.ticked.wait(20))
    serial.run_here(streamed()[:1], {"d": None}, Store(tmp_path), heard)
    assert heard.ticked.is_set()
    assert not any(thread.name == "tick" for thread in enumerate_threads())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_trial_computes_with_the_loaders_whose_cores_it_takes(workers: int, tmp_path, monkeypatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(run_job, "compute", lambda job, *args, loaders, **others: given.append(loaders))
    monkeypatch.setattr(
        data_parallel, "train_together", lambda job, *args, loaders, **others: given.append(loaders) or ""
    )
    capacity, team = Capacity((Share(8, 0),)), Team(workers=workers)
    work = sweep.Computing({"d": None}, Store(tmp_path), team, capacity)
    threads = torch.get_num_threads()
    for job in streamed():
        work(job, tmp_path)
    torch.set_num_threads(threads)
    assert given == [sweep.loaders(job, capacity, team) for job in streamed()] and given[0] > 0 == given[-1]
