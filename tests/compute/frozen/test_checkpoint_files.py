"""Checkpoint files of every layout give back their encoder bit for bit."""

from typing import get_args

import pytest
import timm
import torch
from torch import nn

from mi_ray.compute.frozen.checkpoint_files import Layout, encoder_state, read_state, recognise
from mi_ray.compute.training.networks import encoder
from tests.compute.frozen.checkpoints import (
    RESNET,
    RESNET_FILES,
    VIT,
    assert_is,
    dino,
    moco_v3,
    says,
    supcon,
    trained,
    trained_on_cifar,
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("layout", "wrap"), RESNET_FILES.values(), ids=RESNET_FILES)
def test_every_layout_gives_back_its_encoder_bit_for_bit(tmp_path, layout, wrap):
    f_e = trained()
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    assert recognise(tensors) == layout
    assert_is(f_e, tensors, RESNET, 64)


def test_every_layout_is_tried():
    assert {layout for layout, _ in RESNET_FILES.values()} == set(get_args(Layout))


@pytest.mark.parametrize(
    "wrap", [dict, dino, lambda state: moco_v3(state, "head", 192)], ids=["hub", "dino", "moco-v3"]
)
def test_vision_transformers_of_dino_and_moco_v3_have_the_names_of_timm(tmp_path, wrap):
    f_e = trained(VIT)
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    assert_is(f_e, read_state(tmp_path / "file.pth").tensors, VIT, 224)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_torchvision_and_timm_name_a_resnet_alike(arch):
    from torchvision import models

    f_e = getattr(models, arch)(num_classes=5).eval()
    state = f_e.state_dict()
    f_e.fc = nn.Identity()
    assert_is(f_e, state, arch, 64)


@pytest.mark.parametrize("arch", ["swin_tiny_patch4_window7_224", "pit_ti_224", "cait_xxs24_224", "test_resnet"])
def test_a_file_of_timm_with_its_classifier_fits_without_it(arch):
    state = timm.create_model(arch, num_classes=3).state_dict()
    taken = encoder_state(state, arch)
    assert taken.keys() == timm.create_model(arch, num_classes=0).state_dict().keys()
    assert [name for name in taken if not torch.equal(taken[name], state[name])] == []


def test_names_that_timm_has_given_up_are_renamed():
    state = trained("pit_ti_224").state_dict()
    former = {name.replace("transformers.1.pool.", "pools.0."): tensor for name, tensor in state.items()}
    assert former.keys() != state.keys()
    assert encoder_state(former, "pit_ti_224").keys() == state.keys()


def test_counters_that_old_files_lack_start_at_zero():
    state = trained().state_dict()
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert encoder_state(old, RESNET)["bn1.num_batches_tracked"] == 0
    assert encoder_state(old, RESNET).keys() == state.keys()


# The stem for CIFAR


@pytest.mark.parametrize(("layout", "wrap"), RESNET_FILES.values(), ids=RESNET_FILES)
def test_every_layout_gives_back_its_encoder_for_cifar(tmp_path, layout, wrap):
    f_e = trained_on_cifar()
    torch.save(wrap(f_e.state_dict()), tmp_path / "file.pth")
    tensors = read_state(tmp_path / "file.pth").tensors
    assert recognise(tensors) == layout
    taken = encoder(RESNET, seed=1, stem="cifar")
    taken.load_state_dict(encoder_state(tensors, RESNET, stem="cifar"))
    assert torch.equal(says(taken, 32), says(f_e, 32))


BLOCKS = {"resnet18": ([2, 2, 2, 2], 2, 1), "resnet34": ([3, 4, 6, 3], 2, 1), "resnet50": ([3, 4, 6, 3], 3, 4)}
"""Blocks by stage, convolutions in each, and how much wider than the stage a block's last one is."""


def named_by_supcontrast(arch):
    """The entries of `SupConResNet.encoder` as its code builds them: a shortcut where size or width changes."""
    blocks, depth, expansion = BLOCKS[arch]
    pairs = [("conv1", "bn1")]
    for stage, number in enumerate(blocks, start=1):
        at = [f"layer{stage}.{block}" for block in range(number)]
        pairs += [(f"{block}.conv{i}", f"{block}.bn{i}") for block in at for i in range(1, depth + 1)]
        pairs += [(f"{at[0]}.shortcut.0", f"{at[0]}.shortcut.1")] if stage > 1 or expansion > 1 else []
    kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"encoder.{conv}.weight" for conv, _ in pairs} | {f"encoder.{bn}.{of}" for _, bn in pairs for of in kept}


@pytest.mark.parametrize("arch", BLOCKS)
def test_an_encoder_of_supcontrast_for_cifar_has_all_that_ours_has(arch):
    state = encoder(arch, seed=0, stem="cifar").state_dict()
    file = supcon(state, "encoder.")["model"]
    assert {name for name in file if name.startswith("encoder.")} == named_by_supcontrast(arch)
    assert encoder_state(file, arch, stem="cifar").keys() == state.keys()
