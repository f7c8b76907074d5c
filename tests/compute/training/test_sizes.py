"""Sizes of encoders are those that are measured, whether they are remembered or not."""

import json

import pytest

from mi_ray.compute.training import networks, sizes

ARCH = "test_resnet"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path))
    yield
    sizes._sizes.cache_clear()


def all_sizes(stem="imagenet"):
    """Every size of an encoder, as a process finds them that has asked for none before."""
    sizes._sizes.cache_clear()
    passes = sizes.forward_pass(ARCH, 48, stem), sizes.forward_pass(ARCH, 64, stem, training=True)
    bytes_of = sizes.encoder_bytes(ARCH, stem), sizes.activation_bytes(ARCH, 48, stem)
    return *passes, sizes.width(ARCH, stem), sizes.forward_flops(ARCH, 64, stem), *bytes_of


def measured(stem="imagenet"):
    passes = networks.forward_pass(ARCH, 48, stem), networks.forward_pass(ARCH, 64, stem, training=True)
    bytes_of = networks.encoder_bytes(ARCH, stem), networks.activation_bytes(ARCH, 48, stem)
    return *passes, networks.width(ARCH, stem), networks.forward_flops(ARCH, 64, stem), *bytes_of


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_remembered_sizes_are_those_that_were_measured(stem, monkeypatch):
    assert all_sizes(stem) == measured(stem)
    monkeypatch.setattr(sizes, "_measured", None)
    assert all_sizes(stem) == measured(stem)


@pytest.mark.parametrize("content", ["", "[", "[1.5, 2.5]", "[-3, 4]", "[true, true]", "[1, 2, 3]", '{"width": 3}'])
def test_a_damaged_file_is_measured_again_and_replaced(content):
    expected = all_sizes()
    files = list(sizes.remembered().glob("*.json"))
    assert len(files) == 7
    good = {file: file.read_text() for file in files}
    for file in files:
        file.write_text(content)
    assert all_sizes() == expected
    assert {file: file.read_text() for file in files} == good


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "file" / "below"))
    assert all_sizes() == measured()


def test_other_code_that_measures_remembers_in_a_folder_of_its_own(monkeypatch):
    all_sizes()
    before = sizes.remembered()
    monkeypatch.setattr(sizes, "_edition", lambda: "torch 9 timm 9")
    assert not sizes.remembered().exists()
    assert all_sizes() == measured()
    assert sorted(file.name for file in sizes.remembered().iterdir()) == sorted(f.name for f in before.iterdir())


def test_an_error_is_raised_again_and_never_remembered():
    for _ in range(2):
        sizes._sizes.cache_clear()
        with pytest.raises(ValueError, match=r"^arch: 'csatv2' takes no images of 32 x 32 pixels .* a side of 64$"):
            sizes.forward_pass("csatv2", 32)
    assert not any("csatv2" in json.dumps(file.name) for file in sizes.remembered().glob("*"))
