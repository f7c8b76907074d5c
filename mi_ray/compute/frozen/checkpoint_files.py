"""Checkpoint files of encoders trained elsewhere, read as the state of a timm encoder. Every tensor of the encoder must
be in the file, and the file may hold nothing else but known heads.

Layouts are those of each method's public code: VISSL's `convert_vissl_to_torchvision.py`, MoCo's `builder.py`,
MoCo-v3's `builder.py`, `vits.py` and `main_lincls.py`, SupContrast's `resnet_big.py`, SwAV's `resnet50.py`,
DINO's `main_dino.py`.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, assert_never, cast

import torch
from torch import Tensor, nn

from mi_ray.compute.choices import Input, Interpolation, Layout, Stem
from mi_ray.compute.numerics.finite import refuse_tensors
from mi_ray.compute.numerics.tensor_files import load_tensors
from mi_ray.compute.training.networks import blank, limits

CONTAINERS = (
    "classy_state_dict.base_model.model.trunk.base_model.",
    "classy_state_dict.base_model.model.trunk.",
    "model_state_dict.",
    "state_dict.",
    "model.",
    "teacher.",
)
"""Entries of a file that may hold the network, in order of precedence; optimiser and other state lie beside them."""

SHOWN = 3
"""Names that a refusal lists of each fault."""

_STEM_OF_KERNEL: Mapping[int, Stem] = {7: "imagenet", 3: "cifar"}
_GLOBAL = re.compile(r"GLOBAL (\S+)")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CheckpointState:
    """The tensors of a file by dotted path, the sha256 (hex) of the file, and whether reading it ran code from it."""

    tensors: dict[str, Tensor]
    sha256: str
    ran_code: bool


# Reading a file


def read_state(path: Path, *, allow_code: bool = False) -> CheckpointState:
    """Read a file of safetensors or of `torch.save`, without running code from it unless ``allow_code``.

    ValueError names a file that is truncated, holds no tensors, or is a pickle that needs code, and the first global
    that it needs.
    """
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if path.suffix == ".safetensors":
        return CheckpointState(load_tensors(path), sha256, ran_code=False)
    content, ran_code = _unpickled(path, sha256, allow_code)
    tensors = _dotted(content) if isinstance(content, Mapping) else {}
    if not tensors:
        raise ValueError(f"checkpoint: {path} holds a {type(content).__name__}; allowed: a dict with tensors in it")
    return CheckpointState(tensors, sha256, ran_code)


def _unpickled(path: Path, sha256: str, allow_code: bool) -> tuple[Any, bool]:
    """The content of a pickle, and whether its code ran."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True), False
    except Exception as error:  # a truncated pickle may raise anything
        if not allow_code:
            needed = _GLOBAL.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
            if needed is None:
                raise _unreadable(path, error) from error
            raise ValueError(
                f"checkpoint: {path} needs code to be read ({needed[1]});"
                f" allowed: tensors alone, or allow_code=True if you trust the file of sha256 {sha256}"
            ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False), True
    except Exception as error:  # the file's code may raise anything
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ValueError(f"checkpoint: {path} cannot be read ({reason}); allowed: an intact file of torch.save")


def _dotted(content: Mapping[Any, Any], prefix: str = "") -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Tensor):
            tensors[f"{prefix}{key}"] = value.detach()
        elif isinstance(value, Mapping):
            tensors |= _dotted(value, f"{prefix}{key}.")
    return tensors


# Recognising a layout


def recognise(keys: Iterable[str]) -> Layout:
    """The layout that the dotted paths of a file indicate; ``flat`` if they indicate no other."""
    names = _network(dict.fromkeys(keys))
    marks: tuple[tuple[Layout, str], ...] = (
        ("vissl", "_feature_blocks."),
        ("moco", "encoder_q."),
        ("moco-v3", "base_encoder."),
        ("supcon", "encoder."),
        ("dino", "backbone."),
        ("swav", "prototypes."),
        ("swav", "projection_head."),
    )
    return next((layout for layout, mark in marks if any(name.startswith(mark) for name in names)), "flat")


