"""Labelled photographs: miniatures in the true file formats, read by torchvision's own loaders."""

import hashlib
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets as torchvision_datasets
from torchvision.transforms.functional import center_crop, resize

from mi_ray.compute.datasets import DOMAINS, halves, load, missing
from mi_ray.compute.images import SPLITS, content_digest

TRAIN, TEST = 8, 2
"""Images of each class in the miniatures' official parts."""

WNIDS = ("n01440764", "n02099601", "n03888257")


def read(name, root, side=8, seed=0, held_out=0.25, **options):
    return load(name, root, side=side, seed=seed, held_out=held_out, **options)


# Miniatures: the red of an image tells its class, the green its place in its part


def pictures(labels, height, width):
    """uint8 [n, 3, height, width], constant in red and green; blue is 200 in the upper left quarter, else 0."""
    images = np.zeros((len(labels), 3, height, width), dtype=np.uint8)
    images[:, 0] = labels[:, None, None] % 256
    images[:, 1] = (np.arange(len(labels)) % 256)[:, None, None]
    images[:, 2, : height // 2, : width // 2] = 200
    return images


def labels_of(n_classes, per_class):
    return np.tile(np.arange(n_classes), per_class)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def trust(monkeypatch, kind, folder):
    """Let torchvision take the miniature's checksums for the original's."""
    for part in ("train_list", "test_list"):
        files = [[file, md5(folder / file)] for file, _ in getattr(kind, part)]
        monkeypatch.setattr(kind, part, files)
    if hasattr(kind, "meta"):
        monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / kind.meta["filename"])})


def batch(key, labels):
    names = [f"{i}.png" for i in range(len(labels))]
    data = pictures(labels, 32, 32).reshape(len(labels), 3072)
    return {"batch_label": "miniature", key: labels.tolist(), "data": data, "filenames": names}


def cifar(root, monkeypatch, name="cifar-10"):
    """CIFAR's pickled batches: uint8 [n, 3072], red plane first, rows first."""
    n_classes = int(name.partition("-")[2])
    kind = {10: torchvision_datasets.CIFAR10, 100: torchvision_datasets.CIFAR100}[n_classes]
    key = {10: "labels", 100: "fine_labels"}[n_classes]
    folder = root / kind.base_folder
    folder.mkdir()
    train = [(file, part) for (file, _), part in zip(
        kind.train_list, np.split(labels_of(n_classes, TRAIN), len(kind.train_list)), strict=True,
    )]  # fmt: skip
    for file, labels in [*train, (kind.test_list[0][0], labels_of(n_classes, TEST))]:
        (folder / file).write_bytes(pickle.dumps(batch(key, labels), protocol=2))
    names = [f"class {i:02d}" for i in range(n_classes)]
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: names}, protocol=2))
    trust(monkeypatch, kind, folder)


