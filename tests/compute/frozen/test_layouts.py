"""Checkpoints written in every layout are read back tensor for tensor."""

from typing import get_args

import pytest
import torch

from mi_ray.compute.choices import Layout
from mi_ray.compute.frozen.checkpoint_files import encoder_state, read_state, recognise
from mi_ray.compute.frozen.layouts import laid_out
from mi_ray.compute.training import networks


@pytest.mark.parametrize("layout", get_args(Layout))
def test_every_layout_is_recognised_and_read_back_whole(layout, tmp_path):
    state = networks.encoder("resnet10t", seed=3).state_dict()
    torch.save(laid_out(state, layout), tmp_path / "encoder.pth")
    found = read_state(tmp_path / "encoder.pth").tensors
    assert recognise(found) == layout
    back = encoder_state(found, "resnet10t")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
