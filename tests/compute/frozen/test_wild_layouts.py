"""Encoders are found in the files of other projects by matching tensors: state dicts of their true layout."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models

from mi_ray.compute.frozen.checkpoint_files import encoder_state, read_encoder, read_state
from mi_ray.compute.training.networks import encoder
from tests.compute.frozen.checkpoints import RESNET, assert_is, below, mlp, other, same, trained, trained_on_cifar


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def numbered(f_e):
    """The state of `nn.Sequential(*list(f_e.children())[:-1])`, as lightly's examples build a backbone."""
    return nn.Sequential(*list(f_e.children())[:-1]).state_dict()


def of_torchvision(f_e):
    resnet = models.resnet18()
    resnet.load_state_dict(f_e.state_dict(), strict=False)
    return resnet.eval()


def lightning(state):
    """What Lightning's `ModelCheckpoint` saves."""
    return {
        "epoch": 3, "global_step": 90, "pytorch-lightning_version": "2.4.0", "state_dict": state,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.rand(3)}}, "param_groups": []}], "lr_schedulers": [],
        "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {}, "hyper_parameters": {"lr": 0.1},
    }  # fmt: skip


def simsiam(state):
    """`SimSiam.encoder` is the network with a projector of three layers as its ``fc``."""
    fc = nn.Sequential(
        nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(),
        nn.Linear(512, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(),
        nn.Linear(512, 64), nn.BatchNorm1d(64, affine=False),
    )  # fmt: skip
    network = below("encoder.", state | below("fc.", fc.state_dict())) | mlp("predictor", 64)
    return {"epoch": 99, "arch": "resnet18", "state_dict": below("module.", network), "optimizer": {"state": {}}}


def barlow_twins(state):
    norm = below("bn.", nn.BatchNorm1d(4, affine=False).state_dict())
    network = below("backbone.", state) | mlp("projector") | norm
    return {"epoch": 300, "model": below("module.", network), "optimizer": {"state": {0: {"mu": torch.rand(3)}}}}


def vicreg(state):
    return {"epoch": 99, "model": below("module.", below("backbone.", state) | mlp("projector")), "optimizer": {}}


def solo_learn(state):
    network = below("backbone.", state) | below("momentum_backbone.", other(state))
    heads = (
        mlp("projector")
        | mlp("momentum_projector")
        | {"classifier.weight": torch.rand(3, 512), "queue": torch.rand(2, 4)}
    )
    return lightning(network | heads)


def lightly(state):
    heads = below("projection_head.", mlp("layers")) | below("online_classifier.", mlp("linear"))
    return lightning(below("backbone.", state) | below("backbone_momentum.", other(state)) | heads)


LAYOUTS = {
    "torch.compile": ("_orig_mod.", lambda f: below("_orig_mod.", f.state_dict())),
    "torch.compile within DDP": ("module._orig_mod.", lambda f: below("module._orig_mod.", f.state_dict())),
    "DDP within torch.compile": (
        "model._orig_mod.module.",
        lambda f: {"model": below("_orig_mod.module.", f.state_dict())},
    ),
    "a compiled part": (
        "state_dict.model.backbone.",
        lambda f: lightning({name.replace("layer2.", "layer2._orig_mod."): t
                             for name, t in below("model.backbone.", f.state_dict()).items()}),
    ),
    "Lightning, model": ("state_dict.model.", lambda f: lightning(below("model.", f.state_dict()))),
    "Lightning, encoder": ("state_dict.encoder.", lambda f: lightning(below("encoder.", f.state_dict()) | mlp("head"))),
    "Lightning, net and loss": (
        "state_dict.net.",
        lambda f: lightning(below("net.", f.state_dict()) | {"loss.weight": torch.rand(3)}),
    ),
    "solo-learn": ("state_dict.backbone.", lambda f: solo_learn(f.state_dict())),
    "solo-learn, older": (
        "state_dict.encoder.",
        lambda f: lightning(below("encoder.", f.state_dict()) | below("momentum_encoder.", other(f.state_dict()))),
    ),
    "lightly": ("state_dict.backbone.", lambda f: lightly(numbered(of_torchvision(f)))),
    "lightly, of timm": ("backbone.", lambda f: below("backbone.", numbered(f)) | mlp("projection_head.layers")),
    "a Sequential with a classifier": (
        "",
        lambda f: numbered(of_torchvision(f)) | {"9.weight": torch.rand(3, 512), "9.bias": torch.rand(3)},
    ),
    "a network and a projector in a Sequential": (
        "0.",
        lambda f: below("0.", f.state_dict()) | {"1.weight": torch.rand(3, 512)},
    ),
    "Barlow Twins": ("model.module.backbone.", lambda f: barlow_twins(f.state_dict())),
    "VICReg": ("model.module.backbone.", lambda f: vicreg(f.state_dict())),
    "SimSiam": ("state_dict.module.encoder.", lambda f: simsiam(f.state_dict())),
    "the wrapper of transformers for timm": ("timm_model.", lambda f: below("timm_model.", f.state_dict())),
    "a name that nobody knows": (
        "nets.0.vision.tower.",
        lambda f: {"nets": {"0": {"vision": below("tower.", f.state_dict()), "text": mlp("tower")}}},
    ),
    "AveragedModel": ("module.", lambda f: AveragedModel(f).state_dict()),
    "timm, EMA alone": ("state_dict_ema.", lambda f: {"arch": "resnet18", "state_dict_ema": f.state_dict()}),
}  # fmt: skip
"""Prefix of the encoder in the file, and the file's content."""


@pytest.mark.parametrize(("prefix", "content"), LAYOUTS.values(), ids=LAYOUTS)
def test_the_encoder_is_found_bit_for_bit_and_its_prefix_told(tmp_path, prefix, content):
    f_e = trained()
    torch.save(content(f_e), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    read = read_encoder(tensors, RESNET)
    assert (read.prefix, read.layout) == (prefix, "supcon" if prefix == "state_dict.encoder." else "flat")
    assert [name for name, t in f_e.state_dict().items() if not torch.equal(read.state[name], t)] == []
    assert read.averaged == (prefix in ("module.", "state_dict_ema."))


def test_an_encoder_found_elsewhere_computes_the_same():
    f_e = trained()
    assert_is(f_e, below("backbone.", numbered(of_torchvision(f_e))), RESNET, 64)


def test_lightlys_own_resnet_for_cifar_numbers_its_layers_otherwise():
    """`ResNetGenerator` keeps no activation and no pooling as children, and calls a downsample a shortcut."""
    f_e = trained_on_cifar()
    numbers = {"conv1": "0", "bn1": "1", "layer1": "2", "layer2": "3", "layer3": "4", "layer4": "5"}
    content = {
        f"backbone.{numbers[name.partition('.')[0]]}.{name.partition('.')[2]}".replace(
            ".downsample.", ".shortcut."
        ): tensor
        for name, tensor in f_e.state_dict().items()
    }
    read = read_encoder(content, RESNET, stem="cifar")
    assert read.naming == "numbered"
    assert all(torch.equal(read.state[name], tensor) for name, tensor in f_e.state_dict().items())


# Half of an encoder is none


def refusal(tensors, arch=RESNET):
    with pytest.raises(ValueError, match=r"^checkpoint \(") as refused:
        encoder_state(tensors, arch)
    return str(refused.value)


DEEPER = [("resnet34", RESNET), (RESNET, "resnet34"), ("resnet101", "resnet50"), ("wide_resnet50_2", "resnet50"),
          ("resnet50", RESNET), ("resnet26", "resnet50")]  # fmt: skip


@pytest.mark.parametrize(("file", "arch"), DEEPER)
@pytest.mark.parametrize("wrap", ["own", "numbered", "within"])
def test_deeper_and_wider_encoders_are_refused(file, arch, wrap):
    f_e = encoder(file, seed=0)
    state = {"own": f_e.state_dict(), "numbered": numbered(f_e), "within": below("a.b.", f_e.state_dict())}[wrap]
    assert f"{arch}, imagenet stem" in refusal(state, arch)


def test_further_blocks_elsewhere_in_the_file_make_it_a_deeper_encoder():
    f_e = encoder("resnet34", seed=0).state_dict()
    own = encoder(RESNET, seed=0).state_dict().keys()
    parts = {f"{'first' if name in own else 'second'}.{name}": tensor for name, tensor in f_e.items()}
    assert "of a deeper encoder beside it (second.layer1.2.conv1.weight, ...)" in refusal(parts)


def test_a_deeper_network_of_its_own_beside_the_encoder_is_left():
    """A student of 18 layers and its teacher of 34."""
    student, teacher = trained().state_dict(), encoder("resnet34", seed=0).state_dict()
    read = read_encoder(below("student.", student) | below("teacher.", teacher), RESNET)
    assert same(read.state, student) and read.prefix == "student."


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_stage_too_many_in_a_sequential_is_refused(prefix):
    content = below(prefix, numbered(trained())) | {f"{prefix}8.0.conv1.weight": torch.rand(3, 512, 3, 3)}
    assert "unexpected" in refusal(content)


def test_two_halves_below_two_prefixes_are_no_encoder():
    state = trained().state_dict()
    halves = {f"{'one' if number % 2 else 'two'}.{name}": tensor for number, (name, tensor) in enumerate(state.items())}
    assert "missing" in refusal(halves)
