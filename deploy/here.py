"""What a cluster file of `ray up` names on this machine and is not there, and the addresses of a local cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from deploy.mistakes import TO_FILL_IN, Mistake, strings

KEYS = ("ssh_private_key", "ssh_public_key")
COMMANDS = (
    "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
    "head_start_ray_commands", "worker_start_ray_commands",
)  # fmt: skip
REMOTE = re.compile(r"(?:~|\$HOME|\$\{HOME\})(/[\w./-]+)")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")
TOKEN = "auth_token"  # the end of a file's name


def absent(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Keys, mounts, and files in commands, that are not on this machine. The token is left out: `to_make`."""
    auth = config.get("auth")
    keys = {key: auth.get(key) for key in KEYS} if isinstance(auth, dict) else {}
    for key, path in keys.items():
        yield from _absent_file(f"auth.{key}", path)
    mounts = config.get("file_mounts")
    if not isinstance(mounts, dict):
        return
    for remote, local in mounts.items():
        if not isinstance(local, str):
            yield Mistake(f"file_mounts.{remote}", local, "the path of a file or folder here")
        elif not remote.endswith(TOKEN) and not _is_there(local):
            yield Mistake(f"file_mounts.{remote}", local, "a file or folder that is here")
    for path, command in strings({name: config[name] for name in COMMANDS if name in config}):
        for remote in dict.fromkeys(REMOTE.findall(command)):
            if not _is_mounted(remote.rstrip("/"), {_below_home(place): local for place, local in mounts.items()}):
                yield Mistake(path, f"~{remote}", "a file below one of file_mounts, which is here")


def to_make(config: Mapping[str, Any]) -> list[str]:
    """Paths of mounts of the token that is not on this machine yet."""
    mounts = config.get("file_mounts")
    tokens = mounts.items() if isinstance(mounts, dict) else ()
    return [f"file_mounts.{remote}" for remote, local in tokens if remote.endswith(TOKEN) and not _is_there(local)]


def addresses(provider: Mapping[str, Any]) -> Iterator[Mistake]:
    """Addresses of a local cluster that are none, or that are given twice."""
    workers = provider.get("worker_ips")
    places = {"provider.head_ip": provider.get("head_ip")}
    places |= {f"provider.worker_ips.{i}": ip for i, ip in enumerate(workers if isinstance(workers, list) else ())}
    seen: dict[str, str] = {}
    for path, address in places.items():
        if address is None or TO_FILL_IN in str(address):
            continue
        if not isinstance(address, str) or not _is_address(address):
            yield Mistake(path, address, "an address or a name of a machine, such as 10.0.0.7")
            continue
        first = seen.setdefault(_canonical(address), path)
        if first != path:
            yield Mistake(path, address, f"a machine of its own: {first} is the same")
    if len(seen) > 1 and (loopback := seen.get(_canonical("127.0.0.1")) or seen.get("localhost")):
        yield Mistake(loopback, places[loopback], "an address that the other machines reach")


def _absent_file(path: str, value: object) -> Iterator[Mistake]:
    if isinstance(value, str) and TO_FILL_IN not in value and not Path(value).expanduser().is_file():
        yield Mistake(path, value, "a file that is here")


def _is_there(local: object) -> bool:
    return isinstance(local, str) and (TO_FILL_IN in local or Path(local).expanduser().exists())


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
