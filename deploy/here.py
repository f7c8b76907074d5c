"""What a cluster file of `ray up` names on this machine and is not there, and the addresses of a local cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from deploy.commands import read_by
from deploy.mistakes import TO_FILL_IN, Mistake, is_loopback, strings

KEYS = ("ssh_private_key", "ssh_public_key")
COMMANDS = (
    "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
    "head_start_ray_commands", "worker_start_ray_commands",
)  # fmt: skip
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?")
TOKEN = "auth_token"  # the end of a file's name


def absent(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Keys, mounts, and files in commands, that are not on this machine. The token is left out: `to_make`."""
    for key in KEYS:
        yield from _absent_file(f"auth.{key}", config.get("auth", {}).get(key))
    mounts = config.get("file_mounts", {})
    for remote, local in mounts.items():
        if not isinstance(local, str):
            yield Mistake(f"file_mounts.{remote}", local, "the path of a file or folder here")
        elif not remote.endswith(TOKEN) and not _is_there(local):
            yield Mistake(f"file_mounts.{remote}", local, "a file or folder that is here")
    yield from _absent_in_commands(config, {_below_home(remote): local for remote, local in mounts.items()})


def _absent_in_commands(config: Mapping[str, Any], mounts: Mapping[str, str]) -> Iterator[Mistake]:
    """Files below a mount that a command reads, and that neither the mount nor an earlier command brings."""
    made: list[str] = []
    types = {name: _commands(node) for name, node in config.get("available_node_types", {}).items()}
    for path, command in strings(_commands(config) | {"available_node_types": types}):
        for remote, is_read in read_by(command):
            if _is_mounted(remote, mounts):
                continue
            if not is_read:
                made.append(remote)
            elif not any(f"{remote}/".startswith(f"{place}/") for place in made):
                yield Mistake(path, f"~{remote}", "a file below one of file_mounts, which is here")


def _commands(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config[name] for name in COMMANDS if name in config}


def to_make(config: Mapping[str, Any]) -> list[str]:
    """Paths of mounts of the token that is not on this machine yet."""
    tokens = config.get("file_mounts", {}).items()
    return [f"file_mounts.{remote}" for remote, local in tokens if remote.endswith(TOKEN) and not _is_there(local)]


def addresses(provider: Mapping[str, Any]) -> Iterator[Mistake]:
    """Addresses of a local cluster that are none, or that are given twice."""
    places = {"provider.head_ip": provider["head_ip"]}
    places |= {f"provider.worker_ips.{i}": ip for i, ip in enumerate(provider["worker_ips"])}
    seen: dict[str, str] = {}
    for path, address in places.items():
        if TO_FILL_IN in str(address):
            continue
        if not isinstance(address, str) or not _is_address(address):
            yield Mistake(path, address, "an address or a name of a machine, such as 10.0.0.7")
            continue
        first = seen.setdefault(_canonical(address), path)
        if first != path:
            yield Mistake(path, address, f"a machine of its own: {first} is the same")
    for address, path in seen.items() if len(seen) > 1 else ():
        if is_loopback(address):
            yield Mistake(path, places[path], "an address that the other machines reach")


def _absent_file(path: str, value: object) -> Iterator[Mistake]:
    if isinstance(value, str) and TO_FILL_IN not in value and not exists(value, Path.is_file):
        yield Mistake(path, value, "a file that is here")


def _is_there(local: object) -> bool:
    return isinstance(local, str) and (TO_FILL_IN in local or exists(local, Path.exists))


def exists(local: str, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is there; a path that cannot be one, or is below a home that nobody has, is not."""
    try:
        return kind(Path(local).expanduser())
    except (OSError, RuntimeError):
        return False


def _below_home(remote: str) -> str:
    return re.sub(r"^(~|\$HOME|\$\{HOME\}|/home/[^/]+|/root)(?=/)", "", remote).rstrip("/")


def _is_mounted(remote: str, mounts: Mapping[str, str]) -> bool:
    """Whether a path on a node is there by the mounts, or has nothing to do with them."""
    if any(place == remote or place.startswith(f"{remote}/") for place in mounts):
        return True
    for place, local in mounts.items():
        if remote.startswith(f"{place}/"):
            return not isinstance(local, str) or _is_there(str(Path(local) / remote.removeprefix(f"{place}/")))
    shared = {place.split("/")[1] for place in mounts if place.count("/") > 1} - {".ray", ".ssh"}
    return remote.split("/")[1] not in shared


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return bool(HOST.fullmatch(text)) and not re.fullmatch(r"[\d.]+", text)
    return True


def _canonical(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")
