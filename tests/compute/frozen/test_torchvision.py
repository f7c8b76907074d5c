"""State dicts of torchvision's own encoders load into those of timm that compute the same: proved on outputs, with
random weights and random statistics of BatchNorm."""

import copy

import pytest
import timm
import torch
from torch import nn
from torchvision import models

from mi_ray.compute.frozen.checkpoint_files import encoder_state, read_encoder
from mi_ray.compute.frozen.matching import faults, without_head
from mi_ray.compute.frozen.torchvision_names import TWINS, from_torchvision, twin_of
from mi_ray.compute.training.networks import blank, own_side
from tests.compute.frozen.checkpoints import below


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def randomised(network, side):
    """Random scales and shifts; statistics of BatchNorm near those of noise, so that the image still shows in h."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and "running" not in name and (tensor.ndim < 2 or name.endswith("layer_scale")):
            tensor.add_(torch.rand(tensor.shape, generator=generator), alpha=0.3)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = 1.0
    for (
        block
    ) in network.modules():  # branches smaller than what they are added to, or rounding grows from block to block
        if getattr(block, "use_res_connect", False) and hasattr(block, "block"):
            block.block[-1][1].weight.data.mul_(0.1)
    if norms:
        with torch.no_grad():
            network.train()(torch.randn(4, 3, side, side, generator=generator))
    for layer in norms:
        layer.running_var.mul_(torch.rand(layer.running_var.shape, generator=generator) + 0.5).add_(1e-4)
        layer.running_mean.add_(torch.randn(layer.running_mean.shape, generator=generator), alpha=0.1)
    return network.eval()


def built(constructor, arch):
    """The network; of a large one without its own slow initialisation."""
    if not arch.startswith(("vit", "vgg")):
        return getattr(models, constructor)(num_classes=7)
    with torch.device("meta"):
        network = getattr(models, constructor)(num_classes=7)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        width = (3 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.3
        if tensor.is_floating_point():
            tensor.uniform_(-width, width, generator=generator).add_(
                float(tensor.ndim == 1 and name.endswith("weight"))
            )
    return network


def headless(network):
    """The network up to its last linear layer, which tells classes."""
    for name in ("heads", "head", "fc"):
        if hasattr(network, name):
            setattr(network, name, nn.Identity())
            return network
    if isinstance(network.classifier, nn.Sequential):
        network.classifier[-1] = nn.Identity()
    else:
        network.classifier = nn.Identity()
    return network


def assert_same_outputs(network, state, arch, side):
    """Relative distance below 1e-5 in 32 bits, or 1e-7 in 64 where rounding alone moves h by more than that."""
    f_e = (
        copy.deepcopy(blank(arch)) if arch.startswith(("vit", "vgg")) else timm.create_model(arch, num_classes=0).eval()
    )
    f_e.load_state_dict(state, assign=True)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    for kind, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-7)):
        with torch.no_grad():
            theirs, ours = (part.to(kind)(x.to(kind)) for part in (headless(network), f_e))
        assert theirs.shape == ours.shape
        assert (theirs[0] - theirs[1]).norm() > 0.01 * theirs[0].norm(), "the image does not show in h"
        distance = ((theirs - ours).norm() / theirs.norm()).item()
        if distance < tolerance:
            return
    raise AssertionError(f"h differs by {distance}")


FAMILIES = {
    "mobilenetv2_100": 64,
    "mobilenetv3_small_100": 64,
    "efficientnet_b0": 64,
    "efficientnetv2_s": 64,
    "convnext_tiny": 64,
    "vit_base_patch32_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "swinv2_tiny_window8_256": 256,
    "regnetx_004_tv": 64,
    "regnety_004": 64,
    "vgg11": 224,
}
"""An encoder of each family, and a side of images that it takes; vgg's pooling to 7 x 7 is timm's at 224 alone."""


@pytest.mark.parametrize("arch", FAMILIES)
def test_the_twin_in_timm_computes_what_torchvisions_encoder_does(arch):
    twin = twin_of(arch)
    network = randomised(built(twin.constructor, arch), FAMILIES[arch])
    state = network.state_dict()
    shuffled = {name: state[name] for name in sorted(state)}  # as in safetensors: no order tells the layers
    read = read_encoder(shuffled, arch)
    assert (read.naming, read.layout, read.others) == ("torchvision", "flat", ())
    assert_same_outputs(network, read.state, arch, FAMILIES[arch])


@pytest.mark.parametrize("arch", ["densenet121", "resnext50_32x4d"])
def test_other_encoders_of_torchvision_have_the_names_of_timm(arch):
    network = randomised(getattr(models, arch)(num_classes=7), 64)
    read = read_encoder(network.state_dict(), arch)
    assert read.naming == "own"
    assert_same_outputs(network, read.state, arch, 64)


def test_wide_resnets_of_both_have_the_same_names_and_shapes():
    with torch.device("meta"):
        state = models.wide_resnet50_2().state_dict()
    encoder = blank("wide_resnet50_2")
    assert faults(without_head(state, encoder), encoder.state_dict()) == []


@pytest.mark.parametrize("arch", [arch for arch, twin in TWINS.items() if twin.family != "regnet"])
def test_every_twin_has_all_tensors_in_their_shape(arch):
    twin = TWINS[arch]
    with torch.device("meta"):
        state = getattr(models, twin.constructor)().state_dict()
    encoder = blank(arch)
    renamed = without_head(from_torchvision(state, twin, encoder), encoder)
    assert faults(renamed, encoder.state_dict()) == []


def test_variances_are_raised_where_torchvision_adds_more_to_them():
    state = models.mobilenet_v3_small().state_dict()
    read = encoder_state(state, "mobilenetv3_small_100")
    assert torch.allclose(read["bn1.running_var"], state["features.0.1.running_var"] + 1e-3 - 1e-5, atol=1e-7)


@pytest.mark.parametrize("prefix", ["module.", "state_dict.model.backbone."])
def test_names_of_torchvision_are_found_below_any_prefix(prefix):
    state = models.mobilenet_v2().state_dict()
    read = read_encoder(below(prefix, state), "mobilenetv2_100.ra_in1k")
    assert read.prefix == prefix and read.state["conv_stem.weight"] is not None


def test_a_sequential_of_torchvisions_children_is_read():
    network = models.mobilenet_v2()
    children = nn.Sequential(*list(network.children())[:-1]).state_dict()
    read = read_encoder(below("backbone.", children), "mobilenetv2_100")
    assert read.naming == "torchvision, numbered"
    whole = encoder_state(network.state_dict(), "mobilenetv2_100")
    assert all(torch.equal(read.state[name], tensor) for name, tensor in whole.items())


# What is no twin


@pytest.mark.parametrize(
    ("constructor", "arch", "told"),
    [
        ("efficientnet_b0", "tf_efficientnet_b0", "tf_efficientnet_b0 has no twin there"),
        ("efficientnet_b0", "efficientnet_b1", "the twin of efficientnet_b1 is torchvision's efficientnet_b1"),
        ("mobilenet_v2", "mobilenetv2_110d", "mobilenetv2_110d has no twin there"),
        ("convnext_tiny", "convnext_small", "torchvision's convnext_small"),
        ("convnext_tiny", "convnextv2_tiny", "convnextv2_tiny has no twin there"),
        ("vit_b_32", "vit_base_patch16_224", "misshapen"),
        ("swin_t", "swin_small_patch4_window7_224", "missing"),
        ("swin_v2_t", "swinv2_cr_tiny_224", "no twin there"),
        ("mnasnet1_0", "mnasnet_100", "missing"),
        ("mnasnet1_0", "mobilenetv2_100", "missing"),
        ("shufflenet_v2_x1_0", "resnet18", "missing"),
        ("squeezenet1_0", "mobilenetv2_100", "missing"),
        ("alexnet", "vgg11", "missing"),
        ("resnet18", "mobilenetv2_100", "missing"),
    ],
)
def test_an_encoder_that_is_no_twin_is_refused(constructor, arch, told):
    with torch.device("meta"):
        state = getattr(models, constructor)().state_dict()
    with pytest.raises(ValueError, match=r"^checkpoint \(") as refused:
        encoder_state(state, arch)
    assert told in str(refused.value)


def test_a_tensor_too_many_or_too_few_is_refused_in_every_family():
    for arch, constructor in (("mobilenetv2_100", "mobilenet_v2"), ("swin_tiny_patch4_window7_224", "swin_t")):
        state = getattr(models, constructor)().state_dict()
        with pytest.raises(ValueError, match="unexpected"):
            encoder_state(state | {"features.9.0.extra.weight": torch.rand(2)}, arch)
        del state["features.3.0.norm1.weight" if "swin" in arch else "features.3.conv.0.1.weight"]
        with pytest.raises(ValueError, match=r"missing|unexpected|misshapen"):
            encoder_state(state, arch)


def test_positions_of_another_size_are_not_resampled():
    state = models.vit_b_32(image_size=256).state_dict()
    with pytest.raises(ValueError, match=r"misshapen \(pos_embed"):
        encoder_state(state, "vit_base_patch32_224")


def test_sides_of_the_table_are_taken():
    assert all(FAMILIES[arch] >= 64 and own_side(arch) >= FAMILIES[arch] for arch in FAMILIES)
