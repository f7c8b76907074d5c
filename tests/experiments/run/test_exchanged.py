"""A checkpoint file that is exchanged after the plan is never stored under the key of the old one."""

from pathlib import Path

import pytest
import torch

from mi_ray.compute.frozen import checkpoint_files
from mi_ray.compute.training import networks
from mi_ray.experiments.declare import CDP, Checkpoint
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.images.prepared import PreparedData
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.run.checkpoint import Exchanged
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.store.files import sha256

DIGEST = "d" * 64


@pytest.fixture
def file(tmp_path):
    return saved(tmp_path / "encoder.pth", seed=0)


def saved(path: Path, *, seed: int) -> Path:
    torch.save(networks.encoder("test_resnet", seed=seed, stem="cifar").state_dict(), path)
    return path


def planned(file):
    declaration = Checkpoint(data=CDP(), arch="test_resnet", source=str(file), stem="cifar")
    return Cell(cell_key(declaration, DIGEST), declaration, None, DIGEST)


def computed(cell, store):
    compute(Job((cell,)), PreparedData(Path("nowhere"), DIGEST), store, device=torch.device("cpu"))
    return store.read(cell.key)


def test_a_file_that_stays_is_read(store, file):
    assert computed(planned(file), store).result["sha256"] == sha256(file)


def test_a_file_that_is_exchanged_after_the_plan_is_refused_and_the_next_plan_has_another_key(store, file):
    cell = planned(file)
    saved(file, seed=1)
    with pytest.raises(
        Exchanged, match=rf"^checkpoint: {file} was exchanged after the plan.*; the same command"
    ) as told:
        computed(cell, store)
    assert "\n" not in str(told.value) and not store.has(cell.key)
    assert planned(file).key != cell.key and computed(planned(file), store).result["sha256"] == sha256(file)


@pytest.mark.parametrize("reads_new", [False, True])
def test_a_file_that_is_exchanged_while_it_is_read_is_refused(store, file, monkeypatch, reads_new):
    cell, read = planned(file), checkpoint_files.read_state

    def exchanging(path, **options):
        if reads_new:
            saved(file, seed=1)
        state = read(path, **options)
        saved(file, seed=0 if reads_new else 1)
        return state

    monkeypatch.setattr(checkpoint_files, "read_state", exchanging)
    with pytest.raises(Exchanged):
        computed(cell, store)
    assert not store.has(cell.key)


def test_a_file_that_is_gone_after_the_plan_fails_in_one_line(store, file):
    cell = planned(file)
    file.unlink()
    with pytest.raises((OSError, ValueError), match=str(file)):
        computed(cell, store)
