"""Encoders of torchvision and their twins in timm, which compute the same function under other names of tensors.

Sources: the model files of torchvision 0.29 and timm 1.0. A pair stands in `TWINS` only if both give the same h, to
1e-5 of its size, on random weights and random statistics of BatchNorm (`tests/compute/frozen/test_torchvision.py`);
same shapes are not enough: timm's ``tf_`` encoders pad otherwise. Other encoders of torchvision have timm's own names
(ResNet, ResNeXt, Wide ResNet, DenseNet) or no twin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

Family = Literal["mobile", "convnext", "vit", "swin", "regnet", "vgg"]


@dataclass(frozen=True, kw_only=True)
class Twin:
    """An encoder of torchvision.

    ``constructor``: its name in `torchvision.models`. ``eps``: of its BatchNorm, None if it has none or timm's.
    ``modules``: names of its children in their order, by which an `nn.Sequential` of them numbers them.
    """

    constructor: str
    family: Family
    eps: float | None = None
    modules: tuple[str, ...] = ("features",)


def _twins(family: Family, pairs: Mapping[str, str], **fields: object) -> dict[str, Twin]:
    return {arch: Twin(constructor=name, family=family, **fields) for name, arch in pairs.items()}  # type: ignore[arg-type]


TWINS: Mapping[str, Twin] = {
    **_twins("mobile", {"mobilenet_v2": "mobilenetv2_100"}),
    **_twins(
        "mobile",
        {"mobilenet_v3_large": "mobilenetv3_large_100", "mobilenet_v3_small": "mobilenetv3_small_100"},
        eps=1e-3,
    ),
    **_twins("mobile", {f"efficientnet_b{size}": f"efficientnet_b{size}" for size in range(5)}),
    **_twins("mobile", {f"efficientnet_b{size}": f"efficientnet_b{size}" for size in range(5, 8)}, eps=1e-3),
    **_twins("mobile", {f"efficientnet_v2_{size}": f"efficientnetv2_{size}" for size in "sml"}, eps=1e-3),
    **_twins("convnext", {f"convnext_{size}": f"convnext_{size}" for size in ("tiny", "small", "base", "large")}),
    **_twins(
        "vit",
        {
            "vit_b_16": "vit_base_patch16_224",
            "vit_b_32": "vit_base_patch32_224",
            "vit_l_16": "vit_large_patch16_224",
            "vit_l_32": "vit_large_patch32_224",
            "vit_h_14": "vit_huge_patch14_224",
        },
        modules=(),
    ),
    **_twins(
        "swin",
        {
            "swin_t": "swin_tiny_patch4_window7_224",
            "swin_s": "swin_small_patch4_window7_224",
            "swin_b": "swin_base_patch4_window7_224",
            "swin_v2_t": "swinv2_tiny_window8_256",
            "swin_v2_s": "swinv2_small_window8_256",
            "swin_v2_b": "swinv2_base_window8_256",
        },
        modules=("features", "norm"),
    ),
    **_twins(
        "regnet",
        {
            f"regnet_{kind}_{size}": f"regnet{kind}_{code}{'_tv' if kind + code in ('x004', 'y008', 'y080') else ''}"
            for kind in "xy"
            for size, code in {
                "400mf": "004", "800mf": "008", "1_6gf": "016", "3_2gf": "032", "8gf": "080", "16gf": "160",
                "32gf": "320",
            }.items()
        },
        modules=("stem", "trunk_output"),
    ),
    **_twins("vgg", {f"vgg{size}{bn}": f"vgg{size}{bn}" for size in (11, 13, 16, 19) for bn in ("", "_bn")}),
}  # fmt: skip
"""The twins by their name in timm."""

Swap = str | Callable[[re.Match[str]], str]

_SWAPS: Mapping[Family, tuple[tuple[str, Swap], ...]] = {
    "convnext": (
        (r"^features\.0\.", "stem."),
        (r"^features\.([246])\.", lambda m: f"stages.{int(m[1]) // 2}.downsample."),
        (r"^features\.([1357])\.(\d+)\.", lambda m: f"stages.{int(m[1]) // 2}.blocks.{m[2]}."),
        (r"\.layer_scale$", ".gamma"),
        (r"\.block\.0\.", ".conv_dw."),
        (r"\.block\.2\.", ".norm."),
        (r"\.block\.3\.", ".mlp.fc1."),
        (r"\.block\.5\.", ".mlp.fc2."),
        (r"^classifier\.0\.", "head.norm."),
        (r"^classifier\.2\.", "head.fc."),
    ),
    "vit": (
        (r"^class_token$", "cls_token"),
        (r"^conv_proj\.", "patch_embed.proj."),
        (r"^encoder\.pos_embedding$", "pos_embed"),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
        (r"\.ln_([12])\.", r".norm\1."),
        (r"\.self_attention\.in_proj_", ".attn.qkv."),
        (r"\.self_attention\.out_proj\.", ".attn.proj."),
        (r"\.mlp\.(0|linear_1)\.", ".mlp.fc1."),
        (r"\.mlp\.(3|linear_2)\.", ".mlp.fc2."),
        (r"^encoder\.ln\.", "norm."),
        (r"^heads\.", "head."),
    ),
    "swin": (
        (r"^features\.0\.0\.", "patch_embed.proj."),
        (r"^features\.0\.2\.", "patch_embed.norm."),
        (r"^features\.([246])\.", lambda m: f"layers.{int(m[1]) // 2}.downsample."),
        (r"^features\.([1357])\.(\d+)\.", lambda m: f"layers.{int(m[1]) // 2}.blocks.{m[2]}."),
        (r"\.mlp\.0\.", ".mlp.fc1."),
        (r"\.mlp\.3\.", ".mlp.fc2."),
        (r"^head\.", "head.fc."),
    ),
    "regnet": (
        (r"^stem\.0\.", "stem.conv."),
        (r"^stem\.1\.", "stem.bn."),
        (r"^trunk_output\.block(\d)\.block\1-(\d+)\.", lambda m: f"s{m[1]}.b{int(m[2]) + 1}."),
        (r"\.proj\.0\.", ".downsample.conv."),
        (r"\.proj\.1\.", ".downsample.bn."),
        (r"\.f\.([abc])\.([01])\.", lambda m: f".conv{'abc'.index(m[1]) + 1}.{('conv', 'bn')[int(m[2])]}."),
        (r"\.f\.se\.", ".se."),
        (r"^fc\.", "head.fc."),
    ),
    "vgg": (
        (r"^classifier\.0\.", "pre_logits.fc1."),
        (r"^classifier\.3\.", "pre_logits.fc2."),
        (r"^classifier\.6\.", "head.fc."),
    ),
    "mobile": (),
}
"""Patterns of names in torchvision and their names in timm, in order of application."""

_COMPUTED = ("relative_position_index", "relative_coords_table")
"""Buffers of Swin that follow from the size of its windows; timm computes them."""


def twin_of(arch: str) -> Twin | None:
    """The encoder of torchvision that computes what timm's ``arch`` does, whatever its pretrained tag."""
    return TWINS.get(arch.partition(".")[0])


