"""Feeds: streamed images train the same bits as resident ones, with any number of loader processes."""

import numpy as np
import pytest
import torch

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.pairs.augmentation import Rows, SimCLRView, plain
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.pairs.feed import Request, _placed, feed_of
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.training.objectives import NT_XENT, NTXentAgainstLoss
from mi_ray.compute.training.trainer import Trainer
from tests.compute.photographs import streamed, tree

STEPS = 5
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return tree(tmp_path_factory.mktemp("photographs") / "p", n=16)


def split(root, form="photograph"):
    return streamed(root, form=form)["train"]


def resident(images):
    """The same squares, decoded."""
    return ImageSet(images.pixels(np.arange(len(images))), images.attributes, images.sources)


def trainer(data, *, loaders=0, view=None, couple=None, objective=NT_XENT, steps=STEPS):
    f_e = encoder("test_resnet", seed=0)
    return Trainer(
        f_e, fresh_mlp(f_e.num_features, hidden=32, out=16, seed=0), data, couple or WithItself(len(data)),
        view or SimCLRView(), k_tr=40, steps=steps, temperature=0.5, optimizer="adamw", learning_rate=1e-3,
        weight_decay=1e-4, warmup_steps=2, seed=0, dtype=torch.float32, device=CPU, loaders=loaders,
        objective=objective,
    )  # fmt: skip


def run(made, steps=STEPS):
    losses = [made.step().item() for _ in range(steps)]
    return losses, {name: tensor.clone() for name, tensor in made.state().items()}


def assert_same_bits(one, other):
    assert one[0] == other[0]
    assert [name for name in one[1] if not torch.equal(one[1][name], other[1][name])] == []


@pytest.mark.parametrize("loaders", [0, 1, 2])
def test_streamed_squares_train_the_bits_of_resident_ones(photographs, loaders):
    data = split(photographs, "square")
    assert_same_bits(run(trainer(data, loaders=loaders)), run(trainer(resident(data))))


@pytest.mark.parametrize("view", [SimCLRView(), plain], ids=["simclr", "plain"])
def test_the_number_of_loaders_changes_no_bit(photographs, view, monkeypatch):
    monkeypatch.setattr("mi_ray.compute.pairs.loader.MOST_ROWS", 7)  # several tasks a step, the last one short
    data = split(photographs)
    couple = WithinClass(data.attributes[:, 0], 2)
    alone = run(trainer(data, view=view, couple=couple))
    for loaders in (1, 2):
        assert_same_bits(run(trainer(data, view=view, couple=couple, loaders=loaders)), alone)


@pytest.mark.parametrize("loaders", [0, 2])
def test_a_training_resumes_to_the_same_bits(photographs, loaders):
    data = split(photographs)
    losses, whole = run(trainer(data, loaders=loaders))
    begun = trainer(data, loaders=loaders)
    run(begun, 3)
    resumed = trainer(data, loaders=loaders)
    resumed.load({name: tensor.clone() for name, tensor in begun.state().items()})
    assert_same_bits(run(resumed, STEPS - 3), (losses[3:], whole))


@pytest.mark.parametrize("loaders", [0, 1])
def test_negatives_may_be_streamed_beside_resident_images(photographs, loaders):
    data = split(photographs, "square")
    streamed_negatives = run(trainer(resident(data), objective=NTXentAgainstLoss(data), loaders=loaders))
    assert_same_bits(streamed_negatives, run(trainer(resident(data), objective=NTXentAgainstLoss(resident(data)))))


def test_any_step_can_be_asked_for_and_asked_for_again(photographs):
    data = split(photographs)

    def request(step):
        rng = stream(0, "pairs", step)
        return Request(rng.integers(len(data), size=9), int(rng.integers(2**63)), Rows.all(9))

    feed = feed_of(data, request, SimCLRView(), steps=6, device=CPU, loaders=1)
    views = [feed(step) for step in range(4)]
    assert torch.equal(feed(1), views[1])
    assert torch.equal(feed(2), views[2])
    assert torch.equal(feed(0), views[0])
    assert not torch.equal(views[0], views[1])


def test_a_file_that_disappears_ends_the_training_with_its_name(tmp_path):
    root = tree(tmp_path / "p", n=8)
    data = split(root)
    for path in (root / "cat").glob("*.jpg"):
        path.unlink()
    for loaders in (0, 1):
        with pytest.raises(ValueError, match=r"^folder: .*/cat/\d\.jpg cannot be read") as refusal:
            run(trainer(data, loaders=loaders))
        assert "\n" not in str(refusal.value)


def test_the_state_of_torchs_generators_stays(photographs):
    before = torch.get_rng_state()
    run(trainer(split(photographs), loaders=1), 2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("side", [8, 80])
def test_parts_are_placed_in_their_order_whatever_their_size(side):
    images = torch.randint(0, 256, (9, 3, side, side), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    order = torch.tensor([3, 8, 0, 1, 7, 2, 6, 5, 4])
    placed = _placed(list(images.split(4)), order)
    assert torch.equal(placed[order], images)
    assert placed.is_contiguous(memory_format=torch.channels_last)
