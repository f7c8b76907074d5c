"""One small encoder of each family of timm is built, trained for a step, saved, loaded and embeds (`make archs`)."""

import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from mi_ray.compute.choices import archs
from mi_ray.compute.frozen.checkpoint_files import encoder_state
from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.compute.pairs.couples import Indices
from mi_ray.compute.training import networks
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.trainer import Trainer

CPU = torch.device("cpu")
FAMILIES = {
    "beit": "beit_base_patch16_224",
    "byoanet": "botnet26t_256",
    "byobnet": "test_byobnet",
    "cait": "cait_xxs24_224",
    "coat": "coat_lite_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_1024_20_ks9_p14",
    "convnext": "test_convnext",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240",
    "csatv2": "csatv2",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deepseek_vit": "deepseek_vit_412m",
    "deit": "deit_tiny_patch16_224",
    "densenet": "densenet121",
    "dla": "dla46x_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "test_efficientnet",
    "efficientvim": "efficientvim_m1",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "gemma4_vit": "gemma4_vit_167m",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_a",
    "hgnet": "hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "test_maxvit",
    "metaformer": "poolformer_s12",
    "mlp_mixer": "resmlp_12_224",
    "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base",
    "mobilevit": "mobilevitv2_050",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_gap",
    "nasnet": "nasnetalarge",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "test_nfnet",
    "pit": "pit_ti_224",
    "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0",
    "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m0_9",
    "res2net": "res2net50_48w_2s",
    "resnest": "resnest14d",
    "resnet": "test_resnet",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnetr_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small",
    "vgg": "vgg11",
    "visformer": "visformer_tiny",
    "vision_transformer": "test_vit",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "test_vit_relpos",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim_dw",
    "xception": "legacy_xception",
    "xception_aligned": "xception41",
    "xcit": "xcit_nano_12_p16_224",
}
"""Module of `timm.models` -> the smallest of its encoders, or one of the smallest."""

REFUSED: dict[str, str] = {}
"""Encoders that make no h [n, width] of images at any side, with why."""


def couple(k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    chosen = rng.integers(8, size=k)
    return chosen, chosen


def images(side: int) -> ImageSet:
    pixels = np.random.default_rng(0).integers(256, size=(8, 3, side, side), dtype=np.uint8)
    return ImageSet(pixels, np.zeros((8, 1), np.int64), np.arange(8))


def side_of(arch: str) -> int:
    """The least side that ``arch`` can be trained on, as its refusal of 32 pixels says."""
    try:
        networks.forward_pass(arch, 32, training=True)
    except ValueError as refusal:
        told = str(refusal)
        assert told.startswith(f"arch: '{arch}' takes no images of 32 x 32 pixels (") and "\n" not in told
        allowed = re.search(r"; allowed: a side of (\d+)$", told)
        assert allowed, told
        return int(allowed[1])
    return 32


def trained(arch: str, data: ImageSet) -> tuple[nn.Module, Trainer]:
    f_e = networks.encoder(arch, seed=0)
    for layer in f_e.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = 1.0  # one step is too few for the usual running averages
    f_p = fresh_mlp(networks.width(arch), hidden=8, out=4, seed=0)
    trainer = Trainer(
        f_e, f_p, data, couple, lambda x, *_: x, k_tr=2, steps=1, temperature=0.2, optimizer="adamw",
        learning_rate=1e-3, weight_decay=1e-4, warmup_steps=0, seed=0, dtype=torch.float32, device=CPU,
    )  # fmt: skip
    return f_e, trainer


def through_a_file(tensors: dict[str, torch.Tensor], folder: Path) -> dict[str, torch.Tensor]:
    path = folder / "tensors.safetensors"
    save_tensors(tensors, path)
    read = load_tensors(path)
    path.unlink()
    return read


def test_the_table_has_every_family_of_timm_and_its_own_encoders():
    assert FAMILIES.keys() == set(timm.list_modules())
    assert [arch for family, arch in FAMILIES.items() if arch not in timm.list_models(module=family)] == []
    assert set(FAMILIES.values()) <= archs()


@pytest.mark.slow
@pytest.mark.timeout(900)  # deepseek_vit has 412 million weights
@pytest.mark.parametrize("arch", [arch for arch in FAMILIES.values() if arch not in REFUSED])
def test_an_encoder_is_built_trained_saved_loaded_and_embeds(arch: str, tmp_path: Path):
    side = side_of(arch)
    data = images(side)
    f_e, trainer = trained(arch, data)
    assert torch.isfinite(trainer.step())
    trainer.load(through_a_file(trainer.state(), tmp_path))
    state = through_a_file(f_e.state_dict(), tmp_path)
    loaded = networks.encoder(arch, seed=1)
    loaded.load_state_dict(encoder_state(state, arch))
    h = embed(loaded, data, device=CPU)
    assert h.shape == (8, networks.forward_pass(arch, side).width) == (8, networks.width(arch))
    assert np.isfinite(h).all() and np.array_equal(h, embed(f_e, data, device=CPU))


@pytest.mark.slow
@pytest.mark.parametrize("arch", REFUSED)
def test_an_encoder_that_makes_no_h_is_refused_with_why(arch: str):
    with pytest.raises(ValueError) as refusal:
        networks.forward_pass(arch, 224)
    told = str(refusal.value)
    assert told.startswith(f"arch: '{arch}' takes no images of 224 x 224 pixels ({REFUSED[arch]}") and "\n" not in told
    assert told.endswith("; allowed: another arch: it takes none of the usual sides")
