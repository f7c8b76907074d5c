"""Which encoder of a file with several is read: the method's own choice, or the one that ``weights`` names."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mi_ray.compute.frozen.checkpoint_files import encoder_state, read_encoder, read_state
from mi_ray.compute.training.networks import encoder
from tests.compute.frozen.checkpoints import RESNET, below, dino, moco, moved, other, same, trained
from tests.compute.frozen.test_wild_layouts import lightly, solo_learn


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def two(one="state_dict", two="state_dict_ema"):
    raw, ema = trained().state_dict(), moved(encoder(RESNET, seed=5)).state_dict()
    return below(f"{one}.", raw) | below(f"{two}.", ema), raw, ema


@pytest.mark.parametrize(
    "names",
    [
        ("state_dict", "state_dict_ema"),
        ("model", "model_ema"),
        ("student", "teacher"),
        ("online_network", "target_network"),
        ("net", "ema_model"),
        ("backbone.0", "backbone_avg.0"),
    ],
)
def test_raw_and_averaged_weights_are_a_choice_and_no_default(names):
    content, raw, ema = two(*names)
    with pytest.raises(ValueError, match=r"^weights: '' is not allowed .*several encoders fit") as refused:
        encoder_state(content, RESNET)
    assert all(f"'{name}.'" in str(refused.value) for name in names)
    assert "allowed: raw, averaged" in str(refused.value)
    for weights, expected in [("raw", raw), ("averaged", ema), (f"{names[0]}.", raw), (f"{names[1]}.", ema)]:
        read = read_encoder(content, RESNET, weights=weights)
        assert same(read.state, expected)
        assert read.averaged == (expected is ema)
        assert read.others == (f"{names[expected is raw]}.",)


@pytest.mark.parametrize(
    ("wrap", "published", "left"),
    [
        (dino, "teacher.backbone.", "student.module.backbone."),
        (moco, "state_dict.module.encoder_q.", "state_dict.module.encoder_k."),
        (solo_learn, "state_dict.backbone.", "state_dict.momentum_backbone."),
        (lightly, "state_dict.backbone.", "state_dict.backbone_momentum."),
    ],
)
def test_a_known_method_has_its_own_choice_and_the_other_can_be_asked_for(tmp_path, wrap, published, left):
    state = trained().state_dict()
    torch.save(wrap(state), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    read = read_encoder(tensors, RESNET)
    assert same(read.state, state) and (read.prefix, read.others) == (published, (left,))
    asked = read_encoder(tensors, RESNET, weights="raw" if read.averaged else "averaged")
    assert same(asked.state, other(state)) and (asked.prefix, asked.others) == (left, (published,))
    assert same(read_encoder(tensors, RESNET, weights=left).state, other(state))


def test_encoders_of_the_same_bits_are_one():
    _, raw, _ = two()
    alike = below("state_dict.", raw) | below("state_dict_ema.", copy.deepcopy(raw))
    read = read_encoder(alike, RESNET)
    assert same(read.state, raw) and read.others == ()
    assert same(encoder_state(alike, RESNET, weights="averaged"), raw)


def test_two_raw_encoders_are_told_apart_by_prefix_alone():
    content, _, more = two("left", "right")
    for weights in ("", "raw"):
        with pytest.raises(ValueError, match=r"'left\.' \(raw\), 'right\.' \(raw\); allowed: one of these prefixes$"):
            encoder_state(content, RESNET, weights=weights)
    assert same(encoder_state(content, RESNET, weights="right."), more)


@pytest.mark.parametrize("weights", ["averaged", "model."])
def test_weights_that_are_not_there_are_refused(weights):
    with pytest.raises(ValueError, match=rf"weights: '{weights}' is not allowed .*no such encoder.*'net\.' \(raw\)"):
        encoder_state(below("net.", trained().state_dict()), RESNET, weights=weights)


def test_an_average_of_pytorchs_is_known_by_its_counter():
    f_e = trained()
    average = AveragedModel(f_e, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    average.update_parameters(f_e)
    average.update_parameters(moved(encoder(RESNET, seed=2)))
    content = below("model.", f_e.state_dict()) | below("mean.", average.state_dict())
    read = read_encoder(content, RESNET, weights="averaged")
    assert read.prefix == "mean.module." and same(read.state, average.module.state_dict())
    assert same(encoder_state(content, RESNET, weights="raw"), f_e.state_dict())


@pytest.mark.parametrize("inner", ["module", "ema", "ema_model.module"])
def test_an_encoder_within_the_prefix_of_another_is_another(inner):
    state = trained().state_dict()
    content = state | below(f"{inner}.", other(state))
    with pytest.raises(ValueError, match="several encoders fit"):
        encoder_state(content, RESNET)
    assert same(encoder_state(content, RESNET, weights=f"{inner}."), other(state))
    if inner != "module":
        assert same(encoder_state(content, RESNET, weights="raw"), state)
