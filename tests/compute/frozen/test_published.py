"""Encoders trained elsewhere: reading their files, the input of their training, and the list of published encoders."""

import argparse
import hashlib
from typing import get_args

import pytest
import torch

from mi_ray.compute.choices import Input, Layout
from mi_ray.compute.frozen.checkpoint_files import encoder_state, input_of, read_state
from mi_ray.compute.frozen.published import CIFAR_10, CIFAR_100, RESNETS, VITS, PublishedEncoder, missing
from mi_ray.compute.numerics.tensor_files import save_tensors
from mi_ray.compute.training.networks import encoder

ARCH = "test_resnet"


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


# Files


def test_a_file_is_known_by_its_sha256(tmp_path):
    for path, save in [(tmp_path / "a.pth", torch.save), (tmp_path / "a.safetensors", save_tensors)]:
        save({"a": torch.ones(2)}, path)
        read = read_state(path)
        assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert not read.ran_code
        assert torch.equal(read.tensors["a"], torch.ones(2))


def test_our_own_encoder_is_read_as_any_other(tmp_path):
    state = encoder(ARCH, seed=0).state_dict()
    save_tensors(state, tmp_path / "encoder.safetensors")
    assert_same_bits(encoder_state(read_state(tmp_path / "encoder.safetensors").tensors, ARCH), state)


@pytest.mark.parametrize("name", ["zip", "legacy"])
def test_a_pickle_that_needs_code_is_refused_unless_allowed(tmp_path, name):
    """SupContrast and DINO save the options of the run beside the network."""
    state, path = encoder(ARCH, seed=0).state_dict(), tmp_path / f"{name}.pth"
    content = {"model": state, "opt": argparse.Namespace(epochs=1)}
    torch.save(content, path, _use_new_zipfile_serialization=name == "zip")
    with pytest.raises(ValueError, match=rf"{name}\.pth needs code .*argparse\.Namespace.*tensors alone") as refused:
        read_state(path)
    assert "allow" not in str(refused.value).replace("allowed: a file of safetensors", "")
    read = read_state(path, allow_code=True)
    assert read.ran_code
    assert_same_bits(encoder_state(read.tensors, ARCH), state)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w')",)


def test_no_code_of_a_refused_file_is_run(tmp_path):
    torch.save({"a": torch.ones(1), "trap": Trap(tmp_path / "sprung")}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match="exec"):
        read_state(tmp_path / "file.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("allow_code", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 100, -1])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_cut_file_is_refused_by_name(tmp_path, kept, zipped, allow_code):
    path = tmp_path / "cut.pth"
    torch.save({"a": torch.rand(100)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"^checkpoint: .*cut\.pth cannot be read"):
        read_state(path, allow_code=allow_code)


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}, torch.ones(1)], ids=["list", "numbers", "tensor"])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"file\.pth holds a .*allowed: a dict"):
        read_state(tmp_path / "file.pth")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file\.pth"):
        read_state(tmp_path / "file.pth")


# What an encoder was trained to see, and the published ones


def seen(encoder: PublishedEncoder) -> Input:
    return encoder.trained_on or input_of(encoder.arch)


@pytest.mark.parametrize(
    ("arch", "share"),
    [
        ("resnet50", 0.95),
        ("vit_small_patch16_224.dino", 0.9),
        ("deit_tiny_patch16_224.fb_in1k", 0.9),
    ],
)
def test_input_is_that_of_imagenet_and_the_crop_that_of_the_encoder(arch, share):
    assert input_of(arch) == Input(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), share, "bicubic")


def test_a_tag_decides_the_input():
    assert input_of("vit_small_patch16_224.augreg_in21k_ft_in1k") == Input(224, (0.5,) * 3, (0.5,) * 3, 0.9, "bicubic")
    assert input_of("test_resnet").size == 160


def test_supcontrast_sees_cifar_at_its_own_size():
    """Its `main_ce.py` and `main_supcon.py`; the standard deviations of CIFAR-10 are not those over all pixels."""
    assert (CIFAR_10.size, CIFAR_100.size) == (32, 32)
    assert CIFAR_10.mean == pytest.approx(CIFAR_100.mean, abs=0.02)


def test_the_published_encoders_are_those_of_the_tables():
    assert (len(RESNETS), len(VITS)) == (16, 13)
    assert len({encoder.row for encoder in RESNETS + VITS}) == 29
    assert len({encoder.file for encoder in RESNETS + VITS}) == 29


@pytest.mark.parametrize("encoder", RESNETS + VITS, ids=lambda encoder: encoder.row)
def test_every_published_encoder_can_be_built_and_fed(encoder):
    assert seen(encoder).size == 224
    assert encoder.layout in get_args(Layout)


def test_swav_divides_red_by_0_228():
    assert {encoder.row for encoder in RESNETS if seen(encoder).std[0] == 0.228} == {"SwAV", "DCv2", "SeLa"}


def test_moco_v3_sees_what_it_was_trained_on_and_not_what_timm_says_of_its_arch():
    moco_v3 = next(encoder for encoder in VITS if encoder.row == "MoCov3")
    assert seen(moco_v3).mean != input_of(moco_v3.arch).mean


def test_files_that_a_folder_lacks_are_named_in_order(tmp_path):
    assert missing(tmp_path / "nowhere") == tuple(row.file for row in RESNETS + VITS)
    for row in RESNETS[2:]:
        (tmp_path / row.file).touch()
    assert missing(tmp_path, RESNETS) == ("supcon.pth", "resnet50.tv_in1k.safetensors")
