"""What is found in a folder is told before anything is computed: splits, classes, images of each, what was left out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mi_ray.compute.images.image_set import SPLITS
from mi_ray.experiments.declare import CDP, Embedding, Labelled, LinearEvaluation, SameClass, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images import inventory as inventories
from mi_ray.experiments.images.census import Census
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.store.store import Store
from tests.compute.miniatures import WNIDS, imagenet, pacs

STUDY = """
from mi_ray.experiments.declare import Embedding, Labelled, LinearEvaluation, SameClass, Training
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch

def trial(*, held_out: float = 0.25):
    data = Labelled(name="folder", root="photos", held_out=held_out)
    training = Training(data=data, pairing=SameClass(task="class"), arch="resnet10t", views=256)
    return (LinearEvaluation(embedding=Embedding(encoder=training), task="class"),)

STUDY = Study(name="photos", trial=trial, axes={"held_out": (0.25,)}, presets={"all": {}}, default_preset="all",
              matrix=Matrix(row="task", column="held_out", panels={"evaluation": "linear_accuracy"}))
launch(STUDY)
"""


def inventory(questions):
    return inventories.inventory(questions, Census(Store(Path("no store"))))


def questions_of(*data):
    return [
        LinearEvaluation(
            embedding=Embedding(encoder=Training(data=data_set, pairing=SameClass(task=task), arch="resnet10t")),
            task=task,
        )
        for data_set in data
        for task in ("class" if isinstance(data_set, Labelled) else "color",)
    ]


def fill(folder, n, classes=("cat", "dog")):
    rng = np.random.default_rng(len(str(folder)))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")


def folder(root, **fields):
    return Labelled(**{"name": "folder", "root": str(root), "held_out": 0.25} | fields)


def test_splits_classes_images_and_what_was_skipped_are_told(tmp_path):
    for part, n in {"Training": 10, "valid": 3, "test": 2}.items():
        fill(tmp_path / part, n)
    (tmp_path / "labels.csv").write_text("")
    (tmp_path / "valid" / "cat" / ".DS_Store").write_text("")
    for i in range(3):
        (tmp_path / "test" / "dog" / f"{i}.heic").write_text("")
    assert inventory(questions_of(folder(tmp_path))) == [
        f"images    folder {tmp_path}: 2 classes, 30 images (train 20, validation 6, test 4)",
        f"images    folder {tmp_path}/Training (train): cat 10, dog 10",
        f"images    folder {tmp_path}/valid (validation): cat 3, dog 3",
        f"images    folder {tmp_path}/test: cat 2, dog 2",
        f"images    folder {tmp_path}: skipped 3 .heic, 1 .csv, 1 hidden or system",
    ]


def test_the_images_foretold_are_those_that_are_prepared(tmp_path):
    fill(tmp_path / "photos", 11)
    made = prepare(folder(tmp_path / "photos"), Store(tmp_path / "store"))
    sizes = [f"{split} {len(made.split(split))}" for split in SPLITS]
    assert inventory(questions_of(folder(tmp_path / "photos")))[0].endswith(f"22 images ({', '.join(sizes)})")


def test_of_many_classes_the_smallest_and_the_largest_are_told(tmp_path):
    fill(tmp_path, 8, [f"class {i:02d}" for i in range(20)])
    fill(tmp_path, 9, ["class 30"])
    assert inventory(questions_of(folder(tmp_path)))[1].endswith(": 169 images, from 8 of class 00 to 9 of class 30")


def test_folders_of_other_data_sets_negatives_and_backgrounds_are_told(tmp_path):
    (tmp_path / "imagenet").mkdir()
    imagenet(tmp_path / "imagenet")
    pacs(tmp_path / "pacs")
    fill(tmp_path / "photos", 8)
    lines = inventory(
        questions_of(
            Labelled(name="imagenet-1k", root=str(tmp_path / "imagenet"), held_out=0.25),
            Labelled(name="pacs", root=str(tmp_path / "pacs"), domain="photo", held_out=0.25),
            Labelled(name="digits", negatives=folder(tmp_path / "photos")),
            CDP(backgrounds=str(tmp_path / "photos")),
        )
    )
    assert f"images    imagenet-1k {tmp_path}/imagenet: 3 classes, 30 images (train 18, validation 6, test 6)" in lines
    assert f"images    imagenet-1k {tmp_path}/imagenet/val (test): {', '.join(f'{w} 2' for w in WNIDS)}" in lines
    assert f"images    pacs {tmp_path}/pacs: 2 classes, 16 images (train 8, validation 4, test 4)" in lines
    assert f"images    pacs {tmp_path}/pacs/sketch: dog 8, elephant 8" in lines
    assert f"images    folder {tmp_path}/photos: cat 8, dog 8" in lines
    assert f"images    backgrounds {tmp_path}/photos: 16 images (train 11, validation 3, test 2)" in lines


def test_a_folder_is_told_once_however_many_questions_read_it(tmp_path):
    fill(tmp_path, 8)
    lines = inventory(questions_of(folder(tmp_path), folder(tmp_path, side=64), folder(tmp_path, seed=1)))
    assert len(lines) == 2


def test_a_missing_folder_is_left_to_whoever_names_what_is_missing(tmp_path):
    assert inventory(questions_of(folder(tmp_path / "nowhere"))) == []


def test_all_scarce_classes_are_refused_before_an_image_is_opened(tmp_path):
    fill(tmp_path, 3)
    fill(tmp_path, 20, ["eel"])
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(Refused, match=r"images of cat \(.*\), dog \(.*\); allowed: 3 more images of cat, 3 more"):
        inventory(questions_of(folder(tmp_path)))


def run(where, *flags):
    where.joinpath("photos.py").write_text(STUDY)
    return subprocess.run(
        [sys.executable, "photos.py", *flags], cwd=where, capture_output=True, text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
    )  # fmt: skip


def test_a_dry_run_tells_what_was_found(tmp_path):
    fill(tmp_path / "photos", 8)
    ran = run(tmp_path, "--dry-run", "--on", "here")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.partition("\n")[2].startswith("images    folder photos: 2 classes, 16 images (train 8,")


@pytest.mark.parametrize("flags", [["--dry-run"], []])
def test_a_folder_that_could_be_two_layouts_is_refused_in_one_line_before_anything_starts(tmp_path, flags):
    for part in ("train", "extra"):
        fill(tmp_path / "photos" / part, 8)
    ran = run(tmp_path, "--on", "here", *flags)
    assert ran.returncode == 2 and ran.stdout.startswith("photos  preset ") and ran.stdout.count("\n") == 1
    assert ran.stderr.startswith("photos: folder: photos holds train and, beside them, extra; allowed: splits alone")
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
