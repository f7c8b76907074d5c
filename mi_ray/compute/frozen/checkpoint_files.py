"""Encoders trained by others: a checkpoint file in, the state of a timm encoder out, nothing left over or made up.

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

from mi_ray.compute.choices import Input, Layout, Stem
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
"""Entries of a file that hold the network, first found first taken; the optimiser and the rest lie beside them."""

SHOWN = 3
_STEM_OF_KERNEL: Mapping[int, Stem] = {7: "imagenet", 3: "cifar"}
_GLOBAL = re.compile(r"GLOBAL (\S+)")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CheckpointState:
    """The tensors of a file by dotted path, the file's sha256 (hex), and whether reading it ran code from it."""

    tensors: dict[str, Tensor]
    sha256: str
    ran_code: bool


# Reading a file


def read_state(path: Path, *, allow_code: bool = False) -> CheckpointState:
    """Read a safetensors file or what `torch.save` wrote, without running code from it unless ``allow_code``.

    ValueError names a file that is cut, holds no tensors, or is a pickle that needs code, and the first such global.
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
    try:
        return torch.load(path, map_location="cpu", weights_only=True), False
    except Exception as error:  # a cut pickle may raise anything
        if not allow_code:
            raise _needs_code(path, sha256, error) or _unreadable(path, error) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=False), True
    except Exception as error:  # so may the code of others
        raise _unreadable(path, error) from error


def _needs_code(path: Path, sha256: str, error: Exception) -> ValueError | None:
    found = _GLOBAL.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
    return found and ValueError(
        f"checkpoint: {path} needs code to be read ({found[1]});"
        f" allowed: tensors alone, or allow_code=True if you trust the file of sha256 {sha256}"
    )


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
    """The layout that the dotted paths of a file show; ``flat`` where nothing marks another."""
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
    """The layout of a file that is to hold ``arch``: ``flat`` where all of the encoder lies under its own names, which
    may look like another layout's (``encoder.`` in Gemma's), else as `recognise` tells."""
    return "flat" if _holds(tensors, blank(arch, stem)) else recognise(tensors)


def _holds(tensors: Mapping[str, Tensor], encoder: nn.Module) -> bool:
    return encoder.state_dict().keys() <= tensors.keys()


def _network(entries: Mapping[str, T]) -> dict[str, T]:
    """The entries of the network alone, out of their container and of ``module.``."""
    container = next((c for c in CONTAINERS if any(key.startswith(c) for key in entries)), "")
    names = {key.removeprefix(container): value for key, value in entries.items() if key.startswith(container)}
    parallel = "module." if all(name.startswith("module.") for name in names) else ""
    return {name.removeprefix(parallel): value for name, value in names.items()}


def _part(names: Mapping[str, Tensor], prefix: str, *, beside: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """What lies below ``prefix``; what is neither there nor ``beside`` it stays, marked, to be refused."""
    return {
        name.removeprefix(prefix) if name.startswith(prefix) else f"beside {prefix} {name}": tensor
        for name, tensor in names.items()
        if not name.startswith(beside)
    }


def _moco_v3(names: Mapping[str, Tensor], arch: str) -> dict[str, Tensor]:
    if arch.startswith("vit_small"):
        raise ValueError(
            f"arch: a ViT-S of MoCo-v3 has 12 attention heads, {arch} has 6, and no tensor's shape tells them apart;"
            " allowed: its ResNet-50 and ViT-B"
        )
    return _part(names, "base_encoder.", beside=("momentum_encoder.", "predictor."))


def _supcon(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parallel = any(name.startswith("encoder.module.") for name in names)
    own = _part(names, "encoder.module." if parallel else "encoder.", beside=("head.", "fc."))
    return {name.replace(".shortcut.", ".downsample."): tensor for name, tensor in own.items()}


# The state of a timm encoder


def encoder_state(
    tensors: Mapping[str, Tensor], arch: str, *, stem: Stem = "imagenet", file: Path | None = None
) -> dict[str, Tensor]:
    """The state of the timm encoder ``arch`` without head, from the dotted tensors of a file in any `Layout`.

    ``stem`` is that of the encoder in the file, as SupContrast's for CIFAR is; no tensor tells of a pooling after it.

    ValueError unless every tensor of the encoder is there in its shape and nothing but known heads is left over; only
    BatchNorm's counters, which PyTorch before 0.4.1 did not write, may lack. NotFinite names the tensors of the encoder
    that hold NaN or infinity, and the ``file`` if it is known.
    """
    encoder, layout = blank(arch, stem), layout_of(tensors, arch, stem=stem)
    names = dict(tensors) if layout == "flat" and _holds(tensors, encoder) else _network(tensors)
    match layout:
        case "flat":
            own = names
        case "swav":
            own = _part(names, "", beside=("projection_head.", "prototypes."))
        case "dino":
            own = _part(names, "backbone.", beside=("head.",))
        case "moco":
            own = _part(names, "encoder_q.", beside=("encoder_k.", "queue"))
        case "moco-v3":
            own = _moco_v3(names, arch)
        case "supcon":
            own = _supcon(names)
        case "vissl":
            own = _part(names, "_feature_blocks.")
        case _:
            assert_never(layout)
    what, expected = f"{layout} layout, {arch}, {stem} stem", encoder.state_dict()
    state = _matched(_shared(_headless(_current(own, encoder), encoder), encoder), expected, what)
    name = f"{f'checkpoint: {file}' if file else 'checkpoint'} ({what})"
    # in the number types that the encoder has: a float64 of the file may be too large for them
    as_held = {key: tensor.to(expected[key].dtype) for key, tensor in state.items()}
    refuse_tensors(name, as_held, lambda: limits(arch, stem))
    return state


def _current(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Today's names by timm's own filter (Swin, PiT); where it would resample a tensor, all stays, to be refused."""
    try:
        renamed = sys.modules[type(encoder).__module__].checkpoint_filter_fn(own, encoder)
    except AttributeError:  # this family has no filter, or the file is none of it
        return own
    untouched = {id(tensor) for tensor in own.values()}
    return renamed if all(id(tensor) in untouched for tensor in renamed.values()) else own


