"""What a cloud refuses although Ray's schema lets it pass: names, zones, machine types, GPUs. Needs no network.

Sources: Compute Engine's naming convention, its machine families and its GPU machine types; EC2's identifiers and
botocore's list of regions; the keys that Ray's node providers read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import botocore.session

from deploy.mistakes import TO_FILL_IN, Mistake, joined, nearest

ANY_PROVIDER = (
    "type", "disable_node_updaters", "disable_launch_config_check", "foreground_node_launch", "worker_liveness_check",
    "worker_rpc_drain", "use_internal_ips",
)  # fmt: skip
PROVIDER_KEYS = {
    "aws": ("region", "availability_zone", "cache_stopped_nodes", "security_group", "cloudwatch", "key_pair",
            "aws_credentials", "use_external_head_ip"),
    "gcp": ("region", "availability_zone", "project_id", "gcp_credentials", "cache_stopped_nodes"),
    "local": ("head_ip", "worker_ips", "external_head_ip"),
}  # fmt: skip
"""Keys that Ray's providers read; its schema accepts any other without a word."""

CLUSTER_NAMES = {
    "aws": (r"[A-Za-z0-9][A-Za-z0-9._-]{0,239}", "letters, digits, '.', '_' and '-', at most 240, the first no sign"),
    "gcp": (r"[a-z0-9]([a-z0-9-]{0,33}[a-z0-9])?", "small letters, digits and '-', at most 35, the last no '-'"),
    "local": (r"[A-Za-z0-9][A-Za-z0-9._-]{0,240}", "letters, digits, '.', '_' and '-', at most 241, the first no sign"),
}
"""Ray calls EC2's security group ray-autoscaler-NAME, of at most 255 characters; Google's instances
ray-NAME-worker-12345678-compute, of at most 63; the file of a local cluster cluster-NAME.state, of at most 255."""

NODE_TYPES = {
    "aws": (r"[A-Za-z0-9][\w.:/=+@-]{0,126}", "letters, digits and ._:/=+@-, at most 127"),
    "gcp": (r"[a-z0-9][a-z0-9_-]{0,62}", "small letters, digits, '_' and '-', at most 63: it becomes a label"),
}
PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
AWS_IDS = {"ImageId": "ami", "SecurityGroupIds": "sg", "SubnetIds": "subnet", "SubnetId": "subnet"}
GCP_REGION = r"[a-z]+-[a-z]+\d{1,2}"

TWO = "2 4 8 16 32"
GCP_MACHINES = {
    "n1": {"standard": f"1 {TWO} 64 96", "highmem": f"{TWO} 64 96", "highcpu": f"{TWO} 64 96",
           "megamem": "96", "ultramem": "40 80 160"},
    "n2": {"standard": f"{TWO} 48 64 80 96 128", "highmem": f"{TWO} 48 64 80 96 128", "highcpu": f"{TWO} 48 64 80 96"},
    "n2d": {
        "standard": f"{TWO} 48 64 80 96 128 224", "highmem": f"{TWO} 48 64 80 96",
        "highcpu": f"{TWO} 48 64 80 96 128 224",
    },
    "n4": {"standard": f"{TWO} 48 64 80", "highmem": f"{TWO} 48 64 80", "highcpu": f"{TWO} 48 64 80"},
    "e2": {"standard": TWO, "highmem": "2 4 8 16", "highcpu": TWO},
    "c2": {"standard": "4 8 16 30 60"},
    "c2d": {"standard": f"{TWO} 56 112", "highmem": f"{TWO} 56 112", "highcpu": f"{TWO} 56 112"},
    "t2d": {"standard": f"1 {TWO} 48 60"},
    "t2a": {"standard": f"1 {TWO} 48"},
    "g2": {"standard": "4 8 12 16 24 32 48 96"},
    "a2": {"highgpu": "1g 2g 4g 8g", "megagpu": "16g", "ultragpu": "1g 2g 4g 8g"},
    "a3": {"highgpu": "1g 2g 4g 8g", "megagpu": "8g", "ultragpu": "8g", "edgegpu": "8g"},
    "a4": {"highgpu": "8g"},
}  # fmt: skip
"""Sizes of machine types by series and class, for the series that do not grow any more."""

MACHINE = re.compile(
    r"([a-z]\d[a-z]{0,2})-([a-z]+)-(\d+[gt]?)((?:-[a-z]+)*)|[a-z]+\d[a-z]*-[a-z]+-\d+t|(f1|e2)-micro|g1-small|e2-(small|medium)"
)
CUSTOM = re.compile(r"(([a-z]\d[a-z]{0,2})-)?custom-(micro|small|medium|\d+)-\d+(-ext)?")
WITH_GPU = {"gcp": re.compile(r"(a\d|g[2-9])[a-z]*-"), "aws": re.compile(r"(g|gr|p)\d")}


def in_cloud(config: Mapping[str, Any], kind: str) -> Iterator[Mistake]:
    """Mistakes in the names and the places of a cluster file of `ray up`."""
    provider = config["provider"]
    known = (*ANY_PROVIDER, *PROVIDER_KEYS[kind])
    for key in sorted(provider.keys() - set(known)):
        yield Mistake(f"provider.{key}", provider[key], f"one of {nearest(str(key), known)} in its place")
    yield from named("cluster_name", config.get("cluster_name"), *CLUSTER_NAMES[kind])
    if kind == "local":
        return
    yield from _places(provider, kind)
    types = config.get("available_node_types")
    for name, node in types.items() if isinstance(types, dict) else ():
        yield from named("available_node_types", name, *NODE_TYPES[kind])
        if isinstance(node, dict) and isinstance(node.get("node_config"), dict):
            yield from (_aws if kind == "aws" else _gcp)(
                node["node_config"], f"available_node_types.{name}.node_config"
            )
            yield from _gpus(node, kind, f"available_node_types.{name}")


