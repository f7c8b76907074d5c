"""A state of tensors, held against the state that an encoder needs: names, shapes and kinds of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from mi_ray.compute.choices import Stem

SHOWN = 3
"""Names that a refusal lists of each fault."""

COMPANIONS = ("projection_head.", "prototypes.", "decoder_", "mask_token")
"""Beginnings of names that SwAV and MAE give to their heads and decoders, beside the encoder's own tensors."""

COUNT = "n_averaged"
"""The number of averaged states, which `torch.optim.swa_utils.AveragedModel` keeps beside the network."""

_STEM_OF_KERNEL: Mapping[int, Stem] = {7: "imagenet", 3: "cifar"}


def facts_of(encoder: nn.Module) -> dict[str, Any]:
    """What timm says of the encoder: input, names of the classifier."""
    return cast("dict[str, Any]", encoder.pretrained_cfg)


def without_head(own: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """The tensors without the encoder's classifier, whatever its shape, and without known companions."""
    heads = facts_of(encoder)["classifier"]
    prefixes = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads or ()))
    expected = encoder.state_dict()
    return {
        name: tensor
        for name, tensor in own.items()
        if name in expected or not (name == COUNT or name.startswith((*prefixes, *COMPANIONS)))
    }


def all_aliases(own: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """The tensors under all names of a weight that has several (CoaT); a file, as of safetensors, may have only one."""
    names: dict[int, list[str]] = {}
    for name, tensor in encoder.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    present = {alias: own[name] for group in names.values() for name in group if name in own for alias in group}
    return present | dict(own)


def distinct(encoder: nn.Module) -> int:
    """How many tensors a file of the encoder holds at least: shared weights once, and no counters of BatchNorm."""
    state = encoder.state_dict(keep_vars=True)
    return len({id(tensor) for name, tensor in state.items() if not name.endswith(".num_batches_tracked")})


def fitting(own: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    """How many tensors of the encoder are there in their shape."""
    return sum(name in own and own[name].shape == tensor.shape for name, tensor in expected.items())


def faults(own: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What keeps ``own`` from being the state ``expected``, in words; empty if nothing does.

    Names, shapes and kinds of numbers must agree; only the counters of BatchNorm, which PyTorch before 0.4.1 did not
    write, may be absent.
    """
    shapes = {name: list(tensor.shape) for name, tensor in own.items()}
    wanted = {name: list(tensor.shape) for name, tensor in expected.items()}
    missing = [name for name in wanted if name not in shapes and not name.endswith(".num_batches_tracked")]
    reshaped = [name for name, shape in wanted.items() if name in shapes and shapes[name] != shape]
    quantised = [  # these hold codes in place of weights
        name
        for name in wanted
        if name in own
        and expected[name].dtype.is_floating_point
        and not (own[name].layout == torch.strided and own[name].dtype.is_floating_point)
    ]
    found = [
        *_several("missing", [f"{name} {wanted[name]}" for name in missing]),
        *_several("unexpected", [f"{name} {shape}" for name, shape in shapes.items() if name not in wanted]),
        *_several("misshapen", [f"{name} {shapes[name]} for {wanted[name]}" for name in reshaped]),
        *_several(
            "of no floating point", [f"{name} {str(own[name].dtype).removeprefix('torch.')}" for name in quantised]
        ),
    ]
    stem, other = (_STEM_OF_KERNEL.get(sizes.get("conv1.weight", [0])[-1]) for sizes in (shapes, wanted))
    if stem and other and stem != other:
        found.append(f"its first convolution is that of stem {stem!r}")
    return found


def completed(own: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in the order of ``expected``, with counters of BatchNorm at 0 where the file has none."""
    return {name: own[name] if name in own else torch.tensor(0) for name in expected}


def same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two states hold the same numbers under the same names."""
    return one.keys() == other.keys() and all(
        tensor is other[name] or torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def _several(kind: str, names: list[str]) -> list[str]:
    """A fault in words, with the first names; empty if there are no names."""
    shown = ", ".join(names[:SHOWN] + ["..."] * (len(names) > SHOWN))
    return [f"{len(names)} {kind} ({shown})"] if names else []
