"""A cell's provenance says which code computed it, and never stands in its way."""

import time
from pathlib import Path

import pytest

from mi_ray.experiments.run import provenance
from mi_ray.experiments.run.provenance import UNKNOWN, code_version


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program of the given text in git's place."""

    def put(text: str) -> None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    code_version.cache_clear()
    yield put
    code_version.cache_clear()


def test_git_that_does_not_answer_is_waited_for_once(git, monkeypatch):
    git("sleep 60")
    monkeypatch.setattr(provenance, "GIT_SECONDS", 0.2)
    started = time.monotonic()
    assert [code_version(), code_version()] == [UNKNOWN, UNKNOWN]
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("text", ["exit 128", "kill -9 $$", "printf '\\377'; exit 1"])
def test_git_that_fails_leaves_the_version_of_the_package(git, text):
    git(text)
    assert code_version() == provenance._version("mi-ray")


def test_git_that_prints_what_is_no_text_does_no_harm(git):
    git("printf '\\377'")
    assert code_version()