def stl(root, monkeypatch):
    """STL-10's binaries: [n, 3, column, row], labels from 1."""
    folder = root / "stl10_binary"
    folder.mkdir()
    for part, per_class in (("train", TRAIN), ("test", TEST)):
        labels = labels_of(10, per_class)
        pictures(labels, 96, 96).transpose(0, 1, 3, 2).tofile(folder / f"{part}_X.bin")
        (labels + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    np.zeros((3, 3, 96, 96), dtype=np.uint8).tofile(folder / "unlabeled_X.bin")
    (folder / "class_names.txt").write_text("".join(f"class {i:02d}\n" for i in range(10)))
    trust(monkeypatch, torchvision_datasets.STL10, folder)


def mnist(root):
    """MNIST's idx files: big-endian header, then bytes. Its one channel is the class."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, per_class in (("train", TRAIN), ("t10k", TEST)):
        labels = labels_of(10, per_class).astype(np.uint8)
        n, images = len(labels), np.broadcast_to(labels[:, None, None], (len(labels), 28, 28))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, n, 28, 28) + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, n) + labels.tobytes())


def tree(folder, classes, per_class, suffix="JPEG"):
    """Class folders of JPEG (or PNG) files, 40 wide and 30 high; red is 40 times the place of the class."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            Image.new("RGB", (40, 30), (40 * place, 10 * i, 0)).save(folder / name / f"{name}_{i}.{suffix}", quality=95)


def imagenet(root):
    tree(root / "train", WNIDS, TRAIN)
    tree(root / "val", WNIDS, TEST)


def pacs(root):
    for domain in DOMAINS:
        tree(root / domain, ("dog", "elephant"), TRAIN, "png" if domain == "sketch" else "jpg")


def miniature(name, root, monkeypatch):
    """Write a miniature; what `load` must be told of it (ImageNet-100's class list) is given back."""
    match name:
        case "cifar-10" | "cifar-100":
            cifar(root, monkeypatch, name)
        case "stl-10":
            stl(root, monkeypatch)
        case "mnist":
            mnist(root)
        case "imagenet-1k":
            imagenet(root)
        case "imagenet-100":
            imagenet(root)
            (root / "classes.txt").write_text("n03888257\nn01440764\n")
            return {"class_list": root / "classes.txt"}
        case "pacs":
            pacs(root)
        case "folder":
            tree(root, ("cat", "dog"), TRAIN)
    return {}


OFFICIAL = ("cifar-10", "cifar-100", "stl-10", "mnist", "imagenet-1k", "imagenet-100")
EVERY = (*OFFICIAL, "pacs", "folder")


# What every data set gives


@pytest.mark.parametrize("name", EVERY)
def test_splits_are_disjoint_and_cover_the_data_set(tmp_path, monkeypatch, name):
    splits, _ = read(name, tmp_path, **miniature(name, tmp_path, monkeypatch))
    assert tuple(splits) == SPLITS
    together = np.concatenate([splits[split].sources for split in SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(together)))
    for data in splits.values():
        assert (data.images.dtype, data.images.shape) == (np.uint8, (len(data.sources), 3, 8, 8))
        assert (data.attributes.dtype, data.attributes.shape[1]) == (np.int64, 2 if name == "pacs" else 1)


@pytest.mark.parametrize("name", EVERY)
def test_every_split_has_its_share_of_every_class(tmp_path, monkeypatch, name):
    splits, classes = read(name, tmp_path, **miniature(name, tmp_path, monkeypatch))
    held = TRAIN // 4
    train = TRAIN - held if name in OFFICIAL else TRAIN - 2 * held
    for split, expected in zip(SPLITS, (train, held, TEST), strict=True):
        cells, counts = np.unique(splits[split].attributes, axis=0, return_counts=True)
        assert len(cells) == len(classes) * (len(DOMAINS) if name == "pacs" else 1)
        assert set(counts) == {expected}


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_test_split_is_the_official_test_part_whatever_the_seed(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    for seed in (0, 1):
        splits, classes = read(name, tmp_path, seed=seed, **options)
        np.testing.assert_array_equal(splits["test"].sources, len(classes) * TRAIN + np.arange(len(classes) * TEST))


@pytest.mark.parametrize("name", EVERY)
def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path, monkeypatch, name):
    options = miniature(name, tmp_path, monkeypatch)
    one, two, alone, other = (
        content_digest(read(name, tmp_path, **options, **more)[0])
        for more in ({}, {}, {"threads": 1}, {"seed": 1})
    )  # fmt: skip
    assert one == two == alone != other


@pytest.mark.parametrize(("name", "native"), [("cifar-10", 32), ("cifar-100", 32), ("stl-10", 96)])
def test_pixels_label_and_source_belong_together(tmp_path, monkeypatch, name, native):
    miniature(name, tmp_path, monkeypatch)
    splits, classes = read(name, tmp_path, side=native)
    assert classes == tuple(f"class {i:02d}" for i in range(len(classes)))
    for split, data in splits.items():
        labels, place = data.attributes[:, 0], data.sources - (split == "test") * len(classes) * TRAIN
        if name == "cifar-10":  # its batches count from 0 anew
            place = place % (16 if split != "test" else len(classes) * TEST)
        expected = pictures(labels, native, native)
        expected[:, 1] = (place % 256)[:, None, None]
        np.testing.assert_array_equal(data.images, expected)


def test_the_quarter_that_marks_up_and_left_stays_there(tmp_path, monkeypatch):
    blue = np.zeros((96, 96), dtype=np.uint8)
    blue[:48, :48] = 200
    stl(tmp_path, monkeypatch)
    upright = np.asarray(torchvision_datasets.STL10(tmp_path)[0][0])[:, :, 2]
    np.testing.assert_array_equal(upright, blue)
    np.testing.assert_array_equal(read("stl-10", tmp_path, side=96)[0]["train"].images[0, 2], blue)


def test_mnist_is_grey_and_labelled_by_its_digits(tmp_path):
    mnist(tmp_path)
    splits, classes = read("mnist", tmp_path, side=28)
    assert classes[3] == "3 - three"
    for data in splits.values():
        assert (data.images == data.attributes[:, :, None, None]).all()


def test_imagenet_classes_are_its_wnids_and_val_is_the_test_split(tmp_path):
    imagenet(tmp_path)
    splits, classes = read("imagenet-1k", tmp_path)
    assert classes == WNIDS
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 40.0 * data.attributes[:, 0], atol=3)


