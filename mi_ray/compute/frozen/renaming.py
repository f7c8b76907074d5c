"""Names that other code gives to the tensors of an encoder, and timm's names for them.

Sources: SupContrast's `resnet_big.py` and lightly's `resnet.py` (``shortcut``), timm's `checkpoint_filter_fn` of each
family, CLIP's `model.py`, `modeling_resnet.py` of Hugging Face's transformers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Literal

from torch import Tensor, nn

from mi_ray.compute.frozen.torchvision_names import TWINS, from_torchvision, twin_of
from mi_ray.compute.numerics.eager import without_compiler

with without_compiler():
    from timm.models.resnet import ResNet

Naming = Literal["own", "former", "clip", "transformers", "numbered", "torchvision", "torchvision, numbered"]
"""Whose names the tensors of a file have. ``own``: the encoder's in timm. ``former``: timm's or the authors' earlier
ones, by timm's filter. ``numbered``: those of an `nn.Sequential` of the network's children."""

State = Mapping[str, Tensor]


def renamings(own: State, prefix: str, arch: str, encoder: nn.Module) -> Iterator[tuple[Naming, dict[str, Tensor]]]:
    """Every reading of the tensors below a ``prefix`` as those of the encoder, likelier ones first."""
    yield "own", _with_downsample(own, encoder)
    if (former := _filtered(own, encoder)) is not None:
        yield "former", former
    if prefix.endswith("visual."):
        clip = _filtered({f"visual.{name}": tensor for name, tensor in own.items()}, encoder)
        if clip is not None:
            yield "clip", clip
    if isinstance(encoder, ResNet) and any(name.startswith("embedder.") for name in own):
        yield "transformers", {_of_transformers(name): tensor for name, tensor in own.items()}
    if any(name[:1].isdecimal() for name in own):
        modules = [name for name, child in encoder.named_children() if any(True for _ in child.parameters())]
        if (named := _named(own, modules)) is not None:
            yield "numbered", _with_downsample(named, encoder)
    if (twin := twin_of(arch)) is not None:
        yield "torchvision", from_torchvision(own, twin, encoder)
        if (named := _named(own, twin.modules)) is not None:
            yield "torchvision, numbered", from_torchvision(named, twin, encoder)


def hint(names: Mapping[str, object], arch: str) -> str:
    """Whose names a file has that does not fit; empty if they are not known."""
    text = "\n".join(names)
    if re.search(r"embeddings\.patch_embeddings\.projection\.weight", text):
        return (
            "its names are those of a transformer in Hugging Face's transformers, whose eps of layer normalisation"
            " stands in its configuration and not in the file"
        )
    if re.search(
        r"^(.*\.)?(features\.\d+\.\d+\.|encoder\.layers\.encoder_layer_0\.|trunk_output\.)", text, re.MULTILINE
    ):
        twin = twin_of(arch)
        if twin:
            return f"its names are torchvision's, and the twin of {arch} is torchvision's {twin.constructor}"
        return f"its names are torchvision's, and {arch} has no twin there; twins: {', '.join(TWINS)}"
    return ""


def _with_downsample(own: State, encoder: nn.Module) -> dict[str, Tensor]:
    """SupContrast and lightly call a ResNet's ``downsample`` a ``shortcut``."""
    if not isinstance(encoder, ResNet):
        return dict(own)
    return {name.replace(".shortcut.", ".downsample."): tensor for name, tensor in own.items()}


def _filtered(own: State, encoder: nn.Module) -> dict[str, Tensor] | None:
    """The tensors by timm's own filter of the family; None without one, or if it would compute other numbers, as in a
    resampling of positions."""
    try:
        renamed = sys.modules[type(encoder).__module__].checkpoint_filter_fn(dict(own), encoder)
    except Exception:  # no filter, or a file of another family, on which each filter fails in its own way
        return None
    kept = {_memory(tensor) for tensor in own.values()}
    heads = ("head.", "fc.")  # CLIP's projection has no bias, and the filter makes one
    changed = [name for name, tensor in renamed.items() if _memory(tensor) not in kept and not name.startswith(heads)]
    return None if changed else dict(renamed)


def _memory(tensor: Tensor) -> tuple[int, int, int]:
    """Where the numbers of a tensor are: views of one shape or another share it."""
    return tensor.untyped_storage().data_ptr(), int(tensor.storage_offset()), tensor.numel()


def _named(own: State, modules: list[str] | tuple[str, ...]) -> dict[str, Tensor] | None:
    """The tensors of an `nn.Sequential` under the names of its ``modules``: the n-th of those that hold tensors is the
    n-th module. Further ones may only be a head, so without a kernel; None if the names are no such numbers."""
    numbers = sorted({name.partition(".")[0] for name in own}, key=lambda n: int(n) if n.isdecimal() else -1)
    if not numbers or not all(number.isdecimal() for number in numbers) or len(numbers) < len(modules) or not modules:
        return None
    kept, further = numbers[: len(modules)], numbers[len(modules) :]
    if any(tensor.ndim > 2 for name, tensor in own.items() if name.partition(".")[0] in further):
        return None
    to = dict(zip(kept, modules, strict=True))
    return {
        f"{to[number]}.{rest}": tensor
        for name, tensor in own.items()
        if (parts := name.partition(".")) and (number := parts[0]) in to and (rest := parts[2])
    }


def _of_transformers(name: str) -> str:
    part = {"convolution": "conv", "normalization": "bn"}
    name = re.sub(r"^embedder\.embedder\.(\w+)\.", lambda m: f"{part.get(m[1], m[1])}1.", name)
    name = re.sub(r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}.{m[2]}.", name)
    name = re.sub(r"\.layer\.(\d+)\.(\w+)\.", lambda m: f".{part.get(m[2], m[2])}{int(m[1]) + 1}.", name)
    return re.sub(r"\.shortcut\.(\w+)\.", lambda m: f".downsample.{int(m[1] == 'normalization')}.", name)
