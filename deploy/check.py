"""Check cluster files before a launch: settings that would fail, cost money or leave ports open. Needs no network.

python deploy/check.py cluster.yaml deploy/*.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.here import to_make
from deploy.kubernetes import manifest
from deploy.launcher import cluster
from deploy.mistakes import TO_FILL_IN, Mistake, joined, keys_that_are_no_text, strings

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def mistakes(file: Path) -> list[Mistake]:
    """All mistakes in a cluster file of `ray up` or a KubeRay manifest."""
    return [
        Mistake(joined(place, wrong.path), wrong.value, wrong.allowed)
        for place, document in documents(file)
        for wrong in mistakes_in(document)
    ]


def documents(file: Path) -> list[tuple[str, Any]]:
    """The documents of a file, each with the prefix of its paths: ``KIND/NAME``, or "" if there is only one.

    An empty file has the single document None.
    """
    if file.exists() and not file.is_file():
        raise OSError(f"{file} is no regular file")
    loaded = [document for document in yaml.safe_load_all(file.read_text()) if document is not None] or [None]
    prefixed = []
    for document in loaded:
        match document:
            case {"kind": str(kind), "metadata": {"name": str(name)}} if len(loaded) > 1:
                prefixed.append((f"{kind}/{name}", document))
            case _:
                prefixed.append(("", document))
    return prefixed


def to_fill_in(file: Path) -> list[str]:
    """Paths of values that a user must fill in, and of a token that a user must make."""
    paths = []
    for place, document in documents(file):
        paths += [joined(place, path) for path, value in strings(document) if TO_FILL_IN in value]
        paths += to_make(document) if "provider" in document else []
    return paths


def mistakes_in(document: Any) -> Iterator[Mistake]:
    """All mistakes in one document of a file; those of its keys and of its schema hide all deeper ones."""
    if keys := list(keys_that_are_no_text(document)):
        yield from keys
        return
    match document:
        case {"provider": {}}:
            yield from cluster(document)
        case {"apiVersion": str(), "kind": str()}:
            yield from manifest(document, CONSTRAINTS)
        case _:
            yield Mistake("(the file)", type(document).__name__, "a mapping with provider, or with apiVersion and kind")


def main(files: Sequence[str]) -> int:
    """Exit code 0: no mistake (values may be left to fill in); 2: a mistake, or no file was named."""
    refused = not files
    for file in map(Path, files):
        try:
            wrong = mistakes(file)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            wrong = [Mistake("(the file)", type(error).__name__, f"a YAML file that can be read: {reason}")]
        for mistake in wrong:
            print(f"{file}: {mistake}", file=sys.stderr)
        refused |= bool(wrong)
        if not wrong:
            left = to_fill_in(file)
            print(f"{file}: ok" + (f"; to fill in: {', '.join(left)}" if left else ""))
    if not files:
        print(__doc__, file=sys.stderr)
    return 2 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
