"""The published encoders of the paper's Tables VI to IX: architecture, file and source of each.

The paper names no variants: each entry is the best match by accuracy (experiments.md, 4.1), and ``unknown`` lists what
remains uncertain. Most sources give all their files the same name, or a name unknown here: such a file gets a name of
ours, the source's name for the run or the timm name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mi_ray.compute.choices import Input, Layout

IMAGENET = Input(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Stated in the code of VISSL (SimCLR, Jigsaw), DINO and MoCo-v3; assumed for the other ResNets."""

SWAV = Input(224, (0.485, 0.456, 0.406), (0.228, 0.224, 0.225))
"""Red over 0.228: stated in the code of SwAV and DeepCluster-v2; assumed for SeLa-v2, which is published with them."""

CIFAR_10 = Input(32, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR_100 = Input(32, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
"""Stated in the code of SupContrast, whose encoders for CIFAR have the ``cifar`` stem; the paper's tables omit them."""

FILE = "the source's file name"


@dataclass(frozen=True, kw_only=True)
class PublishedEncoder:
    """A row of Tables VI to IX: timm ``arch``, ``layout`` and name of its file, and its source.

    ``trained_on``: the input of its training, as its source states; None if timm states it for ``arch``.
    """

    row: str
    arch: str
    layout: Layout
    file: str
    source: str
    unknown: tuple[str, ...] = ()
    trained_on: Input | None = None


def _resnet50(row: str, layout: Layout, file: str, source: str, *unknown: str) -> PublishedEncoder:
    return PublishedEncoder(
        row=row, arch="resnet50", layout=layout, file=file, source=source, unknown=unknown, trained_on=IMAGENET
    )


def _swav(row: str, file: str, source: str) -> PublishedEncoder:
    return PublishedEncoder(row=row, arch="resnet50", layout="swav", file=file, source=source, trained_on=SWAV)


def _vissl(row: str, run: str, *unknown: str) -> PublishedEncoder:
    file = f"{run.replace('/', '_').replace(' ', '_')}.torch"
    return _resnet50(row, "vissl", file, f"VISSL {run}", FILE, *unknown)


def _timm(row: str, arch: str, *unknown: str) -> PublishedEncoder:
    return PublishedEncoder(
        row=row, arch=arch, layout="flat", file=f"{arch}.safetensors", source=f"timm {arch}", unknown=unknown
    )


RESNETS = (
    _resnet50("SupCon", "supcon", "supcon.pth", "SupContrast README", "key names: only by its issue 146"),
    _resnet50("Sup", "flat", "resnet50.tv_in1k.safetensors", "timm resnet50.tv_in1k"),
    _swav("SwAV", "swav_800ep_pretrain.pth.tar", "hub facebookresearch/swav:resnet50"),
    _swav("DCv2", "deepclusterv2_800ep_pretrain.pth.tar", "facebookresearch/swav"),
    _resnet50("DINO", "flat", "dino_resnet50_pretrain.pth", "hub facebookresearch/dino:dino_resnet50"),
    _resnet50("BT", "flat", "barlowtwins_resnet50.pth", "hub facebookresearch/barlowtwins:resnet50"),
    _vissl("PIRL", "pirl/r50_800ep_mlphead_gblur"),
    _swav("SeLa", "selav2_400ep_pretrain.pth.tar", "facebookresearch/swav"),
    _vissl("SimCLR", "simclr_rn50_800ep", "800 or 1000 epochs"),
    _vissl("MoCov2", "moco_v2_1node", "VISSL's 200 epochs or MoCo's own"),
    _vissl("NPID++", "npid_pp 4node_800ep_32kneg"),
    _resnet50("MoCo", "moco", "moco_v1_200ep_pretrain.pth.tar", "facebookresearch/moco moco_v1_200ep_pretrain"),
    _vissl("NPID", "npid_1node_200ep_4kneg"),
    _resnet50("CF", "flat", "rotnet_16kclusters.torch", "VISSL converted rotnet_16kclusters", FILE),
    _vissl("Rot", "rotnet_rn50_in1k_ep105"),
    _vissl("Jig", "jigsaw_rn50_in1k_ep105", "100, 2,000 or 10,000 permutations, or Goyal et al. (2019)"),
)
"""The 16 ResNet-50 of Tables VI (ImageNet-100) and VII (ImageNet-1k), in the tables' order."""

VITS = (
    _timm("SwinB", "swin_base_patch4_window7_224.ms_in22k_ft_in1k", "this tag or ms_in1k"),
    _timm("ViTB", "vit_base_patch16_224.augreg_in21k_ft_in1k", "this tag, augreg_in1k or orig_in21k_ft_in1k"),
    _timm("PiTB", "pit_b_224.in1k"),
    _timm("DeiTB", "deit_base_patch16_224.fb_in1k"),
    _timm("CaiT36", "cait_xxs36_224.fb_dist_in1k"),
    _timm("PiTS", "pit_s_224.in1k"),
    _timm("CaiT24", "cait_xxs24_224.fb_dist_in1k"),
    PublishedEncoder(
        row="MoCov3", arch="vit_base_patch16_224", layout="moco-v3", file="vit-b-300ep.pth.tar", trained_on=IMAGENET,
        source="facebookresearch/moco-v3 vit-b-300ep", unknown=("MoCo-v3's own or VISSL's mirror",),
    ),
    _timm("DINOB", "vit_base_patch16_224.dino"),
    _timm("ViTS", "vit_small_patch16_224.augreg_in21k_ft_in1k", "this tag or augreg_in1k"),
    _timm("DeiTT", "deit_tiny_patch16_224.fb_in1k"),
    _timm("ViTT", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
    _timm("DINOS", "vit_small_patch16_224.dino"),
)  # fmt: skip
"""The 13 vision transformers of Table VIII (ImageNet-100); Table IX (ImageNet-1k) leaves out SwinB and PiTB."""


def missing(folder: Path, encoders: Iterable[PublishedEncoder] = RESNETS + VITS) -> tuple[str, ...]:
    """Names of the files of ``encoders`` that are not in ``folder``, in the encoders' order."""
    return tuple(encoder.file for encoder in encoders if not (folder / encoder.file).is_file())
