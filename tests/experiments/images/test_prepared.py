"""Prepared images: made once, known by their content, and never trusted when they have changed."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.experiments.declare import CDP, Labelled
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.prepared import prepare, prepared
from mi_ray.experiments.store.files import MANIFEST
from mi_ray.experiments.store.manifest import Damaged
from mi_ray.experiments.store.store import Store
from tests.compute.miniatures import imagenet

COUNTS = {"train_images": 1024, "validation_images": 1024, "test_images": 1024}
SMALL = CDP(**COUNTS)


@pytest.fixture
def store(tmp_path):
    return fresh(tmp_path / "store")


def fresh(root):
    store = Store(root)
    store.prepare()
    return store


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(256, size=(40, 50, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_preparing_twice_makes_nothing_new(store):
    assert prepared(SMALL, store) is None
    first = prepare(SMALL, store)
    before = snapshot(store.root)
    assert prepare(SMALL, store) == prepared(SMALL, store) == first
    assert snapshot(store.root) == before


def test_the_content_digest_is_that_of_the_pixels_whatever_the_store(store, tmp_path):
    first = prepare(SMALL, store)
    assert prepare(SMALL, fresh(tmp_path / "other")).digest == first.digest
    assert prepare(CDP(**COUNTS, seed=1), store).digest != first.digest


def test_every_split_has_the_images_that_were_asked_for(store):
    made = prepare(CDP(**COUNTS | {"test_images": 1100}), store)
    assert {name: made.split(name).images.shape for name in SPLITS} == {
        "train": (1024, 3, 32, 32), "validation": (1024, 3, 32, 32), "test": (1100, 3, 32, 32),
    }  # fmt: skip


def test_moving_the_photographs_does_not_change_the_digest(store, photographs, tmp_path):
    here = prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)
    there = shutil.move(photographs, tmp_path / "elsewhere")
    assert prepare(CDP(**COUNTS, backgrounds=str(there)), store).digest == here.digest


def test_changing_a_photograph_changes_the_digest(store, photographs):
    data = CDP(**COUNTS, backgrounds=str(photographs))
    before = prepare(data, store)
    for path in photographs.iterdir():
        Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(path)
    assert prepared(data, store) is None
    assert prepare(data, store).digest != before.digest


# What a change of makes the images anew


@pytest.fixture
def linked(tmp_path):
    """A folder of classes in which everything is a link of some kind: to a class, to a folder in one, and to files."""
    kept, root = tmp_path / "kept", tmp_path / "root"
    for name in ("cat", "dog"):
        (kept / name).mkdir(parents=True)
        for number in range(8):
            picture(kept / name / f"{number}.bmp", number + 10 * (name == "dog"))
    (kept / "more").mkdir()
    picture(kept / "more" / "8.bmp", 30)
    (root / "dog").mkdir(parents=True)
    (root / "cat").symlink_to(kept / "cat")
    (root / "dog" / "more").symlink_to(kept / "more")
    for number in range(8):
        (root / "dog" / f"{number}.bmp").symlink_to(kept / "dog" / f"{number}.bmp")
    return root


def picture(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(256, size=(32, 32, 3), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("place", ["cat/3.bmp", "dog/5.bmp", "more/8.bmp"])
@pytest.mark.parametrize("keeps_its_time", [True, False])
def test_new_content_behind_a_link_is_noticed_whatever_its_time(store, linked, tmp_path, place, keeps_its_time):
    data = Labelled(name="folder", root=str(linked), held_out=0.25)
    before = prepare(data, store)
    path = tmp_path / "kept" / place
    old = path.stat()
    picture(path, 99)
    if keeps_its_time:
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    assert prepared(data, store) is None
    assert prepare(data, store).digest != before.digest


def test_a_link_that_leads_elsewhere_is_noticed(store, linked, tmp_path):
    data = Labelled(name="folder", root=str(linked), held_out=0.25)
    before = prepare(data, store)
    picture(tmp_path / "other.bmp", 77)
    link = linked / "dog" / "0.bmp"
    link.unlink()
    link.symlink_to(tmp_path / "other.bmp")
    assert prepare(data, store).digest != before.digest


@pytest.mark.parametrize("name", ["notes.txt", ".hidden.bmp", "cat/.ipynb_checkpoints/0.bmp", "@eaDir/0.bmp"])
def test_what_is_not_read_is_not_in_the_key(store, linked, name):
    data = Labelled(name="folder", root=str(linked), held_out=0.25)
    before = prepare(data, store)
    (linked / name).parent.mkdir(parents=True, exist_ok=True)
    (linked / name).write_bytes(b"anything")
    assert prepared(data, store) == before


def test_another_class_list_is_noticed(store, tmp_path):
    (tmp_path / "imagenet").mkdir()
    imagenet(tmp_path / "imagenet")
    listed = tmp_path / "classes.txt"
    data = Labelled(name="imagenet-100", root=str(tmp_path / "imagenet"), class_list=str(listed), held_out=0.25)
    digests = []
    for text in ("n03888257 n01440764", "n02099601 n01440764"):
        listed.write_text(text)
        digests.append(prepare(data, store).digest)
    assert digests[0] != digests[1]


def test_backgrounds_and_negatives_behind_links_are_in_the_key_too(store, linked, tmp_path):
    declarations = [
        CDP(**COUNTS, backgrounds=str(linked)),
        Labelled(name="digits", negatives=Labelled(name="folder", root=str(linked), held_out=0.25)),
    ]
    before = [prepare(data, store).digest for data in declarations]
    for path in tmp_path.glob("kept/*/*.bmp"):
        picture(path, 50 + len(path.parts[-2]) + int(path.stem))
    assert [prepared(data, store) for data in declarations] == [None, None]
    assert all(digest != prepare(data, store).digest for digest, data in zip(before, declarations, strict=True))


def test_the_matte_changes_the_pixels_of_transparent_images_alone(store, linked, tmp_path):
    plain = [prepare(Labelled(name="folder", root=str(linked), held_out=0.25, matte=matte), store) for matte in MATTES]
    assert plain[0].digest == plain[1].digest
    for path in tmp_path.glob("kept/*/*.bmp"):
        Image.open(path).convert("RGBA").save(path.with_suffix(".png"))
        see_through = Image.open(path.with_suffix(".png"))
        see_through.putalpha(100)
        see_through.save(path.with_suffix(".png"))
    white, black = (
        prepare(Labelled(name="folder", root=str(linked), held_out=0.25, matte=matte, crops="square"), store)
        for matte in MATTES
    )
    assert white.split("train").images.mean() > black.split("train").images.mean() + 20


MATTES = ("white", "black")


def test_transparent_backgrounds_become_the_matte(store, tmp_path):
    (tmp_path / "clear").mkdir()
    for number in range(3):
        clear = Image.new("RGBA", (400 + number, 400), (0, 0, 0, 0))
        clear.putpixel((number, 0), (100, 100, 100, 255))
        clear.save(tmp_path / "clear" / f"{number}.png")
    backgrounds = {"backgrounds": str(tmp_path / "clear"), "background_weight": 1.0}
    for matte, level in {"white": 255, "black": 0, "#808080": 128}.items():
        made = prepare(CDP(**COUNTS, **backgrounds, matte=matte), store)
        assert np.median(made.split("train").images) == level


@pytest.mark.parametrize("matte", ["whit", "#ff000080", "", None, 3])
@pytest.mark.parametrize("declared", [CDP, lambda **fields: Labelled(name="folder", **fields)])
def test_a_matte_that_is_no_opaque_colour_is_refused(declared, matte):
    with pytest.raises(Refused, match=f"^matte: {matte!r} is not allowed; allowed: an opaque colour such as white or"):
        declared(matte=matte)


@pytest.mark.parametrize("field", ["digits", "backgrounds"])
def test_a_missing_folder_is_refused(store, tmp_path, field):
    missing = str(tmp_path / "nowhere")
    with pytest.raises(Refused, match=f"{field}: '{missing}' is not allowed; allowed: scikit-learn or an existing"):
        prepare(CDP(**COUNTS, **{field: missing}), store)
    assert prepared(CDP(**COUNTS, **{field: missing}), store) is None


def test_a_folder_without_mnist_is_refused(store, tmp_path):
    with pytest.raises(Refused, match=f"digits: no MNIST under {tmp_path}"):
        prepare(CDP(**COUNTS, digits=str(tmp_path)), store)


def test_a_folder_without_images_is_refused_and_leaves_nothing(store, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match=r"backgrounds: .*empty holds 0 images; at least 3 are needed"):
        prepare(CDP(**COUNTS, backgrounds=str(tmp_path / "empty")), store)
    assert list(store.root.glob("data/*")) == []


@pytest.mark.parametrize("content", [b"", b"no picture"], ids=["empty", "text"])
def test_a_corrupt_image_is_refused_by_name(store, photographs, content):
    for path in photographs.iterdir():
        path.write_bytes(content)
    with pytest.raises(Refused, match=r"backgrounds: .*\d.png cannot be decoded .*; allowed: intact images"):
        prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)
    assert list(store.root.glob("data/*")) == []


def test_a_truncated_image_is_refused_by_name(store, photographs):
    for path in photographs.iterdir():
        path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(Refused, match=r"backgrounds: .*\d.png cannot be decoded"):
        prepare(CDP(**COUNTS, backgrounds=str(photographs)), store)


def test_a_prepared_file_that_has_changed_is_noticed_when_it_is_loaded(store):
    made = prepare(SMALL, store)
    path = made.folder / "test.safetensors"
    flipped = bytearray(path.read_bytes())
    flipped[-100] ^= 1
    path.write_bytes(flipped)
    assert len(made.split("train")) == 1024
    with pytest.raises(Damaged, match=r"data: .* has changed since it was prepared: test.safetensors does not match"):
        made.split("test")


def cut(name, share):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[: int(share * 500)])


DAMAGES = {
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
    "an empty manifest": cut(MANIFEST, 0),
    "half a manifest": cut(MANIFEST, 0.5),
    "another digest": lambda folder: (folder / MANIFEST).write_text(
        (folder / MANIFEST).read_text().replace('"digest": "', '"digest": "0')
    ),
    "an emptied folder": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no split": lambda folder: (folder / "train.safetensors").unlink(),
    "a split cut": cut("train.safetensors", 1),
    "names cut": cut("train.names.json", 0.9),
    "a pixel": lambda folder: flip(folder / "test.safetensors", -100),
    "a file for the folder": lambda folder: (shutil.rmtree(folder), folder.write_text("")),
}


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.fault("F25", "prepared images changed after a training, torn or emptied, in 10 ways")
def test_damaged_images_are_said_set_aside_and_made_again_with_the_same_digest(store, capsys):
    first = prepare(SMALL, store)
    for number, (kind, damage) in enumerate(DAMAGES.items(), start=1):
        damage(first.folder)
        assert prepared(SMALL, store) in (None, first), kind
        again = prepare(SMALL, store)
        said = capsys.readouterr().out
        place = store.root / "quarantine" / f"{first.folder.name}-{number}"
        assert again == first and len(again.split("train")) == 1024 and len(again.names("train")) == 1024, kind
        assert said.count("\n") == 1 and f"they are kept in {place}" in said, kind
        assert os.path.lexists(place)
    assert prepare(SMALL, store) == first and capsys.readouterr().out == ""
