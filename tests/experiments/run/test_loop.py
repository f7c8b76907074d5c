"""The training loop of a cell: where it was cut off leaves no trace in what comes out."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
import torch

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.pairs.augmentation import plain
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.training.trainer import Trainer
from mi_ray.experiments.declare import CDP, SameClass, Training
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import Cell, Job
from mi_ray.experiments.run import loop, training
from mi_ray.experiments.run.history import Diverged, History
from mi_ray.experiments.run.job import compute
from mi_ray.experiments.store import failpoints
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.theory.tasks import Task
from tests.buckets import new_bucket, objects

CPU = torch.device("cpu")
DATA = CDP(train_images=1024, validation_images=1024, test_images=1024)
DECLARATION = Training(
    data=DATA, pairing=SameClass(task="color"), arch="test_resnet", k_tr=16, views=16 * 2 * 24, hidden=32, out=16
)
STEPS = DECLARATION.steps
INTERRUPTED = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_loop as tests
from mi_ray.experiments.images.prepared import PreparedData
tests.train_cell(tests.store_at(sys.argv[2]), PreparedData(Path(sys.argv[3]), sys.argv[4]))
"""


def train_cell(store, data, declaration=DECLARATION):
    """Train one cell on one thread, a checkpoint at every report; returns it committed."""
    seconds, loop.CHECKPOINT_SECONDS, threads = loop.CHECKPOINT_SECONDS, 0.0, torch.get_num_threads()
    torch.set_num_threads(1)
    store.prepare()
    cell = Cell(cell_key(declaration, data.digest), declaration, None, data.digest)
    try:
        compute(Job((cell,)), data, store, device=CPU)
    finally:
        loop.CHECKPOINT_SECONDS = seconds
        torch.set_num_threads(threads)
    return store.read(cell.key)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """One thread, a checkpoint at every report, and no failpoint visited yet; put back afterwards."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(failpoints, "_visits", Counter())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("data"))
    store.prepare()
    return prepare(DATA, store)


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    return train_cell(Store(tmp_path_factory.mktemp("uninterrupted")), data)


def kill_elsewhere(store, data, failpoint):
    """Train in another process that is killed at ``failpoint``."""
    arguments = [os.path.dirname(__file__), store.name, str(data.folder), data.digest]
    environment = os.environ | {failpoints.VARIABLE: failpoint, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, *arguments], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture(scope="module", params=["train.checkpoint:kill@10", "train.step:kill@17"])
def resumed(request, data, tmp_path_factory):
    """A cell whose first attempt was killed and whose second went on from its checkpoint."""
    store = Store(tmp_path_factory.mktemp("killed"))
    store.prepare()
    kill_elsewhere(store, data, request.param)
    assert list(store.cells.iterdir()) == []
    return train_cell(store, data)


@pytest.mark.fault("F2", "kill -9 right after a checkpoint is saved, and seven steps later")
@pytest.mark.parametrize("name", ["encoder.safetensors", "projector.safetensors", "result.json"])
def test_killed_after_a_checkpoint_and_resumed_it_gives_the_same_bytes(resumed, uninterrupted, name):
    assert resumed.manifest["attempt"] == 2
    assert resumed.file(name).read_bytes() == uninterrupted.file(name).read_bytes()


def test_the_history_of_a_resumed_run_is_that_of_an_uninterrupted_one(resumed, uninterrupted):
    assert resumed.history == uninterrupted.history


def test_the_history_of_a_resumed_run_has_the_same_bytes(resumed, uninterrupted):
    assert resumed.file("history.jsonl").read_bytes() == uninterrupted.file("history.jsonl").read_bytes()


def test_a_training_in_a_bucket_goes_on_where_a_lost_node_left_it(s3, data, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "lost node"))
    place = new_bucket()
    kill_elsewhere(store_at(place), data, "train.checkpoint:kill@10")
    assert sum("/checkpoints/" in name for name in objects(place)) == loop.KEPT
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "another node"))
    resumed = train_cell(store_at(place), data)
    assert resumed.manifest["attempt"] == 2 and resumed.history == uninterrupted.history
    assert resumed.file("encoder.safetensors").read_bytes() == uninterrupted.file("encoder.safetensors").read_bytes()
    assert not any("/checkpoints/" in name for name in objects(place)), "swept"


class CountingTrainer(Trainer):
    """A trainer that remembers which steps it took."""

    def step(self):
        self.taken = [*getattr(self, "taken", []), self.step_number]
        return super().step()


def trainer(data, declaration=DECLARATION):
    images, d = data.split("train"), declaration
    some = ImageSet(images.images[:256], images.attributes[:256], images.sources[:256])
    f_e = encoder(d.arch, seed=d.seed)
    task = Task("color")
    return CountingTrainer(
        f_e, fresh_mlp(f_e.num_features, hidden=d.hidden, out=d.out, seed=d.seed), some,
        WithinClass(task.labels(some.attributes), task.n_classes), plain, k_tr=d.k_tr, steps=d.steps,
        temperature=d.temperature, optimizer=d.optimizer, learning_rate=d.learning_rate, weight_decay=d.weight_decay,
        warmup_steps=2, seed=d.seed, dtype=torch.float32, device=CPU,
    )  # fmt: skip


def cut_off(store, data, monkeypatch, *, visit):
    """A first attempt that raises at a step, having saved a checkpoint after each one before it."""
    monkeypatch.setenv(failpoints.VARIABLE, f"train.step:raise@{visit}")
    attempt = store.attempt("training-0")
    with pytest.raises(RuntimeError, match=r"failpoint train\.step"):
        loop.train(trainer(data), attempt)
    monkeypatch.delenv(failpoints.VARIABLE)
    return sorted((attempt.path / "checkpoints").iterdir())


def again(store, data):
    second = trainer(data)
    return second, loop.train(second, store.attempt("training-0"))


def state_and_history(data, store):
    whole = trainer(data)
    history = loop.train(whole, store.attempt("training-whole"))
    return whole.state(), history


def assert_same_run(first, second):
    (state, history), (other_state, other_history) = first, second
    assert history == other_history
    assert [name for name in state if not torch.equal(state[name], other_state[name])] == []


def test_only_the_newest_checkpoints_are_kept_and_the_newest_is_resumed(store, data, monkeypatch):
    kept = cut_off(store, data, monkeypatch, visit=12)
    assert [path.name[:9] for path in kept] == ["000000010", "000000011"]
    second, history = again(store, data)
    assert second.taken == list(range(11, STEPS))
    assert_same_run((second.state(), history), state_and_history(data, store))


def test_a_third_attempt_resumes_what_the_first_one_left(store, data, monkeypatch):
    cut_off(store, data, monkeypatch, visit=8)
    store.attempt("training-0")
    assert again(store, data)[0].taken[0] == 7


@pytest.mark.parametrize("learning_rate", [1e30, 1e38])
def test_a_diverging_run_raises_diverged_naming_the_step(store, data, learning_rate):
    wild = trainer(data, replace(DECLARATION, learning_rate=learning_rate))
    with pytest.raises(Diverged, match=r"loss is nan at step \d+; lower learning_rate or raise temperature"):
        loop.train(wild, store.attempt("training-0"))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_last_step_that_loses_the_weights_is_a_divergence_though_no_loss_shows_it(store, data, optimizer):
    """The only loss is that of the untouched encoder."""
    wild = replace(DECLARATION, views=32, warmup=0.0, optimizer=optimizer, learning_rate=1e300)
    with pytest.raises(
        Diverged, match=r"networks: \d+ of \d+ tensors hold NaN or infinity \(encoder\..*lower learning_rate"
    ):
        train_cell(store, data, wild)
    assert list(store.cells.iterdir()) == []


def test_a_diverging_run_commits_nothing(store, data):
    with pytest.raises(Diverged):
        train_cell(store, data, replace(DECLARATION, learning_rate=1e38))
    assert list(store.cells.iterdir()) == []


def test_the_in_training_estimate_is_the_mean_of_the_last_tenth_and_its_standard_error_how_they_differ(data):
    history = History([{"step": step, "loss_nats": 1.0, "in_training_bits": float(step)} for step in range(40)])
    summary = training.summary(DECLARATION, history, data.split("train"))
    assert (summary["in_training_bits"], summary["loss_nats"]) == (37.5, 1.0)
    assert summary["in_training_standard_error_bits"] == pytest.approx((5 / 3) ** 0.5 / 2)


def test_the_history_tells_step_loss_and_in_training_estimate(uninterrupted):
    assert [record["step"] for record in uninterrupted.history] == list(range(1, STEPS + 1))
    assert {"loss_nats", "in_training_bits"} <= uninterrupted.history[0].keys()
    assert uninterrupted.result["in_training_bits"] < uninterrupted.result["in_training_bound_bits"]
    declaration = json.loads((uninterrupted.path / "declaration.json").read_text())
    assert declaration["training"]["pairing"]["task"] == "color"


def test_progress_is_told_in_the_attempts_folder(store, data, monkeypatch):
    cut_off(store, data, monkeypatch, visit=13)
    assert store.progress("training-0") == pytest.approx(12 / STEPS, abs=1e-4)


def test_a_training_that_leaves_saves_at_that_very_report_and_loses_nothing(store, data, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    attempt, reports = store.attempt("training-0"), iter([False, False, True])
    with pytest.raises(loop.Leaving, match=f"at step 3 of {STEPS}"):
        loop.train(trainer(data), attempt, lambda: next(reports))
    (saved,) = (attempt.path / "checkpoints").iterdir()
    assert saved.name.startswith("000000003-")
    second, history = again(store, data)
    assert second.taken == list(range(3, STEPS))
    assert_same_run((second.state(), history), state_and_history(data, store))


def test_what_was_trained_since_the_last_report_is_saved_too(store, data, monkeypatch):
    monkeypatch.setattr(loop, "REPORTS", 2)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.0)
    whole = loop.train(trainer(data), store.attempt("training-whole"))
    assert [record["step"] for record in whole.records] == [STEPS // 2, STEPS]
    attempt, looks = store.attempt("training-0"), iter([False, False, True])
    with pytest.raises(loop.Leaving, match=f"at step 3 of {STEPS}"):
        loop.train(trainer(data), attempt, lambda: next(looks))
    second, history = again(store, data)
    assert second.taken == list(range(3, STEPS)) and history == whole


def test_looks_keep_to_the_pace_of_the_steps(store, data, monkeypatch):
    monkeypatch.setattr(loop, "REPORTS", 1)
    for seconds, looks in ((0.0, STEPS - 1), (1e9, 1)):
        monkeypatch.setattr(loop, "LOOK_SECONDS", seconds)
        answers = iter([False] * looks)
        loop.train(trainer(data), store.attempt(f"training-{seconds}"), lambda answers=answers: next(answers))
        assert list(answers) == []


def test_nobody_leaves_at_the_last_report(store, data):
    whole = trainer(data)
    history = loop.train(whole, store.attempt("training-0"), lambda: whole.step_number == STEPS)
    assert history.records[-1]["step"] == STEPS
