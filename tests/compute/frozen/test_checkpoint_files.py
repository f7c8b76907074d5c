"""Encoders of others: each layout gives back its encoder bit for bit, and nothing doubtful is taken."""

from collections import OrderedDict
from typing import get_args

import pytest
import timm
import torch
from torch import nn

from mi_ray.compute.frozen.checkpoint_files import Layout, encoder_state, layout_of, read_state, recognise
from mi_ray.compute.training.networks import blank, encoder

RESNET, VIT = "resnet18", "vit_tiny_patch16_224"


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trained(arch=RESNET):
    return moved(timm.create_model(arch, num_classes=0))


def moved(f_e):
    """An encoder whose scales, shifts and batch statistics are those of no initialisation."""
    generator = torch.Generator().manual_seed(0)
    for tensor in f_e.state_dict().values():
        if tensor.ndim == 1:
            tensor.add_(torch.rand(tensor.shape, generator=generator), alpha=0.5)
    return f_e.eval()


def says(f_e, side):
    x = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return f_e.eval()(x)


def below(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def mlp(name, width=512):
    return below(f"{name}.", nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 4)).state_dict())


def other(state):
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def moco(state):
    queue = {"queue": torch.rand(4, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    q, k = state | mlp("fc"), other(state) | mlp("fc")
    return {"epoch": 200, "state_dict": below("module.", queue | below("encoder_q.", q) | below("encoder_k.", k))}


def moco_v3(state, head="fc", width=512):
    base, momentum = state | mlp(head, width), other(state) | mlp(head, width)
    network = below("base_encoder.", base) | below("momentum_encoder.", momentum) | mlp("predictor", 4)
    return {"arch": "vit_base", "state_dict": below("module.", network), "scaler": {"scale": 1.0}}


def supcon(state, prefix):
    own = {name.replace(".downsample.", ".shortcut."): tensor for name, tensor in state.items()}
    return {"model": below(prefix, own) | mlp("head"), "optimizer": {"state": {0: {"momentum": torch.rand(3)}}}}


def vissl(state, prefix="_feature_blocks."):
    model = {"trunk": OrderedDict(below(prefix, state)), "heads": mlp("0.clf")}
    loss = {"moco_encoder": {"trunk": below(prefix, other(state))}}
    return {"phase_idx": 799, "classy_state_dict": {"base_model": {"model": model, "meters": []}, "loss": loss}}


def swav(state):
    return below("module.", state | mlp("projection_head") | {"prototypes.weight": torch.rand(3, 4)})


def dino(state):
    student = below("module.backbone.", other(state)) | mlp("module.head")
    return {"student": student, "teacher": below("backbone.", state) | mlp("head"), "epoch": 800}


RESNET_FILES = {
    "ours": ("flat", lambda state: state),
    "torchvision": ("flat", lambda state: state | {"fc.weight": torch.rand(10, 512), "fc.bias": torch.rand(10)}),
    "parallel": ("flat", lambda state: below("module.", state)),
    "parallel in state_dict": ("flat", lambda state: {"state_dict": below("module.", state)}),
    "parallel in model": ("flat", lambda state: {"model": below("module.", state), "epoch": 3}),
    "vissl": ("vissl", vissl),
    "vissl, evaluated": ("vissl", lambda state: vissl(state, "base_model._feature_blocks.")),
    "vissl, model_state_dict": ("vissl", lambda state: {"model_state_dict": below("_feature_blocks.", state)}),
    "vissl, trunk alone": ("vissl", lambda state: below("_feature_blocks.", state)),
    "moco": ("moco", moco),
    "moco-v3": ("moco-v3", moco_v3),
    "supcon": ("supcon", lambda state: supcon(state, "encoder.")),
    "supcon, parallel": ("supcon", lambda state: supcon(state, "encoder.module.")),
    "swav": ("swav", swav),
    "deepcluster-v2": (
        "swav",
        lambda state: below("module.", state | {"prototypes.prototypes0.weight": torch.rand(3)}),
    ),
    "dino": ("dino", dino),
}


def assert_is(f_e, tensors, arch, side):
    taken = timm.create_model(arch, num_classes=0)
    taken.load_state_dict(encoder_state(tensors, arch))
    assert torch.equal(says(taken, side), says(f_e, side))


@pytest.mark.parametrize(("layout", "wrap"), RESNET_FILES.values(), ids=RESNET_FILES)
def test_every_layout_gives_back_its_encoder_bit_for_bit(tmp_path, layout, wrap):
    f_e = trained()
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    assert recognise(tensors) == layout
    assert_is(f_e, tensors, RESNET, 64)


def test_every_layout_is_tried():
    assert {layout for layout, _ in RESNET_FILES.values()} == set(get_args(Layout))


@pytest.mark.parametrize(
    "wrap", [dict, dino, lambda state: moco_v3(state, "head", 192)], ids=["hub", "dino", "moco-v3"]
)
def test_vision_transformers_of_dino_and_moco_v3_have_the_names_of_timm(tmp_path, wrap):
    f_e = trained(VIT)
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    assert_is(f_e, read_state(tmp_path / "file.pth").tensors, VIT, 224)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_torchvision_and_timm_name_a_resnet_alike(arch):
    from torchvision import models

    f_e = getattr(models, arch)(num_classes=5).eval()
    state = f_e.state_dict()
    f_e.fc = nn.Identity()
    assert_is(f_e, state, arch, 64)


@pytest.mark.parametrize("arch", ["swin_tiny_patch4_window7_224", "pit_ti_224", "cait_xxs24_224", "test_resnet"])
def test_a_file_of_timm_with_its_classifier_fits_without_it(arch):
    state = timm.create_model(arch, num_classes=3).state_dict()
    taken = encoder_state(state, arch)
    assert taken.keys() == timm.create_model(arch, num_classes=0).state_dict().keys()
    assert [name for name in taken if not torch.equal(taken[name], state[name])] == []


def test_names_that_timm_has_given_up_are_renamed():
    state = trained("pit_ti_224").state_dict()
    former = {name.replace("transformers.1.pool.", "pools.0."): tensor for name, tensor in state.items()}
    assert former.keys() != state.keys()
    assert encoder_state(former, "pit_ti_224").keys() == state.keys()


def test_counters_that_old_files_lack_start_at_zero():
    state = trained().state_dict()
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert encoder_state(old, RESNET)["bn1.num_batches_tracked"] == 0
    assert encoder_state(old, RESNET).keys() == state.keys()


# The stem for CIFAR


def trained_on_cifar(arch=RESNET):
    return moved(encoder(arch, seed=0, stem="cifar"))


@pytest.mark.parametrize(("layout", "wrap"), RESNET_FILES.values(), ids=RESNET_FILES)
def test_every_layout_gives_back_its_encoder_for_cifar(tmp_path, layout, wrap):
    f_e = trained_on_cifar()
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    assert recognise(tensors) == layout
    taken = encoder(RESNET, seed=1, stem="cifar")
    taken.load_state_dict(encoder_state(tensors, RESNET, stem="cifar"))
    assert torch.equal(says(taken, 32), says(f_e, 32))


BLOCKS = {"resnet18": ([2, 2, 2, 2], 2, 1), "resnet34": ([3, 4, 6, 3], 2, 1), "resnet50": ([3, 4, 6, 3], 3, 4)}
"""Blocks by stage, convolutions in each, and how much wider than the stage a block's last one is."""


def named_by_supcontrast(arch):
    """The entries of `SupConResNet.encoder` as its code builds them: a shortcut where size or width changes."""
    blocks, depth, expansion = BLOCKS[arch]
    pairs = [("conv1", "bn1")]
    for stage, number in enumerate(blocks, start=1):
        at = [f"layer{stage}.{block}" for block in range(number)]
        pairs += [(f"{block}.conv{i}", f"{block}.bn{i}") for block in at for i in range(1, depth + 1)]
        pairs += [(f"{at[0]}.shortcut.0", f"{at[0]}.shortcut.1")] if stage > 1 or expansion > 1 else []
    kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"encoder.{conv}.weight" for conv, _ in pairs} | {f"encoder.{bn}.{of}" for _, bn in pairs for of in kept}


@pytest.mark.parametrize("arch", BLOCKS)
def test_an_encoder_of_supcontrast_for_cifar_has_all_that_ours_has(arch):
    state = encoder(arch, seed=0, stem="cifar").state_dict()
    file = supcon(state, "encoder.")["model"]
    assert {name for name in file if name.startswith("encoder.")} == named_by_supcontrast(arch)
    assert encoder_state(file, arch, stem="cifar").keys() == state.keys()


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


@pytest.mark.parametrize("name", ["adapter.weight", "conv1.weight", "fc.weight"])
def test_a_tensor_beside_the_encoder_that_the_layout_does_not_know_is_refused(name):
    state = below("encoder_q.", trained().state_dict()) | {name: torch.rand(2)}
    assert f"1 unexpected (beside encoder_q. {name} [2])" in refusal(state)


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