def named(path: str, value: object, pattern: str, allowed: str) -> Iterator[Mistake]:
    """A mistake unless a text fits the pattern as a whole; none if it is yet to be filled in."""
    if isinstance(value, str) and TO_FILL_IN not in value and not re.fullmatch(pattern, value):
        yield Mistake(path, value, allowed)


@lru_cache(maxsize=1)
def aws_regions() -> tuple[str, ...]:
    """All regions of EC2 in botocore's model."""
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    return tuple(region for part in partitions for region in session.get_available_regions("ec2", part))


def _places(provider: Mapping[str, Any], kind: str) -> Iterator[Mistake]:
    """A region that does not exist, and zones that are not of the region."""
    region, zones = provider.get("region"), provider.get("availability_zone")
    if not isinstance(region, str):
        yield Mistake("provider.region", region, "a region: it is required")
        return
    if TO_FILL_IN in region:
        return
    if kind == "aws" and region not in aws_regions():
        yield Mistake("provider.region", region, f"a region of EC2, such as {nearest(region, aws_regions())}")
        return
    if kind == "gcp" and not re.fullmatch(GCP_REGION, region):
        yield Mistake("provider.region", region, "a region of Compute Engine, such as us-west1")
        return
    letter = (
        rf"{re.escape(region)}([a-z]|-[a-z0-9-]+[a-z0-9])" if kind == "aws" else rf"{re.escape(region)}-(ai\d+)?[a-z]"
    )
    listed = zones.split(",") if isinstance(zones, str) and kind == "aws" else [zones]
    for zone in listed if zones is not None or kind == "gcp" else ():
        if not isinstance(zone, str) or not (TO_FILL_IN in zone or re.fullmatch(letter, zone.strip())):
            example = f"{region}{'' if kind == 'aws' else '-'}a"
            yield Mistake("provider.availability_zone", zone, f"a zone of {region}, such as {example}")
    if kind == "gcp":
        yield from named("provider.project_id", provider.get("project_id"), PROJECT,
                         "the id of a project: 6 to 30 small letters, digits and '-', a letter first")  # fmt: skip


def _aws(node: Mapping[str, Any], where: str) -> Iterator[Mistake]:
    """Identifiers of another form than EC2's."""
    for field, prefix in AWS_IDS.items():
        value = node.get(field)
        for place, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
            path = joined(where, field) if place is None else f"{where}.{field}.{place}"
            yield from named(
                path, one, rf"{prefix}-[0-9a-f]{{8,17}}|resolve:ssm:.+", f"an id such as {prefix}-0123456789abcdef0"
            )


def _gcp(node: Mapping[str, Any], where: str) -> Iterator[Mistake]:
    """A machine type that does not exist, GPUs where none are added, and a machine that Google cannot move."""
    machine = node.get("machineType")
    if not isinstance(machine, str) or TO_FILL_IN in machine:
        return
    name = machine.rsplit("/", 1)[-1]
    yield from _machine(name, machine, f"{where}.machineType")
    accelerators = node.get("guestAccelerators") or []
    has_own = bool(WITH_GPU["gcp"].match(name))
    if accelerators and not has_own and not name.startswith(("n1-", "custom-")):
        yield Mistake(f"{where}.guestAccelerators", accelerators, f"none for {name}: GPUs are added to n1 alone")
    yield from _moved(node.get("scheduling", {}), bool(accelerators) or has_own, f"{where}.scheduling")


def _moved(scheduling: Mapping[str, Any], has_gpus: bool, where: str) -> Iterator[Mistake]:
    """A machine that Google would have to move, and cannot: on the spot market, where it never does, or with GPUs."""
    spot = scheduling.get("preemptible") is True or scheduling.get("provisioningModel") == "SPOT"
    on_maintenance = scheduling.get("onHostMaintenance", "TERMINATE" if spot else None)
    if (has_gpus or spot) and on_maintenance != "TERMINATE":
        kind = "on the spot market" if spot else "with GPUs"
        yield Mistake(f"{where}.onHostMaintenance", on_maintenance, f"TERMINATE: Google cannot move a machine {kind}")


def _machine(name: str, written: str, path: str) -> Iterator[Mistake]:
    """A machine type of no known form or, of a series that is known, of no known size."""
    whole, example = MACHINE.fullmatch(name), "n2-standard-4, g2-standard-4 or n2-custom-4-16384"
    if not whole and not CUSTOM.fullmatch(name):
        yield Mistake(path, written, f"a machine type of Compute Engine, such as {example}")
    elif whole and whole[1] in GCP_MACHINES:
        classes = {f"{whole[1]}-{kind}-{n}" for kind, sizes in GCP_MACHINES[whole[1]].items() for n in sizes.split()}
        if f"{whole[1]}-{whole[2]}-{whole[3]}" not in classes:
            yield Mistake(path, written, f"a machine type that exists, such as {nearest(name, classes)}")


def _gpus(node: Mapping[str, Any], kind: str, where: str) -> Iterator[Mistake]:
    """GPUs declared for a machine without any."""
    declared, own = (node.get("resources") or {}).get("GPU", 0), node["node_config"]
    machine = own.get("machineType" if kind == "gcp" else "InstanceType")
    if not declared or not isinstance(machine, str) or TO_FILL_IN in machine or own.get("guestAccelerators"):
        return
    if not WITH_GPU[kind].match(machine.rsplit("/", 1)[-1]):
        yield Mistake(f"{where}.resources.GPU", declared, f"0 for {machine}, which has no GPU")
