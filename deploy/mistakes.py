"""Mistakes in cluster files: each names the path, the value and the allowed values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv6Address, ip_address

FEW = 12
"""Up to this many allowed values are listed in full; of more, only those similar to the refused one."""

TO_FILL_IN = "FILL-IN"
ANYWHERE = re.compile(r"\b0\.0\.0\.0\b|::/0|\[::\]")
HOST = re.compile(r"--(?:dashboard-)?host[= ](\S+)")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Mistake:
    """A value that is not allowed; ``path`` is dotted, from the top of the document."""

    path: str
    value: object
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r} is not allowed; allowed: {self.allowed}"


def joined(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def nearest(name: str, allowed: Collection[object]) -> str:
    """The allowed values, or of many those similar to ``name``."""
    words = sorted(map(str, allowed))
    if len(words) <= FEW:
        return ", ".join(words)
    return ", ".join([*(get_close_matches(name, words, 3) or words[:3]), f"... ({len(words)} in all)"])


def strings(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """All strings in a nested value, with their paths."""
    match value:
        case str():
            yield path, value
        case dict():
            for name, below in value.items():
                yield from strings(below, joined(path, name))
        case list():
            for place, below in enumerate(value):
                yield from strings(below, joined(path, place))


def keys_that_are_no_text(value: object, path: str = "") -> Iterator[Mistake]:
    """Keys, at any depth, that YAML reads as numbers, truth values or dates: no field is called so."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in pairs:
        if isinstance(value, dict) and not isinstance(name, str):
            yield Mistake(joined(path, name), name, "text as a name, in quotes")
        yield from keys_that_are_no_text(below, joined(path, name))


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is one by which a machine reaches itself alone."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def growth(workers: Collection[tuple[int, Mapping[str, int]]], most: int) -> dict[str, int]:
    """The most CPUs and GPUs of ``most`` nodes. ``workers``: size and resources of one node, for each group."""
    grown = {}
    for name in ("CPU", "GPU"):
        each = sorted((has.get(name, 0) for size, has in workers for _ in range(size)), reverse=True)
        grown[f"most_{name}"] = sum(each[:most])
    return grown


def overstated(declared: Mapping[str, int], grown: Mapping[str, int], path: str) -> Iterator[Mistake]:
    """Where the head's resources declare another size to grow to than ``grown``, the sum over the workers."""
    for name, amount in grown.items():
        if declared.get(name) != amount:
            yield Mistake(joined(path, name), declared.get(name), f"{amount}, which all workers have together")


def standing_open(document: object) -> Iterator[Mistake]:
    """Addresses that let a service listen to, or accept, other machines without a limit."""
    for path, value in strings(document):
        if ANYWHERE.search(value):
            yield Mistake(path, value, f"{LOOPBACK[0]}, or addresses that you know")
        for host in (found.strip("'\"") for found in HOST.findall(value)):
            if not is_loopback(host) and not ANYWHERE.search(host):
                yield Mistake(path, host, f"one of {', '.join(LOOPBACK)} as host")
