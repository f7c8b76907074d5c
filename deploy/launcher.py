"""Refuse cluster files of `ray up`: by Ray's own checks, then for what these let pass."""

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
    """What is wrong with a cluster file and with what Ray puts in where it says nothing."""
    kind = config["provider"].get("type")
    if kind not in PROVIDERS:
        yield Mistake("provider.type", kind, nearest(str(kind), PROVIDERS))
        return
    wrong = [*(_local(config) if kind == "local" else ()), *against(config, json.loads(SCHEMA.read_text()))]
    if not wrong:
        wrong = list(_refused_by_ray(config))
    yield from wrong
    if wrong:
        return
    whole = _prepared(config)
    yield from _gcp(whole) if kind == "gcp" else ()
    yield from _node_types(whole, kind) if kind != "local" else ()
    yield from _mounts(whole)
    yield from _starts(whole, kind)
    yield from _setups(whole)
    yield from standing_open(whole)


def _local(config: dict[str, Any]) -> Iterator[Mistake]:
    """What Ray refuses of a local cluster on the screen alone."""
    for name in ("head_ip", "worker_ips"):
        if name not in config["provider"]:
            yield Mistake(f"provider.{name}", None, "addresses of machines: it is required")
    if "available_node_types" in config:
        told = sorted(config["available_node_types"])
        yield Mistake("available_node_types", told, "nothing: a local cluster has head_ip and worker_ips")


def _refused_by_ray(config: dict[str, Any]) -> Iterator[Mistake]:
    """What Ray refuses beyond its schema; its words name the field, if any, in backticks."""
    try:
        validate_config(_prepared(config))
    except ValidationError as error:
        yield from explained(error)
    except (ValueError, KeyError, RuntimeError, AssertionError, ClickException) as error:
        field = re.search(r"`(\w+)`", str(error))
        path = field[1] if field else "(the file)"
        yield Mistake(path, config.get(path), f"what Ray accepts: {error}")


def _prepared(config: dict[str, Any]) -> dict[str, Any]:
    """With Ray's defaults, but without the setup_commands that it puts in front of those of the head and of workers."""
    logging.disable(logging.INFO)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            whole = prepare_config(deepcopy(config))
    finally:
        logging.disable(logging.NOTSET)
    return whole | {name: whole[name][len(whole["setup_commands"]) :] for name in SETUPS[1:]}


def _gcp(whole: dict[str, Any]) -> Iterator[Mistake]:
    if not whole["provider"].get("project_id"):
        yield Mistake("provider.project_id", whole["provider"].get("project_id"), "the id of a project: it is required")


def _node_types(whole: dict[str, Any], kind: str) -> Iterator[Mistake]:
    schema = nodes.aws() if kind == "aws" else nodes.GCP
    for name, node in whole["available_node_types"].items():
        yield from against(node["node_config"], schema, f"available_node_types.{name}.node_config")
    yield from _grown(whole)
    head = whole["head_node_type"]
    yield from _spot_head(whole["available_node_types"][head]["node_config"], head)


def _grown(whole: dict[str, Any]) -> Iterator[Mistake]:
    types, name = dict(whole["available_node_types"]), whole["head_node_type"]
    said = types.pop(name)["resources"]
    workers = [(node["max_workers"], node["resources"]) for node in types.values()]
    yield from overstated(said, growth(workers, whole["max_workers"]), f"available_node_types.{name}.resources")


def _spot_head(node: dict[str, Any], head: str) -> Iterator[Mistake]:
    where = f"available_node_types.{head}.node_config"
    match node:
        case {"InstanceMarketOptions": {"MarketType": "spot" as told}}:
            yield Mistake(f"{where}.InstanceMarketOptions.MarketType", told, NO_SPOT)
        case {"scheduling": {"preemptible": True as told}}:
            yield Mistake(f"{where}.scheduling.preemptible", told, NO_SPOT)
        case {"scheduling": {"provisioningModel": "SPOT" as told}}:
            yield Mistake(f"{where}.scheduling.provisioningModel", told, NO_SPOT)


def _mounts(whole: dict[str, Any]) -> Iterator[Mistake]:
    mounts = whole["file_mounts"]
    if not any(remote.endswith("auth_token") for remote in mounts):
        yield Mistake("file_mounts", sorted(mounts), "a token among them, as ~/.ray/auth_token")
    for remote, local in mounts.items():
        if (Path(local).expanduser() / "pyproject.toml").exists():
            yield Mistake(f"file_mounts.{remote}", local, "folders of code: Ray reads every file below a mount")


def _starts(whole: dict[str, Any], kind: str) -> Iterator[Mistake]:
    """Every process of Ray is told to use the token: a worker or client that is not told does not."""
    for name in STARTS:
        for place, command in enumerate(whole[name]):
            if START.search(command) and TOKEN not in command:
                yield Mistake(f"{name}.{place}", command, f"a command with {TOKEN}")
            if START.search(command) and kind == "local" and name == STARTS[0] and OLDER_AUTOSCALER not in command:
                told = f"a command with {OLDER_AUTOSCALER}: the newer autoscaler leaves out one of the workers"
                yield Mistake(f"{name}.{place}", command, told)


def _setups(whole: dict[str, Any]) -> Iterator[Mistake]:
    for path, command in strings({name: whole[name] for name in SETUPS}):
        if PIP.search(command) and not BY_CONSTRAINTS.search(command):
            yield Mistake(path, command, "pip install -c constraints.txt ..., or make -C ~/mi-ray setup")
    if not any(map(BY_CONSTRAINTS.search, whole["setup_commands"])):
        yield Mistake(
            "setup_commands", whole["setup_commands"], "one that installs by constraints.txt: make -C ~/mi-ray setup"
        )
