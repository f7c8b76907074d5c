"""Check cluster files of `ray up`: first Ray's own checks, then mistakes that these accept."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import ray.autoscaler
from click import ClickException
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from deploy import nodes
from deploy.clouds import in_cloud
from deploy.here import absent, addresses, exists
from deploy.mistakes import Mistake, growth, nearest, overstated, standing_open, strings
from deploy.schemas import against, explained

SCHEMA = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
PROVIDERS = ("aws", "gcp", "local")
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")
SETUPS = ("setup_commands", "head_setup_commands", "worker_setup_commands")
TOKEN = "RAY_AUTH_MODE=token"
OLDER_AUTOSCALER = "RAY_enable_autoscaler_v2=0"
START = re.compile(r"\bray start\b")
PIP = re.compile(r"\bpip3? install\b")
BY_CONSTRAINTS = re.compile(r"\bmake\b.* setup\b|\bpip3? install\b.*\s(-c|--constraint)[ =]?\S*constraints\.txt")
NO_SPOT = "no spot node for the head: the driver lives there"


def cluster(config: dict[str, Any]) -> Iterator[Mistake]:
    """All mistakes in a cluster file, after Ray's defaults are filled in."""
    kind = config["provider"].get("type")
    if kind not in PROVIDERS:
        yield Mistake("provider.type", kind, nearest(str(kind), PROVIDERS))
        return
    for stage in (_misshapen, _misshapen_nodes, _refused_elsewhere, _refused_by_ray, _refused_here):
        wrong = list(stage(config, kind))
        yield from wrong
        if wrong:
            return


def _misshapen(config: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """Violations of Ray's schema, and of what a local cluster needs beyond it. Later checks rely on these types."""
    yield from against(config, json.loads(SCHEMA.read_text()))
    if kind != "local":
        return
    for name in ("head_ip", "worker_ips"):
        if name not in config["provider"]:
            yield Mistake(f"provider.{name}", None, "addresses of machines: it is required")
    if isinstance(types := config.get("available_node_types"), dict):
        yield Mistake("available_node_types", sorted(types), "nothing: a local cluster has head_ip and worker_ips")


def _misshapen_nodes(config: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """Fields of node types that the cloud does not know."""
    for name, node in config.get("available_node_types", {}).items():
        schema = nodes.aws() if kind == "aws" else nodes.GCP
        yield from against(node["node_config"], schema, f"available_node_types.{name}.node_config")


def _refused_elsewhere(config: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """What the cloud would refuse, and what is not on this machine or is no other machine."""
    yield from in_cloud(config, kind)
    yield from absent(config)
    yield from addresses(config["provider"]) if kind == "local" else ()


def _refused_here(config: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """What Ray and the cloud accept, and should not be launched."""
    whole = _prepared(config)
    if kind == "gcp" and not whole["provider"].get("project_id"):
        yield Mistake("provider.project_id", whole["provider"].get("project_id"), "the id of a project: it is required")
    yield from _node_types(whole) if kind != "local" else ()
    yield from _mounts(whole)
    yield from _starts(whole, kind)
    yield from _setups(whole)
    yield from standing_open(whole)


def _refused_by_ray(config: dict[str, Any], _: str) -> Iterator[Mistake]:
    """Mistakes that Ray finds beyond its schema. Its messages name the field, if any, in backticks."""
    try:
        validate_config(_prepared(config))
    except ValidationError as error:
        yield from explained(error)
    except (ValueError, KeyError, RuntimeError, AssertionError, ClickException) as error:
        field = re.search(r"`(\w+)`", str(error))
        path = field[1] if field else "(the file)"
        yield Mistake(path, config.get(path), f"what Ray accepts: {' '.join(str(error).split())}")


def _prepared(config: dict[str, Any]) -> dict[str, Any]:
    """The file with Ray's defaults, without the setup_commands that Ray prepends to those of head and workers."""
    logging.disable(logging.INFO)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            whole = prepare_config(deepcopy(config))
    finally:
        logging.disable(logging.NOTSET)
    return whole | {name: whole[name][len(whole["setup_commands"]) :] for name in SETUPS[1:]}


def _node_types(whole: dict[str, Any]) -> Iterator[Mistake]:
    """Mistakes in node types: a head on spot, a wrong size to grow to."""
    types, head = dict(whole["available_node_types"]), whole["head_node_type"]
    head_node = types.pop(head)
    workers = [(node["max_workers"], node["resources"]) for node in types.values()]
    largest = growth(workers, whole["max_workers"])
    yield from overstated(head_node["resources"], largest, f"available_node_types.{head}.resources")
    yield from _spot_head(head_node["node_config"], head)


def _spot_head(node: dict[str, Any], head: str) -> Iterator[Mistake]:
    """A head on the spot market, in the words of AWS or Google Cloud."""
    where = f"available_node_types.{head}.node_config"
    match node:
        case {"InstanceMarketOptions": {"MarketType": "spot" as value}}:
            yield Mistake(f"{where}.InstanceMarketOptions.MarketType", value, NO_SPOT)
        case {"scheduling": {"preemptible": True as value}}:
            yield Mistake(f"{where}.scheduling.preemptible", value, NO_SPOT)
        case {"scheduling": {"provisioningModel": "SPOT" as value}}:
            yield Mistake(f"{where}.scheduling.provisioningModel", value, NO_SPOT)


def _mounts(whole: dict[str, Any]) -> Iterator[Mistake]:
    """File mounts without the token, or with the whole checkout."""
    mounts = whole["file_mounts"]
    if not any(remote.endswith("auth_token") for remote in mounts):
        yield Mistake("file_mounts", sorted(mounts), "a token among them, as ~/.ray/auth_token")
    for remote, local in mounts.items():
        if exists(f"{local}/pyproject.toml", Path.is_file):
            yield Mistake(f"file_mounts.{remote}", local, "folders of code: Ray reads every file below a mount")


def _starts(whole: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """Commands that start Ray without the token: such a process accepts and sends unauthenticated requests."""
    for name in STARTS:
        for place, command in enumerate(whole[name]):
            if START.search(command) and TOKEN not in command:
                yield Mistake(f"{name}.{place}", command, f"a command with {TOKEN}")
            if START.search(command) and kind == "local" and name == STARTS[0] and OLDER_AUTOSCALER not in command:
                allowed = f"a command with {OLDER_AUTOSCALER}: the newer autoscaler leaves out one of the workers"
                yield Mistake(f"{name}.{place}", command, allowed)


def _setups(whole: dict[str, Any]) -> Iterator[Mistake]:
    """Installations that ignore `constraints.txt`."""
    for path, command in strings({name: whole[name] for name in SETUPS}):
        if PIP.search(command) and not BY_CONSTRAINTS.search(command):
            yield Mistake(path, command, "pip install -c constraints.txt ..., or make -C ~/mi-ray setup")
    if not any(map(BY_CONSTRAINTS.search, whole["setup_commands"])):
        yield Mistake(
            "setup_commands", whole["setup_commands"], "one that installs by constraints.txt: make -C ~/mi-ray setup"
        )
