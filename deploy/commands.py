"""The paths below a node's home in a shell command: those that it runs or reads, and those that it may make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

BELOW_HOME = re.compile(r"(?:~|\$HOME|\$\{HOME\})(/[\w./-]+)")
STEPS = re.compile(r"[;&|()\n]")
BEFORE = re.compile(r"-.*|\d+|\w+=.*|sudo|nohup|setsid|exec|env|time|nice|timeout|if|then|else|do|while|!|\{")
"""Words before the name of a program."""

READERS = {"bash", "sh", "source", ".", "cat", "cp", "mv", "head", "tail", "python", "python3"}
"""Programs that read, or run, the first of their arguments that is no option."""

OPTIONS = {
    "make": ("-C", "-f", "--directory", "--file"),
    "pip": ("-r", "-c", "-e", "--requirement", "--constraint", "--editable"),
}
"""Options whose value is a path that is read."""

ENVIRONMENT = re.compile(r"/\.?venv/")


def read_by(command: str) -> Iterator[tuple[str, bool]]:
    """Each path below a home that a command names, and whether it must be there: the command runs or reads it.

    Programs of a virtual environment are left out, since the set-up makes them without naming them.
    """
    for step in STEPS.split(command):
        words = step.replace('"', "").replace("'", "").replace("<", " < ").split()
        needed = set(_read(words))
        for place, word in enumerate(words):
            for path in BELOW_HOME.findall(word):
                if not ENVIRONMENT.search(path):
                    yield path.rstrip("/"), place in needed


def _read(words: Sequence[str]) -> Iterator[int]:
    """Places of words that must be there: the program, its input, a reader's first argument, values of options."""
    first = next((place for place, word in enumerate(words) if not BEFORE.fullmatch(word)), len(words))
    rest = range(first + 1, len(words))
    programs = [PurePosixPath(word).name for word in words[first:]]
    if programs:
        yield first
    if programs and programs[0] in READERS:
        yield from [place for place in rest if not words[place].startswith("-")][:1]
    options = [option for program in programs for option in OPTIONS.get(program.replace("pip3", "pip"), ())]
    for place in rest:
        if words[place - 1] in options or words[place].split("=")[0] in options or words[place - 1] == "<":
            yield place
