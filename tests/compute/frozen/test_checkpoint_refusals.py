"""Refused checkpoint files, shared weights, and tensor names that several layouts use."""

import pytest
import torch

from mi_ray.compute.frozen.checkpoint_files import encoder_state, layout_of, recognise
from mi_ray.compute.training.networks import blank
from tests.compute.frozen.checkpoints import RESNET, VIT, below, trained, trained_on_cifar


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# What is refused


def refusal(tensors, arch=RESNET, stem="imagenet"):
    with pytest.raises(ValueError, match=r"^(checkpoint|arch|stem)") as refused:
        encoder_state(tensors, arch, stem=stem)
    return str(refused.value)


def test_another_stem_is_refused_and_the_files_own_is_named():
    usual, cifar = (below("model.encoder.", f_e.state_dict()) for f_e in (trained(), trained_on_cifar()))
    assert "1 misshapen (conv1.weight [64, 3, 3, 3] for [64, 3, 7, 7])" in refusal(cifar)
    assert "convolution is that of stem 'cifar'" in refusal(cifar)
    assert "convolution is that of stem 'imagenet'" in refusal(usual, stem="cifar")
    assert "that of stem" not in refusal(usual | {"model.encoder.more": torch.rand(2)})


def test_a_transformer_has_no_stem_for_cifar():
    assert f"stem: {VIT} has no stem" in refusal(trained(VIT).state_dict(), VIT, "cifar")


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.module.encoder_q.", "model.encoder."])
def test_a_tensor_that_lacks_is_named_with_its_shape(prefix):
    state = below(prefix, trained().state_dict())
    del state[f"{prefix}layer2.0.conv1.weight"]
    assert "1 missing (layer2.0.conv1.weight [128, 64, 3, 3])" in refusal(state)


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.module.encoder_q.", "model.encoder."])
def test_a_tensor_too_many_is_named_with_its_shape(prefix):
    state = below(prefix, trained().state_dict() | {"layer5.weight": torch.rand(2, 3)})
    assert "1 unexpected (layer5.weight [2, 3])" in refusal(state)


@pytest.mark.parametrize("name", ["adapter.weight", "conv1.weight", "fc.weight", "queue", "predictor.0.weight"])
def test_tensors_beside_the_prefix_of_the_encoder_are_left(name):
    state = trained().state_dict()
    read = encoder_state(below("encoder_q.", state) | {name: torch.rand(2)}, RESNET)
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_a_head_of_another_family_is_refused():
    assert "2 unexpected (head.weight [10, 512], head.bias [10])" in refusal(
        trained().state_dict() | {"head.weight": torch.rand(10, 512), "head.bias": torch.rand(10)}
    )


def test_another_shape_is_refused():
    state = trained().state_dict() | {"bn1.weight": torch.rand(32)}
    assert "1 misshapen (bn1.weight [32] for [64])" in refusal(state)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.complex64, torch.bool])
def test_codes_of_a_quantised_file_are_not_taken_for_weights(kind):
    whole = {
        name: tensor.mul(9).to(kind) if tensor.ndim == 4 else tensor for name, tensor in trained().state_dict().items()
    }
    assert f"conv1.weight {str(kind).removeprefix('torch.')}" in refusal(whole)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_floating_point_are_read(kind):
    state = {name: tensor.to(kind) for name, tensor in trained().state_dict().items()}  # counters too, as numpy may
    assert encoder_state(state, RESNET)["bn1.weight"].dtype == kind


def test_positions_of_another_image_size_are_refused_rather_than_resampled():
    state = trained(VIT).state_dict() | {"pos_embed": torch.rand(1, 577, 192)}
    assert "1 misshapen (pos_embed [1, 577, 192] for [1, 197, 192])" in refusal(state, VIT)


def test_another_arch_is_refused_with_a_few_names_and_the_count():
    text = refusal(trained().state_dict(), "resnet50")
    assert "(flat layout, resnet50, imagenet stem): " in text
    assert "missing (layer1.0.conv3.weight [256, 64, 1, 1], " in text
    assert ", ...);" in text and len(text) < 700
    assert "missing (" in refusal(trained().state_dict(), "swin_tiny_patch4_window7_224")
    assert "missing (" in refusal(trained(VIT).state_dict(), "swin_tiny_patch4_window7_224")


@pytest.mark.parametrize("arch", ["resnet5000", "resnet50.no_such_tag"])
def test_an_arch_that_timm_does_not_know_is_named(arch):
    assert f"arch: '{arch}'" in refusal(trained().state_dict(), arch)


def test_the_small_transformer_of_moco_v3_is_refused_as_its_heads_are_not_those_of_timm():
    state = below("module.base_encoder.", trained(VIT).state_dict())
    assert "12 attention heads" in refusal(state, "vit_small_patch16_224")


def aliases(f_e):
    """Names of the weights that an encoder shares, all but the first of each."""
    kept = {name for name, _ in f_e.named_parameters()}
    return [name for name, _ in f_e.named_parameters(remove_duplicate=False) if name not in kept]


def test_a_file_with_one_name_of_a_shared_weight_holds_all_of_the_encoder():
    f_e = trained("coat_lite_tiny")
    state, shared = f_e.state_dict(), aliases(f_e)
    thinned = {name: tensor for name, tensor in state.items() if name not in shared}
    assert len(shared) > 10
    read = encoder_state(thinned, "coat_lite_tiny")
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)


def test_a_file_without_any_name_of_a_shared_weight_is_refused():
    state = trained("coat_lite_tiny").state_dict()
    lost = {name: tensor for name, tensor in state.items() if "crpe" not in name}
    with pytest.raises(ValueError, match=r"missing \(.*crpe"):
        encoder_state(lost, "coat_lite_tiny")


def test_an_encoder_whose_own_names_look_like_another_layout_is_flat():
    state = {name: torch.zeros(tensor.shape) for name, tensor in blank("qwen3_vit_88m").state_dict().items()}
    assert recognise(state) == "supcon" and layout_of(state, "qwen3_vit_88m") == "flat"
    assert encoder_state(state, "qwen3_vit_88m").keys() == state.keys()
