"""Which folders are splits and which are classes: by stated rules, or refused."""

import pytest
from PIL import Image

from mi_ray.compute.images.catalogue import found_in
from mi_ray.compute.images.class_folders import SPLIT_NAMES
from mi_ray.compute.images.image_set import SPLITS
from tests.compute.images.class_trees import OTHER, fill, refused, sizes
from tests.compute.miniatures import read

# Splits


def cases(name):
    return [name, name.capitalize(), name.upper()]


@pytest.mark.parametrize("train", [case for name in SPLIT_NAMES["train"] for case in cases(name)])
@pytest.mark.parametrize("test", ["test", "Testing", "val", "VALID", "Validation", "dev", "evaluation"])
def test_a_part_for_training_and_another_are_splits_in_any_case(tmp_path, train, test):
    fill(tmp_path / train)
    fill(tmp_path / test, OTHER)
    classes, found = sizes(tmp_path)
    assert classes == ("cat", "dog")
    assert found == (12, 4, 4)


@pytest.mark.parametrize("validation", [case for name in SPLIT_NAMES["validation"] for case in cases(name)])
@pytest.mark.parametrize("test", ["test", "Testing", "eval"])
def test_validation_beside_test_is_the_validation_split(tmp_path, validation, test):
    fill(tmp_path / "Train")
    fill(tmp_path / validation, 3)
    fill(tmp_path / test, OTHER)
    splits, _ = read("folder", tmp_path)
    assert tuple(len(splits[split]) for split in SPLITS) == (16, 6, 4)
    for split, part in zip(SPLITS, ("Train", validation, test), strict=True):
        assert {name.split("/")[0] for name in splits[split].names} == {part}


@pytest.mark.parametrize("held_out", [0.25, 0.4])
def test_held_out_applies_to_what_is_missing_alone(tmp_path, held_out):
    fill(tmp_path / "train", 10)
    fill(tmp_path / "test", 5)
    assert sizes(tmp_path, held_out=held_out)[1] == (20 - 2 * round(10 * held_out), 2 * round(10 * held_out), 10)
    fill(tmp_path / "val", 3)
    assert sizes(tmp_path, held_out=held_out)[1] == (20, 6, 10)


@pytest.mark.parametrize("train", ["train", "Training"])
def test_a_part_for_training_alone_is_cut_in_three(tmp_path, train):
    fill(tmp_path / train)
    assert sizes(tmp_path) == (("cat", "dog"), (8, 4, 4))


def test_folders_without_a_part_for_training_are_classes(tmp_path):
    fill(tmp_path, classes=("valid", "invalid", "test"))
    assert sizes(tmp_path)[0] == ("invalid", "test", "valid")


def test_classes_of_any_name_are_read_inside_a_part_for_training(tmp_path):
    fill(tmp_path / "train", classes=("bus", "test", "train"))
    assert sizes(tmp_path)[0] == ("bus", "test", "train")


# Layouts that are refused


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("train", "bus", "car"), "holds train and, beside them, bus, car; allowed: splits alone"),
        (("train", "test", "unlabelled"), "holds test, train and, beside them, unlabelled; allowed"),
        (("train", "holdout"), "holds train and, beside them, holdout"),
        (("train", "training"), "/train and .*/training are both train; allowed: one folder of each split"),
        (("train", "Train", "test"), "are both train"),
        (("train", "val", "valid", "test"), "/val and .*/valid are both validation"),
        (("train", "test", "testing"), "are both test"),
        (("val", "test"), "holds test and val, but no folder for training; allowed: train beside them"),
        (("seg_train", "seg_test"), "holds seg_test and seg_train, which could be splits or classes"),
        (("training_set", "test_set"), "which could be splits or classes; allowed: splits named test and train, or"),
        (("train2017", "val2017", "extra"), "train2017 and val2017"),
        (("TrainSet", "ValidSet"), "TrainSet and ValidSet"),
        (("seg_train", "seg_test", "seg_pred"), "seg_test and seg_train"),
    ],
)
def test_a_layout_that_could_be_two_is_refused(tmp_path, folders, said):
    for folder in folders:
        fill(tmp_path / folder)
    refused(tmp_path, f"^folder: .*{said}")


@pytest.mark.parametrize("classes", [("train_station", "test_tube"), ("bullet_train", "car"), ("strain", "contest")])
def test_classes_whose_names_hold_a_word_for_a_split_are_classes(tmp_path, classes):
    fill(tmp_path, classes=classes)
    assert sizes(tmp_path)[0] == tuple(sorted(classes))


def test_splits_inside_classes_are_refused(tmp_path):
    for one in ("cat", "dog"):
        fill(tmp_path / one, classes=("train", "test"))
    refused(tmp_path, r"^folder: .*cat holds test and train; allowed: splits above the classes, as in train/cat$")


@pytest.mark.parametrize("below", ["", "images", "images/raw"])
@pytest.mark.parametrize("splits", [("Train", "VALID"), ("train_set", "test_set"), ("img-train", "img-test", "extra")])
def test_splits_inside_classes_are_refused_at_any_depth_and_by_likeness(tmp_path, below, splits):
    for one in ("cat", "dog"):
        fill(tmp_path / one / below, classes=splits)
    two = " and ".join(sorted(splits)[-2:])
    refused(tmp_path, f"^folder: .*cat(/{below})? holds {two}; allowed: splits above the classes, as in train/cat$")


@pytest.mark.parametrize("name", ["test", "Val", "holdout"])
def test_classes_that_lie_once_more_in_a_folder_beside_them_are_refused(tmp_path, name):
    fill(tmp_path)
    fill(tmp_path / name)
    refused(tmp_path, f"^folder: .*/{name} holds cat, dog again, which are classes beside it; allowed: each class once")


def test_folders_inside_classes_may_be_called_as_one_likes(tmp_path):
    for one in ("cat", "dog"):
        fill(tmp_path / one, 4, classes=(one, "2020", "train"))
    assert sizes(tmp_path, held_out=0.2) == (("cat", "dog"), (16, 4, 4))


def test_a_folder_without_images_beside_splits_is_no_class(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", OTHER)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "boxes.xml").write_text("")
    assert sizes(tmp_path)[0] == ("cat", "dog")
    assert found_in("folder", tmp_path).skipped == {".xml": 1}


def test_a_part_whose_images_are_in_no_class_is_refused(tmp_path):
    fill(tmp_path / "train")
    (tmp_path / "test").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "test" / "1.png")
    refused(tmp_path, "^folder: only one of .*train and .*test has cat, dog; both need every class$")


def test_a_part_of_which_a_class_is_missing_is_refused_whichever_it_is(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", OTHER)
    fill(tmp_path / "val", OTHER, classes=("cat", "dog", "eel"))
    refused(tmp_path, "only one of .*train and .*val has eel")


def test_all_classes_without_images_are_named_with_what_they_hold(tmp_path):
    fill(tmp_path)
    fill(tmp_path, classes=("eel", "fox"))
    for name in ("eel", "fox"):
        for path in (tmp_path / name).iterdir():
            path.rename(path.with_suffix(".heic"))
    refused(
        tmp_path, r"^folder: no images in .*/eel \(skipped: 8 \.heic\), .*/fox \(skipped: 8 \.heic\); allowed: \.apng"
    )
