"""Miniatures of the paper's data sets, in the true file formats that torchvision's own loaders read.

The red of an image tells its class, the green its place in its part. scikit-learn's digits are no miniature: they are
there as they are.
"""

import hashlib
import pickle
import struct

import numpy as np
from PIL import Image
from scipy.io import savemat
from torchvision import datasets as torchvision_datasets

from mi_ray.compute.images.catalogue import DOMAINS
from mi_ray.compute.images.labelled import load

TRAIN, TEST = 8, 2
"""Images of each class in the miniatures' official parts."""

WNIDS = ("n01440764", "n02099601", "n03888257")


def read(name, root=None, side=8, seed=0, held_out=0.25, **options):
    return load(name, root, side=side, seed=seed, held_out=held_out, **options)


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
    """Let torchvision take the miniature's checksums for the original's; a file that is not written stays missing."""
    for part in ("train_list", "test_list"):
        originals = getattr(kind, part)
        files = [[file, md5(folder / file) if (folder / file).is_file() else known] for file, known in originals]
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
    """STL-10's labelled binaries: [n, 3, column, row], labels from 1."""
    folder = root / "stl10_binary"
    folder.mkdir()
    for part, per_class in (("train", TRAIN), ("test", TEST)):
        labels = labels_of(10, per_class)
        pictures(labels, 96, 96).transpose(0, 1, 3, 2).tofile(folder / f"{part}_X.bin")
        (labels + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    (folder / "class_names.txt").write_text("".join(f"class {i:02d}\n" for i in range(10)))
    trust(monkeypatch, torchvision_datasets.STL10, folder)


def svhn(root, monkeypatch):
    """Street View House Numbers' MATLAB files: X [row, column, 3, n], y [n, 1] with 10 for the digit 0."""
    kind = torchvision_datasets.SVHN
    for part, per_class in (("train", TRAIN), ("test", TEST)):
        labels = labels_of(10, per_class)
        path = root / kind.split_list[part][1]
        x = pictures(labels, 32, 32).transpose(2, 3, 1, 0)
        savemat(path, {"X": x, "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]})
        monkeypatch.setitem(kind.split_list, part, [*kind.split_list[part][:2], md5(path)])


def mnist(root):
    """MNIST's idx files: big-endian header, then bytes. Its one channel is the class, but for a corner of its own."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, per_class in (("train", TRAIN), ("t10k", TEST)):
        labels = labels_of(10, per_class).astype(np.uint8)
        n, images = len(labels), np.tile(labels[:, None, None], (1, 28, 28))
        images[:, 21:, 21:] = np.arange(n)[:, None, None]
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
    """Write a miniature; returns the further arguments of `load` (the class list of ImageNet-100)."""
    match name:
        case "cifar-10" | "cifar-100":
            cifar(root, monkeypatch, name)
        case "stl-10":
            stl(root, monkeypatch)
        case "svhn":
            svhn(root, monkeypatch)
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
        case "digits":
            pass
    return {}


OFFICIAL = ("cifar-10", "cifar-100", "stl-10", "svhn", "mnist", "imagenet-1k", "imagenet-100")
WRITTEN = (*OFFICIAL, "pacs", "folder")
EVERY = (*WRITTEN, "digits")
