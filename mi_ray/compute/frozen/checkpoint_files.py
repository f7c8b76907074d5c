"""Checkpoint files of encoders trained elsewhere, read as the state of a timm encoder. Every tensor of the encoder must
be in the file below one prefix, and nothing else may stand there but its head.

Layouts are those of each method's public code: VISSL's `convert_vissl_to_torchvision.py`, MoCo's `builder.py`,
MoCo-v3's `builder.py`, `vits.py` and `main_lincls.py`, SupContrast's `resnet_big.py`, SwAV's `resnet50.py`,
DINO's `main_dino.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from mi_ray.compute.choices import Input, Interpolation, Layout, Stem
from mi_ray.compute.frozen.file_tensors import CheckpointState, read_state
from mi_ray.compute.frozen.finding import WRAPPERS, Found, found_encoders, grouped
from mi_ray.compute.frozen.matching import completed, facts_of
from mi_ray.compute.frozen.renaming import Naming, hint
from mi_ray.compute.numerics.finite import refuse_tensors
from mi_ray.compute.training.networks import blank, limits

__all__ = ["CheckpointState", "EncoderRead", "encoder_state", "input_of", "read_encoder", "read_state", "recognise"]

CONTAINERS = (
    "classy_state_dict.base_model.model.trunk.base_model.",
    "classy_state_dict.base_model.model.trunk.",
    "model_state_dict.",
    "state_dict.",
    "model.",
    "teacher.",
)
"""Entries of a file that may hold the network, in order of precedence; optimiser and other state lie beside them."""

PUBLISHED_CHOICE: tuple[tuple[str, str], ...] = (
    (r"^teacher\.backbone\.$", r"^student\.backbone\.$"),
    (r"(^|\.)encoder_q\.$", r"(^|\.)encoder_k\.$"),
    (r"(^|\.)base_encoder\.$", r"(^|\.)momentum_encoder\.$"),
    (r"^classy_state_dict\.base_model\.", r"^classy_state_dict\.loss\."),
    (r"(^|\.)(backbone|encoder)\.$", r"(^|\.)(momentum_(backbone|encoder)|(backbone|encoder)_momentum)\.$"),
)
"""Prefix of the encoder that a method's own evaluation takes, and of the one that it leaves: DINO, MoCo, MoCo-v3,
VISSL, solo-learn (`main_linear.py`) and lightly (its benchmarks)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderRead:
    """The state of a timm encoder, and where it was found.

    ``prefix``: of its tensors in the file. ``naming``: whose names they have. ``averaged``: whether they are a running
    average of the trained weights. ``others``: prefixes of further encoders of other bits in the file.
    """

    state: dict[str, Tensor]
    layout: Layout
    prefix: str
    naming: Naming
    averaged: bool
    others: tuple[str, ...]


# Recognising a layout


def recognise(keys: Iterable[str]) -> Layout:
    """The layout that the dotted paths of a file indicate; ``flat`` if they indicate no other."""
    bare = [".".join(part for part in key.split(".") if part not in WRAPPERS) for key in keys]
    if any(name.startswith(("teacher.backbone.", "student.backbone.")) for name in bare):
        return "dino"
    container = next((c for c in CONTAINERS if any(name.startswith(c) for name in bare)), "")
    names = [name.removeprefix(container) for name in bare if name.startswith(container)]
    marks: tuple[tuple[Layout, str], ...] = (
        ("vissl", "_feature_blocks."),
        ("moco", "encoder_q."),
        ("moco-v3", "base_encoder."),
        ("supcon", "encoder."),
        ("swav", "prototypes."),
        ("swav", "projection_head."),
    )
    indicated = [layout for layout, mark in marks if any(name.startswith(mark) for name in names)]
    is_simsiam = indicated[:1] == ["supcon"] and any(name.startswith("predictor.") for name in names)
    return "flat" if is_simsiam or not indicated else indicated[0]