def test_the_unlabelled_test_folder_of_imagenet_is_left_alone(tmp_path):
    imagenet(tmp_path)
    before = content_digest(read("imagenet-1k", tmp_path)[0])
    (tmp_path / "test").mkdir()
    assert content_digest(read("imagenet-1k", tmp_path)[0]) == before


@pytest.mark.parametrize("text", ["n03888257\nn01440764\n", "n03888257 n01440764"])
def test_imagenet_100_takes_the_classes_of_its_list_in_order_of_wnid(tmp_path, text):
    imagenet(tmp_path)
    (tmp_path / "classes.txt").write_text(text)
    splits, classes = read("imagenet-100", tmp_path, class_list=tmp_path / "classes.txt")
    assert classes == ("n01440764", "n03888257")
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 80.0 * data.attributes[:, 0], atol=3)


def test_pacs_tells_class_and_domain(tmp_path):
    pacs(tmp_path)
    splits, classes = read("pacs", tmp_path)
    assert classes == ("dog", "elephant")
    for data in splits.values():
        np.testing.assert_allclose(data.images[:, 0, 4, 4], 40.0 * data.attributes[:, 0], atol=3)
        np.testing.assert_array_equal(data.attributes[:, 1], data.sources // (2 * TRAIN))


@pytest.mark.parametrize("part", ["test", "val"])
def test_a_folder_with_a_test_part_keeps_it(tmp_path, part):
    tree(tmp_path / "train", ("cat", "dog"), TRAIN)
    tree(tmp_path / part, ("cat", "dog"), TEST)
    splits, classes = read("folder", tmp_path)
    assert classes == ("cat", "dog")
    assert splits["test"].sources.tolist() == [16, 17, 18, 19]


# Pixels


def one_image(root, image, file, **options):
    """The pixels that an image becomes, put in a folder of its own kind."""
    for name in ("a", "b"):
        (root / name).mkdir()
        for i in range(TRAIN):
            image.save(root / name / f"{i}{file}", **options)
    return read("folder", root, side=20)[0]["train"].images[0]


@pytest.mark.parametrize(
    ("mode", "color", "file"),
    [
        ("L", 120, ".jpg"),
        ("CMYK", (0, 0, 0, 135), ".jpg"),
        ("RGBA", (120, 120, 120, 255), ".png"),
        ("RGBA", (120, 120, 120, 60), ".png"),
        ("LA", (120, 60), ".png"),
    ],
)
def test_images_of_every_mode_are_read_as_rgb_without_alpha(tmp_path, mode, color, file):
    np.testing.assert_allclose(one_image(tmp_path, Image.new(mode, (30, 25), color), file), 120, atol=1)


@pytest.mark.parametrize("size", [(20, 20), (33, 20), (20, 47)])
def test_native_pixels_are_kept(tmp_path, size):
    noise = np.random.default_rng(0).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    left, top = (size[0] - 20) // 2, (size[1] - 20) // 2
    pixels = one_image(tmp_path, Image.fromarray(noise), ".png")
    np.testing.assert_array_equal(pixels, noise[top : top + 20, left : left + 20].transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (10, 14), (61, 61)])
