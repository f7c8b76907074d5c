"""A value of a wrong type, at any place of a cluster file, ends in lines and in no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from deploy.check import mistakes_in
from tests.deploy.test_deploy import KUBERNETES, LAUNCHED, at, read

WRONG: tuple[object, ...] = (5, "x", None, [], {}, True, {1: 2}, 1.5, [5], [None], [{}], "~no-such-user/x")


def places(value: object, above: str = "") -> Iterator[str]:
    """The dotted path of every value of a document, but of those below a name with a dot, which `at` cannot name."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in pairs:
        if "." not in str(name):
            yield f"{above}{name}"
            yield from places(below, f"{above}{name}.")


def found(document: Any, path: str, wrong: object) -> list[str]:
    spoilt = deepcopy(document)
    at(path, wrong)(spoilt)
    return [str(mistake) for mistake in mistakes_in(spoilt)]


@pytest.mark.parametrize(
    ("file", "step"), [(LAUNCHED[0], 3), (LAUNCHED[1], 3), (LAUNCHED[2], 1), *((f, 1) for f in KUBERNETES[:2])]
)
def test_a_wrong_type_anywhere_ends_in_lines(file: str, step: int):
    document = read(file)
    for turn, path in enumerate(list(places(document))[::step]):
        for line in found(document, path, WRONG[turn % len(WRONG)]):
            assert "; allowed: " in line and "\n" not in line


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        (LAUNCHED[0], "file_mounts", {1: "mi_ray"}, "file_mounts.1: 1 is not allowed; allowed: text as a name"),
        (LAUNCHED[0], "available_node_types.gpu.resources", "GPU",
         "available_node_types.gpu.resources: 'GPU' is not allowed; allowed: of type object"),
        (LAUNCHED[2], "provider.worker_ips", 5, "provider.worker_ips: 5 is not allowed; allowed: of type array"),
        (KUBERNETES[0], "spec.headGroupSpec.template.spec.volumes", 5,
         "spec.headGroupSpec.template.spec.volumes: 5 is not allowed; allowed: of type array"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_told_alone(file: str, path: str, value: object, message: str):
    (line,) = found(read(file), path, value)
    assert line.startswith(message)


def test_what_is_found_is_in_the_same_order_every_time():
    keys = {"regoin": "x", "zone": "y", "acount": "z"}
    wrong = found(read(LAUNCHED[0]), "provider", {"type": "aws", "region": "us-west-2"} | keys)
    assert [line.split(":")[0] for line in wrong] == [f"provider.{key}" for key in sorted(keys)]
