"""Contrastive training (Fig. 3, top): bit-for-bit repeatable and resumable, and it learns."""

from math import log

import numpy as np
import pytest
import torch

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.pairs.augmentation import SimCLRView, plain
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.training.trainer import Trainer, warmup_cosine

CLASSES, STEPS = 4, 6
LEARNING_RATE = {"adamw": 1e-3, "sgd": 0.05}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def patches(n=64):
    """An easy problem: 32 x 32 noise with one of four bright quadrants."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % CLASSES
    images = rng.integers(0, 100, (n, 3, 32, 32), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        image[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 150
    return ImageSet(images, labels[:, None], np.arange(n))


def trainer(optimizer="adamw", *, seed=0, steps=STEPS, k_tr=8, couple=None, view=None, dtype=torch.float32):
    data, f_e = patches(), encoder("test_resnet", seed=seed)
    return Trainer(
        f_e, fresh_mlp(f_e.num_features, hidden=32, out=16, seed=seed), data,
        couple or WithItself(len(data)), view or SimCLRView(),
        k_tr=k_tr, steps=steps, temperature=0.5, optimizer=optimizer, learning_rate=LEARNING_RATE[optimizer],
        weight_decay=1e-4, warmup_steps=2, seed=seed, dtype=dtype, device=torch.device("cpu"),
    )  # fmt: skip


def after(steps, run):
    losses = [run.step().item() for _ in range(steps)]
    return losses, {name: tensor.clone() for name, tensor in run.state().items()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_same_seed_trains_the_same_bits(optimizer):
    losses, state = after(STEPS, trainer(optimizer))
    losses_again, state_again = after(STEPS, trainer(optimizer))
    assert losses == losses_again
    assert_same_bits(state, state_again)


def test_another_seed_trains_another_encoder():
    _, one = after(1, trainer(seed=0))
    _, two = after(1, trainer(seed=1))
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_the_global_generator_plays_no_part():
    torch.manual_seed(1)
    _, one = after(2, trainer())
    torch.manual_seed(2)
    _, two = after(2, trainer())
    assert_same_bits(one, two)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_resumed_at_step_three_is_the_uninterrupted_run(optimizer, dtype):
    losses, uninterrupted = after(STEPS, trainer(optimizer, dtype=dtype))
    _, halfway = after(3, trainer(optimizer, dtype=dtype))
    resumed = trainer(optimizer, dtype=dtype)
    resumed.load(halfway)
    assert resumed.step_number == 3
    losses_after, state = after(STEPS - 3, resumed)
    assert losses_after == losses[3:]
    assert_same_bits(state, uninterrupted)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_resumed_from_the_disk_is_the_uninterrupted_run(optimizer, tmp_path):
    """Files hold tensors in row-major order, the networks in channels-last."""
    from safetensors.torch import load_file, save_file

    _, uninterrupted = after(STEPS, trainer(optimizer))
    _, halfway = after(3, trainer(optimizer))
    save_file({name: tensor.contiguous() for name, tensor in halfway.items()}, tmp_path / "state.safetensors")
    resumed = trainer(optimizer)
    resumed.load(load_file(tmp_path / "state.safetensors"))
    _, state = after(STEPS - 3, resumed)
    assert_same_bits(state, uninterrupted)


def test_a_run_can_be_resumed_before_its_first_step():
    _, uninterrupted = after(2, trainer())
    _, untouched = after(0, trainer())
    resumed = trainer()
    resumed.load(untouched)
    assert_same_bits(after(2, resumed)[1], uninterrupted)


def test_the_state_is_all_that_the_next_step_depends_on():
    _, halfway = after(3, trainer())
    elsewhere = trainer(seed=0)
    after(1, elsewhere)
    elsewhere.load(halfway)
    assert_same_bits(after(3, elsewhere)[1], after(6, trainer())[1])


def test_same_class_sampling_learns_an_easy_problem():
    data = patches()
    run = trainer(steps=30, k_tr=16, couple=WithinClass(data.attributes[:, 0], CLASSES), view=plain)
    losses, _ = after(30, run)
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.3
    assert losses[0] == pytest.approx(log(31), abs=0.5)


def test_augmentation_based_training_learns_an_easy_problem():
    losses, _ = after(30, trainer(steps=30, k_tr=16))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.3


def test_two_views_of_one_image_are_not_the_same():
    seen = []

    def spy(images, seed, rows):
        seen.append(SimCLRView()(images, seed, rows))
        return seen[-1]

    trainer(view=spy).step()
    (views,) = seen
    assert views.shape == (16, 3, 32, 32)
    assert ((views[:8] - views[8:]).abs().amax((1, 2, 3)) > 0.1).all()


def test_biases_and_normalisation_are_not_decayed():
    groups = trainer()._optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [1e-4, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim <= 1 for p in groups[1]["params"])


def test_the_learning_rate_rises_linearly_to_its_peak_and_falls_to_zero():
    shares = [warmup_cosine(step, 100, 10) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(shares[:10]), 0.1)
    assert shares[9] == shares[10] == 1
    assert shares[55] == pytest.approx(0.5)
    assert shares[100] == pytest.approx(0)
    assert (np.diff(shares[10:]) < 0).all()


def test_without_warmup_the_peak_comes_first():
    assert warmup_cosine(0, 10, 0) == 1
    assert warmup_cosine(0, 1, 0) == 1
