"""`embed`: a user's folder and checkpoint, from files of the true layouts to arrays."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import mi_ray
from mi_ray.compute.choices import Input

ARCH = "test_resnet"
SEEN = Input(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder of ten images for each of two classes, and a checkpoint as Lightning writes it."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.clip(level + rng.normal(0, 20, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i}.png")
    torch.manual_seed(0)
    encoder = timm.create_model(ARCH, num_classes=0)
    torch.save({"state_dict": {f"backbone.{k}": v for k, v in encoder.state_dict().items()}}, folder / "last.ckpt")
    return folder, encoder.eval()


def test_the_embeddings_are_those_of_the_encoder_on_the_plain_views(desk, tmp_path):
    folder, encoder = desk
    found = mi_ray.embed(folder / "photos", folder / "last.ckpt", arch=ARCH, input=SEEN)
    assert found.h.shape == (20, encoder.num_features) and sorted(set(found.labels)) == ["dark", "light"]
    assert {split: int((found.split == split).sum()) for split in ("train", "validation", "test")} == {
        "train": 12, "validation": 4, "test": 4,
    }  # fmt: skip
    assert all(name.startswith(f"{label}/") for name, label in zip(found.names, found.labels, strict=True))
    with Image.open(folder / "photos" / found.names[3]) as image:
        side = int(0.875 * 40 + 0.5)
        left, top = (48 - side) // 2, (40 - side) // 2
        square = image.resize((32, 32), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    x = (torch.from_numpy(np.asarray(square)).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = encoder(x.float()).numpy()[0]
    assert np.allclose(found.h[3], expected, rtol=0.05, atol=0.02 * np.abs(expected).max())
    found.save(tmp_path / "e.npz")
    assert (np.load(tmp_path / "e.npz")["embeddings"] == found.h).all()
    assert repr(found).startswith(f"Embeddings: {encoder.num_features} numbers for each image; 2 classes; 12 train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": "absent"}, "images: 'absent' is no folder; allowed: a folder of images, or digits"),
        ({"checkpoint": "absent.ckpt"}, "absent.ckpt: cannot be read (No such file or directory)"),
        ({"arch": "resnet18"}, "allowed: exactly the encoder's tensors"),
        ({"arch": "resnet-18"}, "arch: 'resnet-18' is not allowed"),
        ({"held_out": 0.01}, "a split gets fewer than 2 images of"),
        ({"stem": "tiny"}, "stem: 'tiny' is not allowed; allowed: imagenet, cifar"),
        ({"device": "abacus"}, "device: 'abacus' is not allowed"),
    ],
)
def test_what_cannot_be_embedded_is_refused_in_one_line(desk, change, message):
    folder, _ = desk
    given = {"images": folder / "photos", "checkpoint": folder / "last.ckpt", "arch": ARCH} | change
    with pytest.raises(ValueError) as refused:
        mi_ray.embed(given.pop("images"), given.pop("checkpoint"), **given)
    assert message in str(refused.value) and "\n" not in str(refused.value)
