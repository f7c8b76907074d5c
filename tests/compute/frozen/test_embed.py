"""Embeddings of a frozen encoder, and their foundations: names of networks, number types, files of tensors."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from mi_ray.compute.choices import Input, archs
from mi_ray.compute.frozen import plain_views
from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import MEAN, STD, pixels
from mi_ray.compute.numerics import precision
from mi_ray.compute.numerics.precision import autocast, number_type
from mi_ray.compute.numerics.tensor_files import load_tensors, save_tensors
from mi_ray.compute.training.networks import encoder, width

ARCH, CPU = "test_resnet", torch.device("cpu")


def images(n=10, side=32):
    drawn = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return ImageSet(drawn, np.zeros((n, 1), np.int64), np.arange(n))


def rows(data, chosen):
    return ImageSet(data.images[chosen], data.attributes[chosen], data.sources[chosen])


def lived_in():
    """An encoder whose BatchNorm statistics are not those of a fresh one, left in training mode."""
    f_e = encoder(ARCH, seed=0)
    f_e.train()(pixels(torch.from_numpy(images(8).images)))
    return f_e


def snapshot(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


# Embeddings


def test_an_embedding_is_float32_of_the_encoders_width():
    h = embed(encoder(ARCH, seed=0), images(), device=CPU)
    assert (h.shape, h.dtype) == ((10, width(ARCH)), np.float32)
    assert np.isfinite(h).all()


def test_an_embedding_does_not_depend_on_its_batch(monkeypatch):
    f_e, data = lived_in(), images()
    whole = embed(f_e, data, device=CPU)
    alone = np.concatenate([embed(f_e, rows(data, [i]), device=CPU) for i in range(len(data))])
    monkeypatch.setattr(plain_views, "BATCH", 4)
    np.testing.assert_allclose(embed(f_e, data, device=CPU), whole, atol=1e-5)
    np.testing.assert_allclose(alone, whole, atol=1e-5)


def test_embeddings_come_in_the_order_of_their_images(monkeypatch):
    monkeypatch.setattr(plain_views, "BATCH", 3)
    f_e, data = lived_in(), images()
    order = np.random.default_rng(1).permutation(len(data))
    h = embed(f_e, data, device=CPU)
    assert np.abs(h[0] - h[1]).max() > 1e-3
    np.testing.assert_allclose(embed(f_e, rows(data, order), device=CPU), h[order], atol=1e-5)


def test_embedding_leaves_weights_and_batch_statistics_alone():
    f_e = lived_in()
    before = snapshot(f_e)
    assert any("running_var" in name for name in before)
    embed(f_e, images(), device=CPU)
    assert_same_bits(snapshot(f_e), before)


def test_an_embedding_is_what_the_encoder_says_in_evaluation_mode():
    f_e, data = lived_in(), images()
    h = embed(f_e, data, device=CPU)
    with torch.no_grad():
        expected = f_e.eval()((torch.from_numpy(data.images).float() / 255 - MEAN) / STD)
    np.testing.assert_allclose(h, expected.numpy(), atol=1e-4)


def test_embedding_twice_gives_the_same_bits():
    f_e = lived_in()
    np.testing.assert_array_equal(embed(f_e, images(), device=CPU), embed(f_e, images(), device=CPU))


# Encoders of others

SEEN = Input(48, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_an_encoder_of_others_is_shown_what_it_was_trained_to_see():
    f_e, data = lived_in(), images()
    rgb = interpolate(torch.from_numpy(data.images).float() / 255, size=48, mode="bilinear", antialias=True)
    x = (rgb - torch.tensor(SEEN.mean).view(3, 1, 1)) / torch.tensor(SEEN.std).view(3, 1, 1)
    h = embed(f_e, data, device=CPU, input=SEEN)
    with torch.no_grad():
        np.testing.assert_allclose(h, f_e(x).numpy(), atol=1e-4)
    assert np.abs(h - embed(f_e, data, device=CPU)).max() > 1e-3


def test_our_own_mean_and_std_at_the_images_size_change_nothing():
    f_e, data = lived_in(), images()
    ours = Input(32, (MEAN,) * 3, (STD,) * 3)
    np.testing.assert_allclose(embed(f_e, data, device=CPU, input=ours), embed(f_e, data, device=CPU), atol=1e-5)


# Names


def test_encoder_names_are_those_that_timm_registers():
    import timm

    assert "resnet10t" in archs()
    assert [name for name in sorted(archs()) if not timm.is_model(name)] == []
    assert [name for name in timm.list_models() if name not in archs()] == []


# Number types


@pytest.mark.parametrize("device", ["cpu", "cuda", "meta"])
def test_a_number_type_asked_for_is_the_number_type_used(device):
    assert number_type("float32", torch.device(device)) is torch.float32
    assert number_type("bfloat16", torch.device(device)) is torch.bfloat16


@pytest.mark.parametrize(("faster", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bfloat16_where_the_hardware_is_faster_at_it(monkeypatch, faster, expected):
    monkeypatch.setattr(precision, "bfloat16_is_faster", lambda device: faster)
    assert number_type("auto", CPU) is expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_computes_in_the_type_it_is_given(dtype):
    with autocast(CPU, dtype):
        assert torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype == dtype


# Files of tensors


def tensors():
    drawn = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    return {
        "channels last": drawn.to(memory_format=torch.channels_last),
        "transposed": drawn[0, 0].T,
        "half": drawn.bfloat16(),
        "step": torch.tensor(7),
        "weight": torch.nn.Parameter(drawn[0]),
    }


def test_tensors_survive_the_disk_bit_for_bit(tmp_path):
    save_tensors(tensors(), tmp_path / "state.safetensors")
    loaded = load_tensors(tmp_path / "state.safetensors")
    assert_same_bits(loaded, {name: tensor.detach() for name, tensor in tensors().items()})
    assert all(loaded[name].dtype == tensor.dtype for name, tensor in tensors().items())


def test_an_encoder_survives_the_disk(tmp_path):
    one, other = lived_in(), encoder(ARCH, seed=1)
    save_tensors(one.state_dict(), tmp_path / "encoder.safetensors")
    other.load_state_dict(load_tensors(tmp_path / "encoder.safetensors"))
    np.testing.assert_array_equal(embed(other, images(), device=CPU), embed(one, images(), device=CPU))


def test_saving_replaces_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "state.safetensors"
    for value in (1.0, 2.0):
        save_tensors({"a": torch.tensor(value)}, path)
    assert load_tensors(path)["a"] == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_that_fails_leaves_the_old_file_whole(tmp_path):
    path, in_the_way = tmp_path / "state.safetensors", tmp_path / "state.partial"
    save_tensors({"a": torch.tensor(1.0)}, path)
    in_the_way.mkdir()
    with pytest.raises(OSError):
        save_tensors({"a": torch.tensor(2.0)}, path)
    assert load_tensors(path)["a"] == 1


def test_names_of_one_tensor_and_parts_of_one_survive_the_disk(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    shared = {"one": whole, "other": whole, "row": whole[1], "column": whole[:, 1], "flat": whole.view(12)}
    save_tensors(shared, tmp_path / "state.safetensors")
    assert_same_bits(load_tensors(tmp_path / "state.safetensors"), shared)


class Tied(torch.nn.Module):
    """Two layers of one weight, as CoaT's blocks have."""

    def __init__(self):
        super().__init__()
        self.one, self.other = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
        self.other.weight = self.one.weight


def test_a_module_that_shares_a_weight_still_shares_it_when_loaded(tmp_path):
    saved, loaded = Tied(), Tied()
    save_tensors(saved.state_dict(), tmp_path / "state.safetensors")
    loaded.load_state_dict(load_tensors(tmp_path / "state.safetensors"))
    assert_same_bits(snapshot(loaded), snapshot(saved))
    assert loaded.one.weight is loaded.other.weight


def test_a_disk_that_refuses_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        save_tensors(tensors(), tmp_path / "nowhere" / "state.safetensors")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"state\.safetensors"):
        load_tensors(tmp_path / "state.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_cut_file_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "state.safetensors"
    save_tensors(tensors(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"^checkpoint: .*state\.safetensors cannot be read"):
        load_tensors(path)
