"""Encoders under the names of CLIP and of Hugging Face's transformers, against small networks with those names."""

import copy
import re

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from mi_ray.compute.frozen.checkpoint_files import encoder_state, read_encoder
from mi_ray.compute.training.networks import blank
from tests.compute.frozen.checkpoints import below, moved


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Block(nn.Module):
    """`ResidualAttentionBlock` of CLIP's `model.py`."""

    def __init__(self, width, heads, quick):
        super().__init__()
        self.attn, self.ln_1, self.ln_2 = nn.MultiheadAttention(width, heads), nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp, self.quick = (
            nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)}),
            quick,
        )

    def forward(self, x):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden) if self.quick else functional.gelu(hidden))


class Visual(nn.Module):
    """`VisionTransformer` of CLIP's `model.py`, up to its projection to the width of text."""

    def __init__(self, quick, width=768, patch=32, side=224, layers=12, heads=12):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.1)
        self.positional_embedding = nn.Parameter(torch.randn((side // patch) ** 2 + 1, width) * 0.1)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.ModuleDict(
            {"resblocks": nn.ModuleList(Block(width, heads, quick) for _ in range(layers))}
        )
        self.proj = nn.Parameter(torch.randn(width, 512) * 0.1)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1) + self.positional_embedding
        x = self.ln_pre(x).transpose(0, 1)
        for block in self.transformer["resblocks"]:
            x = block(x)
        return self.ln_post(x[0])


TEXT = {
    "token_embedding.weight": torch.rand(5, 8), "positional_embedding": torch.rand(4, 8),
    "logit_scale": torch.tensor(4.6), "transformer.resblocks.0.ln_1.weight": torch.ones(8),
    "text_projection": torch.rand(8, 512), "ln_final.weight": torch.ones(8),
}  # fmt: skip
"""Tensors of CLIP beside its image encoder."""


@pytest.mark.parametrize(
    ("arch", "quick", "prefix"),
    [("vit_base_patch32_clip_quickgelu_224", True, ""), ("vit_base_patch32_clip_224", False, "state_dict.module.")],
    ids=["OpenAI", "open_clip"],
)
def test_the_image_encoder_of_clip_computes_the_same_in_timm(arch, quick, prefix):
    theirs = moved(Visual(quick))
    read = read_encoder(below(prefix, below("visual.", theirs.state_dict()) | TEXT), arch)
    assert (read.prefix, read.naming) == (f"{prefix}visual.", "clip")
    ours = copy.deepcopy(blank(arch))
    ours.load_state_dict(read.state, assign=True)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        h, other = theirs(x), ours(x)
    assert (h - other).norm() < 1e-5 * h.norm() and (h[0] - h[1]).norm() > 0.01 * h.norm()


def test_a_clip_transformer_of_another_size_is_refused():
    state = below("visual.", Visual(True, layers=11).state_dict())
    with pytest.raises(ValueError, match="missing"):
        encoder_state(state, "vit_base_patch32_clip_224")
    state = below("visual.", Visual(True, layers=1, side=256).state_dict())
    with pytest.raises(ValueError, match=r"missing|misshapen"):
        encoder_state(state, "vit_base_patch32_clip_224")


def test_the_resnet_of_clip_is_read_through_timms_filter():
    """`ModifiedResNet`: three convolutions in the stem, pooling before strides, and by attention at the end."""
    f_e = timm.create_model("resnet50_clip", num_classes=0)

    def named(name):
        name = re.sub(r"^stem\.conv(\d)\.(conv|bn)\.", lambda m: f"{m[2]}{m[1]}.", name)
        name = re.sub(r"^stages\.(\d)\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}.{m[2]}.", name)
        name = re.sub(r"\.conv(\d)_(?:1x1|kxk)\.(conv|bn)\.", lambda m: f".{m[2]}{m[1]}.", name)
        name = re.sub(r"\.shortcut\.conv\.(conv|bn)\.", lambda m: f".downsample.{int(m[1] == 'bn')}.", name)
        name = re.sub(r"^head\.(q|k|v)\.", r"attnpool.\1_proj.", name)
        return name.replace("head.pos_embed", "attnpool.positional_embedding").replace("head.proj.", "attnpool.c_proj.")

    state = f_e.state_dict()
    theirs = below("visual.", {named(name): tensor for name, tensor in state.items()})
    assert {
        "visual.conv3.weight",
        "visual.layer1.0.downsample.0.weight",
        "visual.attnpool.q_proj.weight",
    } < theirs.keys()
    read = read_encoder(theirs | TEXT, "resnet50_clip")
    assert read.prefix == "visual." and all(torch.equal(read.state[name], tensor) for name, tensor in state.items())


class Layer(nn.Module):
    """`ResNetConvLayer` of transformers' `modeling_resnet.py`."""

    def __init__(self, inside, outside, kernel=3, stride=1, act=True):
        super().__init__()
        self.convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
        self.normalization, self.act = nn.BatchNorm2d(outside), act

    def forward(self, x):
        x = self.normalization(self.convolution(x))
        return functional.relu(x) if self.act else x


class Bottleneck(nn.Module):
    """`ResNetBottleNeckLayer` and `ResNetBasicLayer`."""

    def __init__(self, inside, outside, stride, deep):
        super().__init__()
        inner = outside // 4
        if inside != outside or stride != 1:
            self.shortcut = Layer(inside, outside, 1, stride, act=False)
        layers = (
            [Layer(inside, inner, 1), Layer(inner, inner, 3, stride), Layer(inner, outside, 1, act=False)]
            if deep
            else [Layer(inside, outside, 3, stride), Layer(outside, outside, act=False)]
        )
        self.layer = nn.Sequential(*layers)

    def forward(self, x):
        return functional.relu(self.layer(x) + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class ResNetModel(nn.Module):
    """`ResNetModel`."""

    def __init__(self, sizes, depths, deep):
        super().__init__()
        self.embedder = nn.ModuleDict({"embedder": Layer(3, 64, 7, 2)})
        stages, inside = [], 64
        for number, (size, depth) in enumerate(zip(sizes, depths, strict=True)):
            blocks = [Bottleneck(inside, size, 1 if number == 0 else 2, deep)]
            blocks += [Bottleneck(size, size, 1, deep) for _ in range(depth - 1)]
            stages, inside = [*stages, nn.ModuleDict({"layers": nn.Sequential(*blocks)})], size
        self.encoder = nn.ModuleDict({"stages": nn.ModuleList(stages)})

    def forward(self, x):
        x = functional.max_pool2d(self.embedder["embedder"](x), 3, 2, 1)
        for stage in self.encoder["stages"]:
            x = stage["layers"](x)
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("arch", "network"),
    [
        ("resnet18", lambda: ResNetModel((64, 128, 256, 512), (2, 2, 2, 2), False)),
        ("resnet26", lambda: ResNetModel((256, 512, 1024, 2048), (2, 2, 2, 2), True)),
    ],
)
def test_a_resnet_of_transformers_computes_the_same_in_timm(arch, network):
    theirs = moved(network())
    head = {"classifier.1.weight": torch.rand(3, 512), "classifier.1.bias": torch.rand(3)}
    read = read_encoder(below("resnet.", theirs.state_dict()) | head, arch)
    assert (read.prefix, read.naming) == ("resnet.", "transformers")
    ours = timm.create_model(arch, num_classes=0).eval()
    ours.load_state_dict(read.state)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (theirs(x) - ours(x)).norm() < 1e-5 * ours(x).norm()


def test_a_transformer_of_transformers_is_refused_with_the_reason():
    state = {"vit.embeddings.patch_embeddings.projection.weight": torch.rand(192, 3, 16, 16),
             "vit.encoder.layer.0.attention.attention.query.weight": torch.rand(192, 192)}  # fmt: skip
    with pytest.raises(ValueError, match="eps of layer normalisation stands in its configuration"):
        encoder_state(state, "vit_tiny_patch16_224")
