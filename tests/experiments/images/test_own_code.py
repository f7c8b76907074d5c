"""Code of a user's own that gives something else than it should: refused in a line that names the class."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.pairs import view
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.store.store import Store
from tests.own import Dim, Ramps

IMAGES = torch.ones(2, 3, 4, 4)


def changed(**fault):
    """Splits with a value that `ImageSet` does not check outside of tests."""

    def splits(self):
        made = Ramps().splits()
        for field, value in fault.items():
            object.__setattr__(made["train"], field, value)
        return made

    return splits


def raising(error):
    def splits(self):
        raise error

    return splits


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (lambda self: None, "Bad: splits is NoneType; allowed: a dict of train, validation, test"),
        (lambda self: dict.fromkeys(("train", "validation", "test"), 5), "Bad: train is int; allowed: an ImageSet"),
        (raising(KeyError("gone")), "Bad: splits: KeyError: 'gone' (test_own_code.py:"),
        (raising(SystemExit("bye")), "Bad: splits: SystemExit: bye (test_own_code.py:"),
        (changed(images=torch.zeros(8, 3, 32, 32)), "Bad: train: images is Tensor; allowed: a numpy array"),
        (changed(names=tuple(range(8))), "Bad: train: name 0 is not allowed; allowed: text"),
    ],
)
def test_splits_that_are_none_are_refused(splits, message, tmp_path):
    bad = dataclass(frozen=True, kw_only=True)(type("Bad", (Ramps,), {"splits": splits, "__module__": __name__}))
    with pytest.raises(Refused, match=re.escape(message)):
        prepare(bad(), Store(tmp_path))
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("files", [lambda self: None, lambda self: [5], lambda self: "a.npy", lambda self: 1 / 0])
def test_files_that_are_no_list_of_paths_are_refused(files):
    bad = dataclass(frozen=True, kw_only=True)(type("Bad", (Ramps,), {"files": files}))
    with pytest.raises(Refused, match=r"Bad: files .*; allowed: "):
        bad()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda images: images * torch.nan, "Bad: view: NaN or infinity; allowed: finite numbers"),
        (lambda images: images + torch.randn(2, 1, 1, 1), "Bad: view: two views differ; allowed: a function of"),
        (lambda images: images + float(np.random.randn()), "Bad: view: two views differ; allowed: a function of"),
    ],
)
def test_a_view_that_is_no_finite_function_of_its_seed_is_refused(made, message):
    members = {"view": lambda self, images, seed, rows=None: made(images)}
    bad = dataclass(frozen=True, kw_only=True)(type("Bad", (Dim,), members))
    with pytest.raises(ValueError, match=re.escape(message)):
        view(bad())(IMAGES, 0)


def test_a_view_that_writes_into_its_images_changes_no_other_view():
    members = {"view": lambda self, images, seed, rows=None: images.mul_(0.5)}
    halve = view(dataclass(frozen=True, kw_only=True)(type("Halve", (Dim,), members))())
    images = IMAGES.clone()
    assert torch.equal(halve(images, 0), halve(images, 1))
    assert torch.equal(images, IMAGES)
