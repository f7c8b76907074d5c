"""Images from declarations: labelled data sets, halves of their classes, and the set D- that negatives come from."""

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images.image_set import SPLITS, ImageSet, content_digest
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Crops,
    Embedding,
    Labelled,
    LinearEvaluation,
    Noise,
    SameClass,
    Training,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.missing import missing, missing_files, refuse_missing_files
from mi_ray.experiments.images.prepared import prepare, prepared
from mi_ray.experiments.images.render import NEGATIVES, render
from mi_ray.experiments.store.store import Store
from tests.compute.miniatures import tree

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
    assert len(made.names(NEGATIVES)) == len(apart)


def test_every_image_has_the_name_of_its_file(tmp_path):
    tree(tmp_path / "photos" / "train", ("cat", "dog"), 8)
    tree(tmp_path / "photos" / "test", ("cat", "dog"), 2, "png")
    data = Labelled(name="folder", root=str(tmp_path / "photos"), held_out=0.25, crops="square")
    made = prepare(data, Store(tmp_path / "store"))
    for split in SPLITS:
        images = made.split(split)
        for name, image in zip(made.names(split), images.images, strict=True):
            with Image.open(tmp_path / "photos" / name) as file:
                square = file.convert("RGB").crop((5, 0, 35, 30)).resize((32, 32), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(image, np.asarray(square).transpose(2, 0, 1))
    assert tuple(made.names("test")) == (
        "test/cat/cat_0.png",
        "test/cat/cat_1.png",
        "test/dog/dog_0.png",
        "test/dog/dog_1.png",
    )


@pytest.mark.parametrize(
    ("data", "split", "first"),
    [
        (DIGITS, "train", "digits image {source}"),
        (
            CDP(train_images=1024, validation_images=1024, test_images=1024),
            "test",
            "CDP test image 0 of drawing {source}",
        ),
        (Labelled(name="digits", negatives=Noise(images=8)), NEGATIVES, "noise image 0"),
        (Labelled(name="digits", negatives=Crops(images=8)), NEGATIVES, "crops image 0"),
    ],
)
def test_images_that_are_no_files_have_names_too(tmp_path, data, split, first):
    made = prepare(data, Store(tmp_path))
    names, images = made.names(split), made.split(split)
    assert names[0] == first.format(source=images.sources[0])
    assert len(set(names)) == len(names) == len(images)


def test_names_move_no_digest():
    split = render(DIGITS)["test"]
    plain = ImageSet(split.images, split.attributes, split.sources)
    assert content_digest({"test": split}) == content_digest({"test": plain})


def test_names_that_were_changed_are_refused(tmp_path):
    made = prepare(DIGITS, Store(tmp_path))
    path = made.folder / "test.names.json"
    path.write_text(path.read_text().replace("digits", "digit"))
    with pytest.raises(ValueError, match=r"has changed since it was prepared: .*names\.json"):
        made.names("test")


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
    ("fields", "message"),
    [
        ({"name": "imagenet"}, "data: 'imagenet'"),
        ({"name": "stl-10", "half": "first"}, "half: 'first'"),
        ({"name": "cifar-10", "domain": "photo"}, "domain: 'photo'"),
        ({"name": "imagenet-100"}, "class_list: ''"),
        ({"name": "digits", "side": 4}, "side: 4"),
        ({"name": "digits", "negatives": Labelled(name="digits", negatives=Noise())}, "negatives"),
    ],
)
def test_images_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(Refused, match=message):
        Labelled(**fields)


def test_a_task_must_be_one_of_the_images():
    with pytest.raises(Refused, match=r"task: 'color'.*class"):
        Training(data=DIGITS, pairing=SameClass(task="color"), arch="resnet10t")


def test_a_checkpoint_that_is_no_checkpoint_is_refused_by_its_first_bytes(tmp_path):
    path = tmp_path / "swav.pth"
    path.write_text("<!DOCTYPE html><html></html>")
    encoder = Checkpoint(data=DIGITS, arch="resnet18", source=str(path), name="SwAV")
    question = LinearEvaluation(embedding=Embedding(encoder=encoder), task="class")
    assert missing_files([question]) == []
    with pytest.raises(Refused, match=r"swav\.pth cannot be read \(an HTML page"):
        refuse_missing_files([question])
