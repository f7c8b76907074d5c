"""Encoders with values of their own, in the checkpoint files of other methods, written from their public code."""

from collections import OrderedDict

import timm
import torch
from torch import nn

from mi_ray.compute.frozen.checkpoint_files import encoder_state
from mi_ray.compute.training.networks import encoder

RESNET, VIT = "resnet18", "vit_tiny_patch16_224"


def trained(arch=RESNET):
    return moved(timm.create_model(arch, num_classes=0))


def trained_on_cifar(arch=RESNET):
    return moved(encoder(arch, seed=0, stem="cifar"))


def moved(f_e):
    """The encoder with random scales, shifts and batch statistics, which no initialisation has."""
    generator = torch.Generator().manual_seed(0)
    for tensor in f_e.state_dict().values():
        if tensor.ndim == 1:
            tensor.add_(torch.rand(tensor.shape, generator=generator), alpha=0.5)
    return f_e.eval()


def says(f_e, side):
    x = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return f_e.eval()(x)


def below(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def mlp(name, width=512):
    return below(f"{name}.", nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, 4)).state_dict())


def other(state):
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def same(state, expected):
    return all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def moco(state):
    queue = {"queue": torch.rand(4, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    q, k = state | mlp("fc"), other(state) | mlp("fc")
    return {"epoch": 200, "state_dict": below("module.", queue | below("encoder_q.", q) | below("encoder_k.", k))}


def moco_v3(state, head="fc", width=512):
    base, momentum = state | mlp(head, width), other(state) | mlp(head, width)
    network = below("base_encoder.", base) | below("momentum_encoder.", momentum) | mlp("predictor", 4)
    return {"arch": "vit_base", "state_dict": below("module.", network), "scaler": {"scale": 1.0}}


def supcon(state, prefix):
    own = {name.replace(".downsample.", ".shortcut."): tensor for name, tensor in state.items()}
    return {"model": below(prefix, own) | mlp("head"), "optimizer": {"state": {0: {"momentum": torch.rand(3)}}}}


def vissl(state, prefix="_feature_blocks."):
    model = {"trunk": OrderedDict(below(prefix, state)), "heads": mlp("0.clf")}
    loss = {"moco_encoder": {"trunk": below(prefix, other(state))}}
    return {"phase_idx": 799, "classy_state_dict": {"base_model": {"model": model, "meters": []}, "loss": loss}}


def swav(state):
    return below("module.", state | mlp("projection_head") | {"prototypes.weight": torch.rand(3, 4)})


def dino(state):
    student = below("module.backbone.", other(state)) | mlp("module.head")
    return {"student": student, "teacher": below("backbone.", state) | mlp("head"), "epoch": 800}


RESNET_FILES = {
    "ours": ("flat", lambda state: state),
    "torchvision": ("flat", lambda state: state | {"fc.weight": torch.rand(10, 512), "fc.bias": torch.rand(10)}),
    "parallel": ("flat", lambda state: below("module.", state)),
    "parallel in state_dict": ("flat", lambda state: {"state_dict": below("module.", state)}),
    "parallel in model": ("flat", lambda state: {"model": below("module.", state), "epoch": 3}),
    "vissl": ("vissl", vissl),
    "vissl, evaluated": ("vissl", lambda state: vissl(state, "base_model._feature_blocks.")),
    "vissl, model_state_dict": ("vissl", lambda state: {"model_state_dict": below("_feature_blocks.", state)}),
    "vissl, trunk alone": ("vissl", lambda state: below("_feature_blocks.", state)),
    "moco": ("moco", moco),
    "moco-v3": ("moco-v3", moco_v3),
    "supcon": ("supcon", lambda state: supcon(state, "encoder.")),
    "supcon, parallel": ("supcon", lambda state: supcon(state, "encoder.module.")),
    "swav": ("swav", swav),
    "deepcluster-v2": (
        "swav",
        lambda state: below("module.", state | {"prototypes.prototypes0.weight": torch.rand(3)}),
    ),
    "dino": ("dino", dino),
}


def assert_is(f_e, tensors, arch, side):
    taken = timm.create_model(arch, num_classes=0)
    taken.load_state_dict(encoder_state(tensors, arch))
    assert torch.equal(says(taken, side), says(f_e, side))
