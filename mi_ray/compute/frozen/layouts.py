"""Encoders trained here in the checkpoint layouts of other methods; `checkpoint_files` reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from torch import Tensor

from mi_ray.compute.choices import Layout

State = Mapping[str, Tensor]


def laid_out(state: State, layout: Layout) -> dict[str, Any]:
    """The content that a method with this ``layout`` hands to `torch.save`, without heads and optimisers."""
    match layout:
        case "flat":
            return dict(state)
        case "swav":
            prototypes = next(iter(state.values())).new_zeros(1, 1)  # a tensor beside the encoder, as SwAV has
            return _below("module.", state) | {"module.prototypes.weight": prototypes}
        case "dino":
            return {"teacher": _below("backbone.", state)}
        case "moco":
            return {"state_dict": _below("module.encoder_q.", state), "epoch": 0}
        case "moco-v3":
            return {"state_dict": _below("module.base_encoder.", state), "epoch": 0}
        case "supcon":
            renamed = {name.replace(".downsample.", ".shortcut."): tensor for name, tensor in state.items()}
            return {"model": _below("encoder.module.", renamed), "epoch": 0}
        case "vissl":
            trunk = _below("_feature_blocks.", state)
            return {"classy_state_dict": {"base_model": {"model": {"trunk": trunk}}}}
        case _:
            assert_never(layout)


def _below(prefix: str, state: State) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}