def test_resizing_is_that_of_torchvision(tmp_path, size):
    down, right = np.meshgrid(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0]), indexing="ij")
    waves = np.stack([np.sin(5 * down), np.cos(4 * right), down * right], axis=2)
    photo = Image.fromarray((120 + 100 * waves).astype(np.uint8))
    expected = np.asarray(center_crop(resize(photo, 20), 20)).transpose(2, 0, 1).astype(int)
    np.testing.assert_allclose(one_image(tmp_path, photo, ".png"), expected, atol=8)


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((200, 200, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_allclose(one_image(tmp_path, Image.fromarray(stripes), ".png")[:, :, 1:-1], 100, atol=3)


# Refusals


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("cifar-10", "cifar-10-batches-py/data_batch_1", 7),
        ("cifar-100", "cifar-100-python/train", 3),
        ("stl-10", "stl10_binary/train_X.bin", 6),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", 4),
        ("imagenet-1k", "train/", 2),
        ("pacs", "art_painting/", 4),
        ("folder", "", 1),
    ],
)
def test_what_is_missing_is_named_with_its_place(tmp_path, name, first, count):
    root = tmp_path / "nowhere"
    absent = missing(name, root)
    assert (absent[0], len(absent)) == (f"{root}/{first}", count)
    with pytest.raises(FileNotFoundError, match=f"{name}: expected {root}/{first}"):
        read(name, root)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_missing_from_a_whole_data_set(tmp_path, monkeypatch, name):
    assert missing(name, tmp_path, **miniature(name, tmp_path, monkeypatch)) == []


def test_one_missing_batch_is_named(tmp_path, monkeypatch):
    cifar(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    assert missing("cifar-10", tmp_path) == [f"{tmp_path}/cifar-10-batches-py/data_batch_3"]


@pytest.mark.parametrize("kind", ["CIFAR10", "CIFAR100", "STL10"])
def test_the_files_expected_are_those_that_torchvision_checks(tmp_path, kind):
    kind = getattr(torchvision_datasets, kind)
    name = {"CIFAR10": "cifar-10", "CIFAR100": "cifar-100", "STL10": "stl-10"}[kind.__name__]
    own = kind.meta["filename"] if hasattr(kind, "meta") else kind.class_names_file
    files = [file for file, _ in (*kind.train_list, *kind.test_list)]
    assert missing(name, tmp_path) == [f"{tmp_path}/{kind.base_folder}/{file}" for file in (*files, own)]


def test_a_file_where_a_folder_belongs_is_missing(tmp_path):
    (tmp_path / "photo").write_text("no folder")
    assert missing("folder", tmp_path / "photo") == [f"{tmp_path}/photo/"]


def test_looking_for_what_is_missing_does_not_import_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mi_ray.compute.datasets import missing;"
        f"missing('cifar-10', Path({str(tmp_path)!r})); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["cifar-10", "stl-10", "mnist"])
def test_a_truncated_file_is_refused(tmp_path, monkeypatch, name):
    miniature(name, tmp_path, monkeypatch)
    path = {
        "cifar-10": tmp_path / "cifar-10-batches-py" / "data_batch_1",
        "stl-10": tmp_path / "stl10_binary" / "train_X.bin",
        "mnist": tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte",
    }[name]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=f"{name}: a file under {tmp_path} is corrupt"):
        read(name, tmp_path)


@pytest.mark.parametrize("labels", [np.zeros(20), np.full(80, 10)], ids=["too few", "of no class"])
def test_mnist_whose_labels_do_not_fit_is_refused(tmp_path, labels):
    mnist(tmp_path)
    content = struct.pack(">II", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=f"mnist: a file under {tmp_path} is corrupt: the labels do not fit"):
        read("mnist", tmp_path)


