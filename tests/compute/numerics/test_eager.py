"""Optimisers, timm and torchvision without torch's compiler compute what they compute with it, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch

from mi_ray.compute.numerics.eager import eager


def trained(make: Callable[..., torch.optim.Optimizer]) -> list[torch.Tensor]:
    """Weights and slots after five steps of changing learning rate, the last two from a state that was loaded."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.Linear(5, 3), torch.nn.Linear(3, 2))
    network[2].weight.requires_grad_(False)
    decayed, rest = [network[0].weight, network[1].weight], [network[0].bias, network[1].bias, network[2].bias]
    optimizer = make([{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}])
    for step in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (step + 1)
        network(torch.randn(4, 7)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step == 2:
            optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
    slots = [slot for state in optimizer.state_dict()["state"].values() for slot in state.values()]
    return [*(parameter.detach() for parameter in network.parameters()), *slots]


OPTIMISERS = {"adamw": (torch.optim.AdamW, {"betas": (0.8, 0.95)}), "sgd": (torch.optim.SGD, {"momentum": 0.9})}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_steps_as_torch_s_own_does(name: str) -> None:
    own, settings = OPTIMISERS[name]
    ours, theirs = (trained(lambda g, m=make: m(g, lr=1e-2, fused=True, **settings)) for make in (eager(own), own))
    assert len(ours) == len(theirs) > 6
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_gradient_is_not_recorded_in_a_step() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = eager(torch.optim.AdamW)([weight], lr=0.1, fused=True)
    weight.sum().backward()
    optimizer.step()
    assert weight.grad_fn is None and weight.requires_grad and not optimizer.state[weight]["exp_avg"].requires_grad


LEFT = """
import sys
from mi_ray.compute.numerics.eager import UTILS, without_compiler
import torch
disable = torch.compiler.disable
with without_compiler():
    import timm, torchvision
    from timm.models.naflexvit import NaFlexRopeIterator
assert torch.compiler.disable is disable and UTILS not in sys.modules and "torch._dynamo" not in sys.modules
roi_align = sys.modules["torchvision.ops.roi_align"]
assert roi_align.__dict__["is_compile_supported"]("cpu") in (True, False)
import torch._dynamo.utils
assert torch._dynamo.utils.counters is not None and roi_align.__dict__["is_compile_supported"]("meta") is False
"""


def test_what_is_imported_without_the_compiler_finds_it_later() -> None:
    subprocess.run([sys.executable, "-c", LEFT], check=True, timeout=120)
