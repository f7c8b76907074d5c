"""Names of others reach the screen without the characters that a terminal obeys."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mi_ray.experiments.declare import Embedding, Labelled, LinearEvaluation, SameClass, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.census import Census
from mi_ray.experiments.images.inventory import inventory
from mi_ray.experiments.store.store import store_at
from mi_ray.running.exit import exit_code
from mi_ray.theory.listing import printable

HOSTILE = ("a\x1b[2Jb", "line\nbreak", "back\rspace\b", "\u202eright to left", "no text \udcff", "nul\0", "bell\a")


@pytest.mark.fault("F28", "control characters, ends of lines and bytes that are no text in a refusal")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_refusal_is_one_printable_line(name: str, capsys: pytest.CaptureFixture[str]):
    def refused() -> int:
        raise Refused(f"images: {name!s} is not allowed; allowed: others")

    assert exit_code("study", refused) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable() and line.startswith("study: images: ") and line.endswith("allowed: others")


def test_printable_text_stays_as_it_is():
    assert printable("n01440764, Zürich, 日本, a\\b") == "n01440764, Zürich, 日本, a\\b"


@pytest.mark.fault("F28", "class folders whose names hold control characters, in the list of images")
def test_the_list_of_images_is_printable(tmp_path: Path):
    for label in ("cat\x1b[2J", "dog\n"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(30):
            Image.new("RGB", (4, 4)).save(tmp_path / "photos" / label / f"{i}.png")
    data = Labelled(name="folder", root=str(tmp_path / "photos"))
    training = Training(data=data, pairing=SameClass(task="class"), arch="resnet18")
    question = LinearEvaluation(embedding=Embedding(encoder=training), task="class")
    lines = inventory([question], Census(store_at(str(tmp_path / "store"))))
    assert lines and all(line.isprintable() for line in lines)
    assert any("cat\\x1b[2J" in line for line in lines)