def layout_of(tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet") -> Layout:
    """The layout of a file with an encoder ``arch``: ``flat`` if all of its tensors have the encoder's own names, which
    may look like another layout (``encoder.`` in Gemma), else the layout that `recognise` returns."""
    return "flat" if blank(arch, stem).state_dict().keys() <= tensors.keys() else recognise(tensors)


# The state of a timm encoder


def encoder_state(
    tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet", file: Path | None = None, weights: str = ""
) -> dict[str, Tensor]:
    """The state of the timm encoder ``arch`` without head, as `read_encoder` finds it."""
    return read_encoder(tensors, arch, stem=stem, file=file, weights=weights).state


def read_encoder(
    tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet", file: Path | None = None, weights: str = ""
) -> EncoderRead:
    """Find the timm encoder ``arch`` in the dotted tensors of a file: the prefix below which all of it stands.

    ``stem``: of the encoder in the file (``cifar`` for SupContrast's on CIFAR); it must be stated, because no tensor
    shows whether a pooling follows. ``weights``: which encoder, if there are several: ``raw``, ``averaged``, the prefix
    of one, or as the method publishes it.

    ValueError unless the file holds every tensor of the encoder in its shape and nothing else but its head below the
    same prefix, and if several encoders fit and ``weights`` does not say which. NotFinite names the tensors of the
    encoder that hold NaN or infinity, and the ``file`` if given.
    """
    encoder, layout = blank(arch, stem), layout_of(tensors, arch, stem=stem)
    if layout == "moco-v3" and arch.startswith("vit_small"):
        raise ValueError(
            f"arch: a ViT-S of MoCo-v3 has 12 attention heads, {arch} has 6, and no tensor's shape tells them"
            " apart; allowed: its ResNet-50 and ViT-B"
        )
    whole, best = found_encoders(tensors, arch, encoder)
    if not whole:
        raise _unfit(best, f"{layout} layout, {arch}, {stem} stem", hint(tensors, arch))
    groups = grouped(whole)
    chosen = _chosen(groups, weights, file)
    layout = layout if chosen.naming in ("own", "former") else "flat"
    expected = encoder.state_dict()
    name = f"{f'checkpoint: {file}' if file else 'checkpoint'} ({layout} layout, {arch}, {stem} stem)"
    state = completed(chosen.own, expected)
    # in the number types that the encoder has: a float64 of the file may be too large for them
    converted = {key: tensor.to(expected[key].dtype) for key, tensor in state.items()}
    refuse_tensors(name, converted, lambda: limits(arch, stem))
    return EncoderRead(
        state=state, layout=layout, prefix=chosen.prefix, naming=chosen.naming, averaged=chosen.averaged,
        others=tuple(group[0].prefix for group in groups if chosen not in group),
    )  # fmt: skip


def _unfit(best: Found, what: str, whose: str) -> ValueError:
    below = f"below {best.prefix!r}: " if best.prefix else ""
    hinted = f"; {whose}" if whose else ""
    return ValueError(
        f"checkpoint ({what}): {below}{'; '.join(best.faults)}{hinted}; allowed: exactly the encoder's tensors"
    )


def _chosen(groups: list[list[Found]], weights: str, file: Path | None) -> Found:
    """The encoder that ``weights`` names, or that its method publishes; ValueError if that is none or several."""
    found = [one for group in groups for one in group]
    named = [one for one in found if weights in (one.role, one.prefix, one.path)] if weights else found
    left = [group for group in groups if any(one in named for one in group)]
    if len(left) == 1:
        return next(one for one in left[0] if one in named)
    if not weights and (published := _published(found)):
        return published
    listed = ", ".join(f"{group[0].prefix!r} ({group[0].role})" for group in groups)
    fault = "several encoders fit" if len(left) > 1 else "no such encoder is there"
    roles = sorted({one.role for one in found}, reverse=True)
    by_role = [role for role in roles if sum(any(one.role == role for one in group) for group in groups) == 1]
    raise ValueError(
        f"weights: {weights!r} is not allowed for {file or 'this checkpoint'}, where {fault}: {listed};"
        f" allowed: {', '.join([*by_role, 'one of these prefixes'])}"
    )


def _published(found: list[Found]) -> Found | None:
    """The encoder that the method's own evaluation takes, if all others are those that it leaves."""
    for taken, left in PUBLISHED_CHOICE:
        ours = [one for one in found if re.search(taken, one.path)]
        others = [one for one in found if one not in ours]
        if len(ours) == 1 and all(re.search(left, one.path) for one in others):
            return ours[0]
    return None


@lru_cache(maxsize=64)
def input_of(arch: str) -> Input:
    """The input that timm states for ``arch`` with stem ``imagenet``: its size in pixels, mean, standard deviation, and
    crop of a photograph. A pretrained tag in the name (``.dino``) can change all of them."""
    facts = facts_of(blank(arch))
    interpolation: Interpolation = "bicubic" if facts["interpolation"] == "bicubic" else "bilinear"
    return Input(facts["input_size"][-1], facts["mean"], facts["std"], facts["crop_pct"], interpolation)