def from_torchvision(own: Mapping[str, Tensor], twin: Twin, encoder: nn.Module) -> dict[str, Tensor]:
    """The tensors of torchvision's ``twin`` under the names, and in the shapes, of timm's ``encoder``.

    What cannot be renamed keeps its name, and is refused later. Where torchvision's BatchNorm has the larger eps, its
    running variances are raised by the difference, which gives the same normalisation.
    """
    match twin.family:
        case "mobile":
            renamed = _in_order(own, encoder)
        case "convnext" | "vit" | "swin" | "regnet" | "vgg":
            renamed = {_swapped(name, twin.family): tensor for name, tensor in own.items()}
        case _:
            assert_never(twin.family)
    if twin.family == "swin":
        renamed = _without_computed(renamed, encoder)
    expected = encoder.state_dict()
    shaped = {name: _shaped(tensor, expected.get(name)) for name, tensor in renamed.items()}
    return shaped if twin.eps is None else shaped | _raised(shaped, twin.eps, encoder)


def _swapped(name: str, family: Family) -> str:
    for pattern, name_in_timm in _SWAPS[family]:
        name = re.sub(pattern, name_in_timm, name)
    return name


def _in_order(own: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """The n-th layer of the file, by the numbers in its names, is the n-th of the encoder: both define layers in the
    order in which they compute. The last linear layer is the classifier. Other names are left as they are."""
    if not all(name.startswith(("features.", "classifier.")) for name in own):
        return dict(own)
    layers: dict[str, list[str]] = {}
    for name in own:
        layers.setdefault(name.rpartition(".")[0], []).append(name.rpartition(".")[2])
    ordered = sorted(layers, key=lambda layer: (layer.startswith("classifier"), *_by_number(layer)))
    theirs = list(dict.fromkeys(name.rpartition(".")[0] for name in encoder.state_dict()))
    heads = [layer for layer in ordered[len(theirs) :] if layer.startswith("classifier")]
    names = dict(zip(ordered, theirs, strict=False)) | {
        head: f"classifier.{number}" for number, head in enumerate(heads)
    }
    return {
        f"{names.get(layer, layer)}.{part}": own[f"{layer}.{part}" if layer else part]
        for layer, parts in layers.items()
        for part in parts
    }


def _by_number(layer: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in layer.split("."))


def _without_computed(own: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Without buffers that timm computes, and the bias of query, key and value (the key's is not used) in parts."""
    expected, parts = encoder.state_dict(), dict[str, Tensor]()
    for name, tensor in own.items():
        layer, _, last = name.rpartition(".")
        if last in _COMPUTED:
            continue
        if name.endswith(".qkv.bias") and name not in expected:
            layer = layer.removesuffix(".qkv")
            query, _, value = tensor.chunk(3)
            parts |= {f"{layer}.q_bias": query, f"{layer}.v_bias": value}
        else:
            parts[name] = tensor
    return parts


def _shaped(tensor: Tensor, expected: Tensor | None) -> Tensor:
    """The tensor in the encoder's shape, if the shapes differ by sizes of 1 or by the unrolling of a convolution."""
    if expected is None or expected.shape == tensor.shape or expected.numel() != tensor.numel():
        return tensor
    sizes, own = [size for size in expected.shape if size > 1], [size for size in tensor.shape if size > 1]
    unrolled = tensor.ndim == 2 and expected.ndim == 4 and expected.shape[0] == tensor.shape[0]
    return tensor.reshape(expected.shape) if sizes == own or unrolled else tensor


def _raised(own: Mapping[str, Tensor], eps: float, encoder: nn.Module) -> dict[str, Tensor]:
    variances = {
        f"{name}.running_var": eps - layer.eps
        for name, layer in encoder.named_modules()
        if isinstance(layer, nn.BatchNorm2d) and layer.eps < eps
    }
    return {
        name: (own[name].double() + more).to(torch.promote_types(own[name].dtype, torch.float32))
        for name, more in variances.items()
        if name in own
    }