@pytest.mark.parametrize("damage", [lambda content: b"no image", lambda content: content[: len(content) // 2]])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_corrupt_image_is_refused_by_name(tmp_path, damage, threads):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    path = tmp_path / "dog" / "dog_5.JPEG"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"folder: {path} cannot be decoded"):
        read("folder", tmp_path, threads=threads)


def test_a_class_without_images_is_refused_by_name(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    (tmp_path / "eel").mkdir()
    with pytest.raises(FileNotFoundError, match=f"folder: {tmp_path}: .*eel"):
        read("folder", tmp_path)


def test_a_class_with_too_few_images_is_refused_by_name(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    for i in range(2, TRAIN):
        (tmp_path / "dog" / f"dog_{i}.JPEG").unlink()
    with pytest.raises(
        ValueError, match=r"folder: validation gets 0 of the 2 images of dog \(held_out 0.25\); at least 2 are needed"
    ):
        read("folder", tmp_path)


def test_a_class_that_is_scarce_in_one_domain_is_refused_by_both_names(tmp_path):
    pacs(tmp_path)
    for i in range(1, TRAIN):
        (tmp_path / "photo" / "dog" / f"dog_{i}.jpg").unlink()
    with pytest.raises(ValueError, match="of the 1 images of dog, photo"):
        read("pacs", tmp_path)


def test_a_class_that_the_test_part_lacks_is_refused_by_name(tmp_path):
    imagenet(tmp_path)
    (tmp_path / "val" / WNIDS[1]).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"only one of .*train and .*val has {WNIDS[1]}"):
        read("imagenet-1k", tmp_path)


def test_a_test_part_that_is_not_sorted_into_classes_is_refused(tmp_path):
    tree(tmp_path / "train", [f"n{i:08d}" for i in range(9)], 2)
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match="has n00000000, n00000001, n00000002 and 6 more; both need every class"):
        read("imagenet-1k", tmp_path)


def test_a_single_class_is_refused(tmp_path):
    tree(tmp_path, ("cat",), TRAIN)
    with pytest.raises(ValueError, match="holds 1 class folders; at least 2 are needed"):
        read("folder", tmp_path)


def test_an_unknown_wnid_of_the_class_list_is_refused_by_name(tmp_path):
    imagenet(tmp_path)
    listed = tmp_path / "classes.txt"
    listed.write_text("n01440764\nn99999999\n")
    absent = [f"{tmp_path}/{part}/n99999999/" for part in ("train", "val")]
    assert missing("imagenet-100", tmp_path, listed) == absent
    with pytest.raises(FileNotFoundError, match=f"{absent[0]}.*; the classes are those of {listed}"):
        read("imagenet-100", tmp_path, class_list=listed)


@pytest.mark.parametrize("text", ["", "n01440764\nn01440764\n"])
def test_an_empty_or_repetitive_class_list_is_refused(tmp_path, text):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ValueError, match="is empty or repeats a wnid"):
        missing("imagenet-100", tmp_path, tmp_path / "classes.txt")


def test_a_class_list_goes_with_imagenet_100_alone(tmp_path):
    assert missing("imagenet-100", tmp_path, tmp_path / "none.txt") == [f"{tmp_path}/none.txt"]
    with pytest.raises(ValueError, match="class_list: None is not allowed for imagenet-100"):
        missing("imagenet-100", tmp_path)
    with pytest.raises(ValueError, match=r"class_list: .* is not allowed for imagenet-1k"):
        read("imagenet-1k", tmp_path, class_list=tmp_path / "classes.txt")


def test_images_beyond_the_byte_budget_are_refused_with_the_sum(tmp_path):
    tree(tmp_path, ("cat", "dog"), TRAIN)
    need = 2 * TRAIN * 3 * 64**2
    assert len(read("folder", tmp_path, side=64, byte_budget=need)[0]["train"]) == 8
    with pytest.raises(
        ValueError, match=r"16 images x 3 x 64 x 64 = 196,608 bytes \(0\.0 GiB\); allowed: at most 196,607"
    ):
        read("folder", tmp_path, side=64, byte_budget=need - 1)


@pytest.mark.parametrize("held_out", [0.0, -0.1, 0.5, 1.0])
def test_a_share_that_leaves_nothing_is_refused(tmp_path, held_out):
    with pytest.raises(ValueError, match=r"held_out: .* allowed: a share above 0 and below 0\.5"):
        read("folder", tmp_path, held_out=held_out)


# Table X


@pytest.mark.parametrize(("name", "n_classes"), [("cifar-10", 10), ("cifar-100", 100)])
def test_the_halves_of_table_x_share_the_classes_out(name, n_classes):
    first, second = halves(name).values()
    assert [*first, *second] == list(range(n_classes))
    assert len(first) == len(second)
    assert list(halves(name)) == [f"cifar-{n_classes // 2}{half}" for half in "ab"]
