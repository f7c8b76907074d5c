"""Refuse cluster files before anything is started: what would fail, be expensive or stand open. Needs no network.

python deploy/check.py cluster.yaml deploy/*.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.kubernetes import manifest
from deploy.launcher import cluster
from deploy.mistakes import Mistake, joined, strings

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
TO_FILL_IN = "FILL-IN"


def mistakes(file: Path) -> list[Mistake]:
    """What is wrong with a cluster file of `ray up` or a KubeRay manifest; empty if nothing is."""
    return [
        Mistake(joined(place, wrong.path), wrong.value, wrong.allowed)
        for place, document in documents(file)
        for wrong in _mistakes(document)
    ]


def documents(file: Path) -> list[tuple[str, Any]]:
    """The documents of a file, each with what tells its paths from those of the others; an empty file has one, None."""
    found = [document for document in yaml.safe_load_all(file.read_text()) if document is not None] or [None]
    return [(_called(document) if len(found) > 1 else "", document) for document in found]


def _called(document: Any) -> str:
    match document:
        case {"kind": str(kind), "metadata": {"name": str(name)}}:
            return f"{kind}/{name}"
        case _:
            return ""


def to_fill_in(file: Path) -> list[str]:
    """Paths of values that only a reader knows."""
    return [
        joined(place, path)
        for place, document in documents(file)
        for path, value in strings(document)
        if TO_FILL_IN in value
    ]


def _mistakes(document: Any) -> Iterator[Mistake]:
    match document:
        case {"provider": {}}:
            yield from cluster(document)
        case {"apiVersion": str(), "kind": str()}:
            yield from manifest(document, CONSTRAINTS)
        case _:
            yield Mistake("(the file)", type(document).__name__, "a mapping with provider, or with apiVersion and kind")


def main(files: Sequence[str]) -> int:
    """Exit code 0: all is well, but for what is to fill in; 2: refused, or no file was named."""
    refused = not files
    for file in map(Path, files):
        try:
            wrong = mistakes(file)
        except (OSError, yaml.YAMLError) as error:
            wrong = [Mistake("(the file)", type(error).__name__, f"a YAML file that can be read: {error}")]
        for one in wrong:
            print(f"{file}: {one}", file=sys.stderr)
        refused |= bool(wrong)
        if not wrong:
            left = to_fill_in(file)
            print(f"{file}: ok" + (f"; to fill in: {', '.join(left)}" if left else ""))
    if not files:
        print(__doc__, file=sys.stderr)
    return 2 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
