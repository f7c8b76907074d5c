"""Images from declarations: labelled data sets, halves of their classes, and the set D- that negatives come from."""

import numpy as np
import pytest

from mi_ray.experiments.cells import Store
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.data import prepare, prepared
from mi_ray.experiments.declare import (
    Checkpoint,
    Crops,
    Embedding,
    Labelled,
    LinearEvaluation,
    Noise,
    SameClass,
    Training,
)
from mi_ray.experiments.folders import missing, missing_files, refuse_missing_files
from mi_ray.experiments.render import NEGATIVES, render

DIGITS = Labelled(name="digits", half="first")


def test_a_half_keeps_its_five_classes_and_the_other_half_is_its_sibling():
    own, sibling = render(DIGITS), render(DIGITS.sibling)
    for split in own:
        assert set(own[split].attributes[:, 0]) == set(sibling[split].attributes[:, 0]) == set(range(5))
        assert not set(own[split].sources) & set(sibling[split].sources)


@pytest.mark.parametrize(
    "negatives", [Noise(images=64), Crops(images=64), DIGITS.sibling], ids=lambda n: type(n).__name__
)
def test_declared_negatives_are_a_split_of_their_own(negatives, tmp_path):
    store = Store(tmp_path)
    data = Labelled(name="digits", half="first", negatives=negatives)
    made, plain = prepare(data, store), prepare(DIGITS, store)
    assert made.digest != plain.digest
    assert np.array_equal(made.split("train").images, plain.split("train").images)
    apart = made.split(NEGATIVES)
    assert apart.images.shape[1:] == (3, 32, 32)
    assert prepared(data, store) == made


def test_a_data_set_that_is_not_there_is_missing_by_name(tmp_path):
    data = Labelled(name="cifar-10", root=str(tmp_path / "data"))
    assert any("cifar-10-batches-py" in line for line in missing(data))
    with pytest.raises(Refused, match="cifar-10"):
        prepare(data, Store(tmp_path))


def test_negatives_that_are_not_there_are_missing_too(tmp_path):
    pacs = Labelled(name="pacs", root=str(tmp_path), domain="cartoon")
    assert any("pacs" in line for line in missing(Labelled(name="digits", negatives=pacs)))


def test_a_checkpoint_that_is_not_there_is_missing_by_its_name(tmp_path):
    encoder = Checkpoint(data=DIGITS, arch="resnet18", source=str(tmp_path / "swav.pth"), name="SwAV")
    question = LinearEvaluation(embedding=Embedding(encoder=encoder), task="class")
    assert missing_files([question]) == [f"checkpoint SwAV: {tmp_path}/swav.pth"]
    with pytest.raises(Refused, match="checkpoint SwAV"):
        refuse_missing_files([question])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "imagenet"}, "data: 'imagenet'"),
        ({"name": "stl-10", "half": "first"}, "half: 'first'"),
        ({"name": "cifar-10", "domain": "photo"}, "domain: 'photo'"),
        ({"name": "imagenet-100"}, "class_list: ''"),
        ({"name": "digits", "side": 4}, "side: 4"),
        ({"name": "digits", "negatives": Labelled(name="digits", negatives=Noise())}, "negatives"),
    ],
)
def test_images_that_make_no_sense_are_refused(fields, said):
    with pytest.raises(Refused, match=said):
        Labelled(**fields)


def test_a_task_must_be_one_of_the_images():
    with pytest.raises(Refused, match=r"task: 'color'.*class"):
        Training(data=DIGITS, pairing=SameClass(task="color"), arch="resnet10t")