def _headless(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    heads = _facts(encoder)["classifier"]
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads or ()))
    return {name: tensor for name, tensor in own.items() if not name.startswith(prefixes)}


def _shared(own: dict[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Every name of a weight that several share (CoaT) where a file has one of them, as safetensors' files do."""
    names: dict[int, list[str]] = {}
    for name, tensor in encoder.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    present = {alias: own[name] for group in names.values() for name in group if name in own for alias in group}
    return present | own


def _matched(own: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    counters = {name: torch.tensor(0) for name in expected if name.endswith(".num_batches_tracked")}
    own = counters | own
    found = {name: list(tensor.shape) for name, tensor in own.items()}
    wanted = {name: list(tensor.shape) for name, tensor in expected.items()}
    reshaped = [name for name, shape in wanted.items() if name in found and found[name] != shape]
    coded = [
        name for name in wanted if name in own and expected[name].dtype.is_floating_point and not _is_real(own[name])
    ]
    faults = [
        *_several("missing", [f"{name} {shape}" for name, shape in wanted.items() if name not in found]),
        *_several("unexpected", [f"{name} {shape}" for name, shape in found.items() if name not in wanted]),
        *_several("misshapen", [f"{name} {found[name]} for {wanted[name]}" for name in reshaped]),
        *_several("of no floating point", [f"{name} {str(own[name].dtype).removeprefix('torch.')}" for name in coded]),
    ]
    if faults := faults + _other_stem(found, wanted):
        raise ValueError(f"checkpoint ({what}): {'; '.join(faults)}; allowed: exactly the encoder's tensors")
    return {name: own[name] for name in expected}


def _is_real(tensor: Tensor) -> bool:
    """Whether a tensor holds weights, and not the codes that a quantised file has in their place."""
    return tensor.layout == torch.strided and tensor.dtype.is_floating_point


def _other_stem(found: dict[str, list[int]], wanted: dict[str, list[int]]) -> list[str]:
    """What to say of a ResNet that is looked for with another stem than its own."""
    stems = [_STEM_OF_KERNEL.get(shapes.get("conv1.weight", [0])[-1]) for shapes in (found, wanted)]
    return [f"its first convolution is that of stem {stems[0]!r}"] if all(stems) and stems[0] != stems[1] else []


def _several(kind: str, names: list[str]) -> list[str]:
    shown = ", ".join(names[:SHOWN] + ["..."] * (len(names) > SHOWN))
    return [f"{len(names)} {kind} ({shown})"] if names else []


@lru_cache(maxsize=64)
def input_of(arch: str) -> Input:
    """Size, mean and std that timm states for ``arch``, with its own stem; a tag after the dot (``.dino``) may change
    all three."""
    facts = _facts(blank(arch))
    return Input(facts["input_size"][-1], facts["mean"], facts["std"])


def _facts(encoder: nn.Module) -> dict[str, Any]:
    return cast("dict[str, Any]", encoder.pretrained_cfg)
