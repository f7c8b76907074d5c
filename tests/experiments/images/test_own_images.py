"""Images of a user's own: prepared, named and refused as those of this system are."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mi_ray.experiments.declare import CDP, Embedding, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.census import Census
from mi_ray.experiments.images.inventory import inventory
from mi_ray.experiments.images.missing import missing
from mi_ray.experiments.images.prepared import prepare, prepared
from mi_ray.experiments.store.store import Store
from tests.own import Dim, Length, Ramps

TRAINING = Training(data=CDP(), pairing=Dim(), arch="resnet10t")


def test_the_digest_of_own_images_follows_their_pixels(tmp_path):
    store = Store(tmp_path)
    first, again, other = (prepare(data, store).digest for data in (Ramps(), Ramps(), Ramps(seed=1)))
    assert first == again != other
    assert prepared(Ramps(), store).names("test")[0] == "ramps test 0"
    assert inventory([Length(embedding=Embedding(encoder=replace(TRAINING, data=Ramps())))], Census(store)) == [
        "images    ramps: made by Ramps"
    ]


def test_files_of_own_images_are_looked_for_and_make_them_anew(tmp_path):
    path = tmp_path / "images.npy"

    @dataclass(frozen=True, kw_only=True)
    class Read(Ramps):
        def files(self):
            return [path]

        def splits(self):
            return Ramps(seed=int(path.read_text())).splits()

    assert missing(Read()) == [f"ramps: {path}"]
    with pytest.raises(Refused, match="ramps"):
        prepare(Read(), Store(tmp_path / "store"))
    digests = []
    for text in ("1", "02"):
        path.write_text(text)
        digests.append(prepare(Read(), Store(tmp_path / "store")).digest)
    assert digests[0] != digests[1] == prepare(Ramps(seed=2), Store(tmp_path / "store")).digest


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"images": np.zeros((8, 3, 16, 16), np.uint8)}, "Bad: train: images is uint8 [8, 3, 16, 16]; allowed: uint8"),
        ({"attributes": np.zeros((8, 2), np.int64)}, "Bad: train: attributes is int64 [8, 2]; allowed: int64 [8, 1]"),
        ({"attributes": np.full((8, 1), 2)}, "Bad: train: class is 2 to 2; allowed: 0 to 1"),
        ({"names": ("one",)}, "Bad: train: 1 names; allowed: 8, or none"),
    ],
)
def test_splits_that_are_not_as_declared_are_refused(fault, message, tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Bad(Ramps):
        def splits(self):
            splits = Ramps().splits()
            return splits | {"train": replace(splits["train"], **fault)}

    with pytest.raises(Refused, match=re.escape(message)):
        prepare(Bad(), Store(tmp_path))