def layout_of(tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet") -> Layout:
    """The layout of a file with an encoder ``arch``: ``flat`` if all of its tensors have the encoder's own names, which
    may look like another layout (``encoder.`` in Gemma), else the layout that `recognise` returns."""
    return "flat" if _holds(tensors, blank(arch, stem)) else recognise(tensors)


def _holds(tensors: Mapping[str, Tensor], encoder: nn.Module) -> bool:
    return encoder.state_dict().keys() <= tensors.keys()


def _network(entries: Mapping[str, T]) -> dict[str, T]:
    """The entries of the network, without the prefixes of their container and of ``module.``."""
    container = next((c for c in CONTAINERS if any(key.startswith(c) for key in entries)), "")
    names = {key.removeprefix(container): value for key, value in entries.items() if key.startswith(container)}
    parallel = "module." if all(name.startswith("module.") for name in names) else ""
    return {name.removeprefix(parallel): value for name, value in names.items()}


def _part(names: Mapping[str, Tensor], prefix: str, *, beside: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors below ``prefix``, without it. Tensors with a prefix in ``beside`` are dropped, and all others keep a
    marked name, by which they are refused as unexpected."""
    return {
        name.removeprefix(prefix) if name.startswith(prefix) else f"beside {prefix} {name}": tensor
        for name, tensor in names.items()
        if not name.startswith(beside)
    }


# The state of a timm encoder


def encoder_state(
    tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet", file: Path | None = None
) -> dict[str, Tensor]:
    """The state of the timm encoder ``arch`` without head, from the dotted tensors of a file in any `Layout`.

    ``stem``: of the encoder in the file (``cifar`` for SupContrast's on CIFAR); it must be stated, because no tensor
    shows whether a pooling follows.

    ValueError unless the file holds every tensor of the encoder in its shape and nothing else but known heads; only the
    counters of BatchNorm, which PyTorch before 0.4.1 did not write, may be absent. NotFinite names the tensors of the
    encoder that hold NaN or infinity, and the ``file`` if given.
    """
    encoder, layout = blank(arch, stem), layout_of(tensors, arch, stem=stem)
    names = dict(tensors) if layout == "flat" and _holds(tensors, encoder) else _network(tensors)
    own = encoder_tensors(names, layout, arch)
    what, expected = f"{layout} layout, {arch}, {stem} stem", encoder.state_dict()
    state = matched(_all_aliases(_without_head(_renamed(own, encoder), encoder), encoder), expected, what)
    name = f"{f'checkpoint: {file}' if file else 'checkpoint'} ({what})"
    # in the number types that the encoder has: a float64 of the file may be too large for them
    converted = {key: tensor.to(expected[key].dtype) for key, tensor in state.items()}
    refuse_tensors(name, converted, lambda: limits(arch, stem))
    return state


def encoder_tensors(names: Mapping[str, Tensor], layout: Layout, arch: str) -> dict[str, Tensor]:
    """The encoder's tensors under the encoder's own names, out of the network's tensors in any `Layout`.

    ValueError for MoCo-v3's ViT-S, whose file does not fit timm's.
    """
    match layout:
        case "flat":
            return dict(names)
        case "swav":
            return _part(names, "", beside=("projection_head.", "prototypes."))
        case "dino":
            return _part(names, "backbone.", beside=("head.",))
        case "moco":
            return _part(names, "encoder_q.", beside=("encoder_k.", "queue"))
        case "moco-v3":
            if arch.startswith("vit_small"):
                raise ValueError(
                    f"arch: a ViT-S of MoCo-v3 has 12 attention heads, {arch} has 6, and no tensor's shape tells them"
                    " apart; allowed: its ResNet-50 and ViT-B"
                )
            return _part(names, "base_encoder.", beside=("momentum_encoder.", "predictor."))
        case "supcon":
            parallel = any(name.startswith("encoder.module.") for name in names)
            own = _part(names, "encoder.module." if parallel else "encoder.", beside=("head.", "fc."))
            return {name.replace(".shortcut.", ".downsample."): tensor for name, tensor in own.items()}
        case "vissl":
            return _part(names, "_feature_blocks.")
        case _:
            assert_never(layout)


def _renamed(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Today's names of the tensors, by timm's own filter (Swin, PiT). If the filter would resample a tensor, all keep
    their names, and are refused later."""
    try:
        renamed = sys.modules[type(encoder).__module__].checkpoint_filter_fn(own, encoder)
    except AttributeError:  # this family has no filter, or the file is not of this family
        return own
    untouched = {id(tensor) for tensor in own.values()}
    return renamed if all(id(tensor) in untouched for tensor in renamed.values()) else own


def _without_head(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    heads = _facts(encoder)["classifier"]
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads or ()))
    return {name: tensor for name, tensor in own.items() if not name.startswith(prefixes)}


def _all_aliases(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """The tensors under all names of a weight that has several (CoaT); a file, as of safetensors, may have only one."""
    names: dict[int, list[str]] = {}
    for name, tensor in encoder.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    present = {alias: own[name] for group in names.values() for name in group if name in own for alias in group}
    return present | own


def matched(own: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    """The tensors ``own`` in the order of ``expected``; ValueError unless names, shapes and kinds of numbers agree.

    ``what``: the layout and architecture, for the message.
    """
    counters = {name: torch.tensor(0) for name in expected if name.endswith(".num_batches_tracked")}
    own = counters | own
    shapes = {name: list(tensor.shape) for name, tensor in own.items()}
    wanted = {name: list(tensor.shape) for name, tensor in expected.items()}
    reshaped = [name for name, shape in wanted.items() if name in shapes and shapes[name] != shape]
    quantised = [  # these hold codes in place of weights
        name
        for name in wanted
        if name in own
        and expected[name].dtype.is_floating_point
        and not (own[name].layout == torch.strided and own[name].dtype.is_floating_point)
    ]
    faults = [
        *_several("missing", [f"{name} {shape}" for name, shape in wanted.items() if name not in shapes]),
        *_several("unexpected", [f"{name} {shape}" for name, shape in shapes.items() if name not in wanted]),
        *_several("misshapen", [f"{name} {shapes[name]} for {wanted[name]}" for name in reshaped]),
        *_several(
            "of no floating point", [f"{name} {str(own[name].dtype).removeprefix('torch.')}" for name in quantised]
        ),
    ]
    stem, other = (_STEM_OF_KERNEL.get(sizes.get("conv1.weight", [0])[-1]) for sizes in (shapes, wanted))
    if stem and other and stem != other:
        faults.append(f"its first convolution is that of stem {stem!r}")
    if faults:
        raise ValueError(f"checkpoint ({what}): {'; '.join(faults)}; allowed: exactly the encoder's tensors")
    return {name: own[name] for name in expected}


def _several(kind: str, names: list[str]) -> list[str]:
    """A fault in words, with the first names; empty if there are no names."""
    shown = ", ".join(names[:SHOWN] + ["..."] * (len(names) > SHOWN))
    return [f"{len(names)} {kind} ({shown})"] if names else []


@lru_cache(maxsize=64)
def input_of(arch: str) -> Input:
    """The input that timm states for ``arch`` with stem ``imagenet``: its size in pixels, mean, standard deviation, and
    crop of a photograph. A pretrained tag in the name (``.dino``) can change all of them."""
    facts = _facts(blank(arch))
    interpolation: Interpolation = "bicubic" if facts["interpolation"] == "bicubic" else "bilinear"
    return Input(facts["input_size"][-1], facts["mean"], facts["std"], facts["crop_pct"], interpolation)


def _facts(encoder: nn.Module) -> dict[str, Any]:
    return cast("dict[str, Any]", encoder.pretrained_cfg)
