"""Encoders with either stem, projectors and critics, and pixels as an encoder was trained to see them."""

from hashlib import sha256

import pytest
import timm
import torch
from torch import nn
from torch.nn.functional import relu

from mi_ray.compute.choices import Input
from mi_ray.compute.images.pixels import MEAN, STD, as_trained, pixels
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import blank, encoder, forward_flops, forward_pass, width

ARCH = "test_resnet"
RESNETS = ("resnet18", "resnet50", "resnet10t", "resnet18d", "resnetblur18", "resnetaa50d", ARCH)
"""Of timm, with plain, deep and tiered stems; pooled by maximum, blur and average."""

OTHERS = ("vit_tiny_patch16_224", "resnetv2_50", "vgg11", "regnetx_002", "densenet121")


def snapshot(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def after_stem(f_e):
    return {name: tensor for name, tensor in snapshot(f_e).items() if name.split(".")[0] not in ("conv1", "maxpool")}


def digest(module):
    found = sha256()
    for name, tensor in module.state_dict().items():
        found.update(name.encode() + tensor.numpy().tobytes())
    return found.hexdigest()[:16]


def photographs(n=2, side=32):
    return torch.randint(256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


# Encoders


def test_a_forward_pass_of_resnet18_costs_what_the_literature_says():
    """He et al. (2016): 1.8e9 multiply-adds for one image of 224 x 224; here each counts twice."""
    assert forward_flops("resnet18", 224) == pytest.approx(3.63e9, rel=0.01)
    assert forward_flops("resnet18", 64) == pytest.approx(forward_flops("resnet18", 224) * (64 / 224) ** 2, rel=0.02)


@pytest.mark.parametrize(("arch", "features"), [("resnet18", 512), ("resnet50", 2048), ("vit_tiny_patch16_224", 192)])
def test_widths_are_those_of_the_literature(arch, features):
    assert width(arch) == features


WIDER = (
    "lcnet_035",
    "ghostnet_050",
    "mobilenetv4_conv_small",
    "vgg11",
    "hgnetv2_b0",
    "inception_next_atto",
    "test_mambaout",
)
"""Families whose last layer before the head makes more features than timm states."""


@pytest.mark.parametrize("arch", [*WIDER, ARCH])
def test_the_width_is_that_of_the_output_whatever_timm_calls_the_features(arch):
    f_e = encoder(arch, seed=0).eval()
    with torch.inference_mode():
        h = f_e(pixels(photographs(side=64)))
    assert h.shape == (2, width(arch)) and (width(arch) > f_e.num_features) == (arch in WIDER)


@pytest.mark.parametrize(
    ("arch", "side", "allowed"),
    [
        ("vit_tiny_patch16_224", 32, "a side of 224"),
        ("vit_tiny_patch16_224", 256, "a side of 224"),
        ("swin_tiny_patch4_window7_224", 32, "a side of 224"),
        ("csatv2", 32, "a side of 64"),
        ("botnet26t_256", 64, "a side of 256"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_an_encoder_that_does_not_take_the_side_is_named_with_one_that_it_takes(arch, side, allowed, training):
    with pytest.raises(ValueError) as refusal:
        forward_pass(arch, side, training=training)
    told = str(refusal.value)
    assert told.startswith(f"arch: {arch!r} takes no images of {side} x {side} pixels (") and "\n" not in told
    assert told.endswith(f"; allowed: {allowed}")
    assert forward_pass(arch, int(allowed.split()[-1]), training=training).width == width(arch)


def test_an_encoder_of_an_unknown_tag_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"^arch: 'resnet10t\.mine' cannot be built .*; allowed: resnet10t\.c3_in1k$"):
        width("resnet10t.mine")


def test_measuring_leaves_no_values_and_no_gradients():
    forward_pass(ARCH, 32, training=True)
    assert {tensor.device.type for tensor in blank(ARCH).state_dict().values()} == {"meta"}
    assert [p for p in blank(ARCH).parameters() if p.requires_grad] == []
    assert [p for p in encoder(ARCH, seed=0).parameters() if not p.requires_grad] == []


def test_an_encoder_pools_to_its_width_and_has_no_head():
    assert encoder(ARCH, seed=0)(pixels(photographs())).shape == (2, width(ARCH))


def test_initialising_depends_on_the_seed_alone_and_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one = encoder(ARCH, seed=3)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(1)
    assert_same_bits(snapshot(encoder(ARCH, seed=3)), snapshot(one))
    other = snapshot(encoder(ARCH, seed=4))
    assert any(not torch.equal(other[name], tensor) for name, tensor in one.state_dict().items())


@pytest.mark.parametrize("arch", [ARCH, "vit_tiny_patch16_224"])
def test_the_stem_of_imagenet_is_the_encoder_that_timm_makes(arch):
    from mi_ray.compute.seeding import torch_seed

    with torch_seed(3, "encoder"):
        plain = timm.create_model(arch, pretrained=False, num_classes=0)
    assert digest(encoder(arch, seed=3)) == digest(encoder(arch, seed=3, stem="imagenet")) == digest(plain)


# The stem of CIFAR


@pytest.mark.parametrize("arch", RESNETS)
def test_the_stem_of_cifar_keeps_every_pixel_and_all_that_follows_it(arch):
    usual, f_e = encoder(arch, seed=0), encoder(arch, seed=0, stem="cifar")
    assert (f_e.conv1.kernel_size, f_e.conv1.stride, f_e.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    assert isinstance(f_e.maxpool, nn.Identity)
    assert_same_bits(after_stem(usual), after_stem(f_e))
    assert f_e(pixels(photographs())).shape == (2, width(arch, "cifar")) == (2, width(arch))


def by_hand(f_e, x):
    """Fig. 3 of He et al. (2016) for ResNet-18 without its pooling, from the weights alone."""
    w = f_e.state_dict()

    def conv(name, x, stride=1):
        kernel = w[f"{name}.weight"]
        return nn.functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def norm(name, x):
        return nn.functional.batch_norm(
            x, *(w[f"{name}.{of}"] for of in ("running_mean", "running_var", "weight", "bias"))
        )

    x = relu(norm("bn1", conv("conv1", x)))
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = relu(norm(f"{at}.bn1", conv(f"{at}.conv1", x, stride)))
            y = norm(f"{at}.bn2", conv(f"{at}.conv2", y))
            short = norm(f"{at}.downsample.1", conv(f"{at}.downsample.0", x, stride)) if stride == 2 else x
            x = relu(y + short)
    return x.mean((2, 3))


def test_resnet18_for_cifar_is_the_network_of_the_literature():
    f_e, x = encoder("resnet18", seed=0, stem="cifar").eval(), pixels(photographs())
    with torch.no_grad():
        torch.testing.assert_close(f_e(x), by_hand(f_e, x), rtol=1e-4, atol=1e-4)


def test_a_forward_pass_of_resnet18_for_cifar_costs_what_the_literature_says():
    """0.56e9 multiply-adds for one image of 32 x 32, as stated for the ResNet-18 of SimCLR and SupContrast on CIFAR."""
    assert forward_flops("resnet18", 32, "cifar") == pytest.approx(2 * 0.556e9, rel=0.01)
    assert forward_flops("resnet18", 32, "cifar") > 10 * forward_flops("resnet18", 32)


def test_the_first_kernel_starts_as_he_has_it():
    """Normal, of variance 2 / fan-out: 64 channels of 3 x 3."""
    kernel = encoder("resnet18", seed=0, stem="cifar").conv1.weight
    assert kernel.shape == (64, 3, 3, 3)
    assert kernel.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


def test_an_encoder_for_cifar_depends_on_its_seed_alone():
    one, again, other = (encoder(ARCH, seed=seed, stem="cifar") for seed in (3, 3, 4))
    assert_same_bits(snapshot(one), snapshot(again))
    assert not torch.equal(one.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("arch", OTHERS)
def test_an_encoder_without_such_a_stem_is_named(arch):
    for ask in (lambda: width(arch, "cifar"), lambda: forward_flops(arch, 32, "cifar")):
        with pytest.raises(ValueError, match=f"stem: {arch} has no stem to replace"):
            ask()


# Projector and critic


def test_projector_and_critic_of_one_seed_start_apart():
    one, again = (fresh_mlp(8, hidden=4, out=2, seed=0) for _ in range(2))
    assert_same_bits(snapshot(one), snapshot(again))
    critic = fresh_mlp(8, hidden=4, out=2, seed=0, purpose="critic")
    assert not torch.equal(one[0].weight, critic[0].weight)
    assert [tuple(p.shape) for p in one.parameters()] == [(4, 8), (4,), (2, 4), (2,)]


# Pixels

SEEN = Input(32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_pixels_are_centred_and_channels_last():
    x = pixels(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 5))
    assert x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x[:, 0, 0, 0], torch.tensor([-MEAN / STD, (1 - MEAN) / STD]))


def test_encoders_trained_here_see_the_pixels_untouched():
    x = pixels(photographs())
    assert as_trained(x, None) is x


def test_encoders_of_others_see_their_mean_and_std():
    rgb = photographs().float() / 255
    expected = (rgb - torch.tensor(SEEN.mean).view(3, 1, 1)) / torch.tensor(SEEN.std).view(3, 1, 1)
    x = pixels(photographs())
    before = x.clone()
    torch.testing.assert_close(as_trained(x, SEEN), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", [16, 20, 48])
def test_encoders_of_others_see_images_resized_as_torchvision_does(size):
    from torchvision.transforms.v2 import functional

    seen = Input(size, (0.0,) * 3, (1.0,) * 3)
    rgb = photographs().float() / 255
    expected = functional.resize(rgb, [size, size], antialias=True)
    torch.testing.assert_close(as_trained(pixels(photographs()), seen), expected, rtol=1e-5, atol=1e-5)


def test_a_fine_pattern_is_averaged_when_it_is_made_small():
    """A board of single black and white pixels is grey at a quarter of its side: antialiased."""
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 255).to(torch.uint8).expand(1, 3, 32, 32)
    small = as_trained(pixels(board), Input(8, (0.0,) * 3, (1.0,) * 3))
    assert (small - 0.5).abs().max() < 0.05
