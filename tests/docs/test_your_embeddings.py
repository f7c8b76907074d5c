"""`docs/your-embeddings.md` keeps its word: every block runs, in its order, in one empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "your-embeddings.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


def test_every_block_is_python_or_commands():
    assert {language for language, _ in BLOCKS} == {"python", "console"} and len(BLOCKS) == 5


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_a_block_runs(desk: Path, language: str, text: str):
    programs = Path(sys.executable).parent
    if language == "python":
        ran = [subprocess.run([sys.executable, "-c", text], cwd=desk, capture_output=True, text=True)]
    else:
        commands = [line.split() for line in text.splitlines()]
        assert all(word == "mi-ray" for word, *_ in commands)
        ran = [
            subprocess.run([programs / word, *rest], cwd=desk, capture_output=True, text=True)
            for word, *rest in commands
        ]
    assert all(one.returncode == 0 for one in ran), [one.stderr for one in ran]
