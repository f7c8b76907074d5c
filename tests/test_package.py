"""What the package states of itself."""

from importlib.metadata import metadata
from pathlib import Path

import mi_ray


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert mi_ray.__version__ == metadata("mi-ray")["Version"]


def test_the_license_is_stated_and_its_text_is_in_the_tree() -> None:
    assert metadata("mi-ray")["License-Expression"] == "Apache-2.0"
    assert "Apache License" in (Path(__file__).parents[1] / "LICENSE").read_text()
