"""Schemas of ``node_config``, which Ray passes to the cloud without a check."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import Shape

from deploy.schemas import ANY, FLAG, TEXT, WHOLE, WORDS, mapping, several

PLAIN = {"string": TEXT, "integer": WHOLE, "long": WHOLE, "boolean": FLAG, "float": {"type": "number"}}


@lru_cache(maxsize=1)
def aws() -> dict[str, Any]:
    """Parameters of EC2's RunInstances, from botocore's model of it, and Ray's SubnetIds."""
    model = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    schema = _schema(model)
    schema["properties"]["SubnetIds"] = several(TEXT)
    return schema | {"required": ["InstanceType"]}


def _schema(shape: Shape) -> dict[str, Any]:
    match shape.type_name:
        case "structure":
            fields = {name: _schema(member) for name, member in shape.members.items()}
            return mapping(*shape.required_members, **fields)
        case "list":
            return several(_schema(shape.member))
        case "string" if shape.enum:
            return {"enum": list(shape.enum)}
        case _:
            return PLAIN.get(shape.type_name, ANY)


SCHEDULING = mapping(
    preemptible=FLAG, provisioningModel={"enum": ["STANDARD", "SPOT", "FLEX_START", "RESERVATION_BOUND"]},
    onHostMaintenance={"enum": ["MIGRATE", "TERMINATE"]}, automaticRestart=FLAG,
    instanceTerminationAction={"enum": ["DELETE", "STOP"]}, maxRunDuration=ANY, nodeAffinities=several(ANY),
)  # fmt: skip
NUMBER = {"type": ["integer", "string"]}
DISK = mapping(
    boot=FLAG, autoDelete=FLAG, deviceName=TEXT, source=TEXT, diskSizeGb=NUMBER,
    mode={"enum": ["READ_WRITE", "READ_ONLY"]}, type={"enum": ["PERSISTENT", "SCRATCH"]},
    interface={"enum": ["SCSI", "NVME"]}, initializeParams=mapping(
        diskName=TEXT, diskSizeGb=NUMBER, diskType=TEXT, sourceImage=TEXT, sourceSnapshot=TEXT, labels=WORDS,
        provisionedIops=NUMBER, provisionedThroughput=NUMBER,
    ),
)  # fmt: skip
GCP = mapping(
    "machineType",
    machineType=TEXT, sourceInstanceTemplate=TEXT, disks=several(DISK), minCpuPlatform=TEXT, labels=WORDS,
    scheduling=SCHEDULING,
    guestAccelerators=several(mapping("acceleratorType", "acceleratorCount", acceleratorType=TEXT,
                                      acceleratorCount=WHOLE)),
    networkInterfaces=several(mapping(
        network=TEXT, subnetwork=TEXT, networkIP=TEXT, nicType={"enum": ["VIRTIO_NET", "GVNIC"]},
        accessConfigs=several(ANY), aliasIpRanges=several(ANY), kind=TEXT, stackType=TEXT,
    )),
    serviceAccounts=several(mapping(email=TEXT, scopes=several(TEXT))),
    metadata=mapping(items=several(mapping("key", key=TEXT, value=TEXT))), tags=mapping(items=several(TEXT)),
    shieldedInstanceConfig=mapping(enableSecureBoot=FLAG, enableVtpm=FLAG, enableIntegrityMonitoring=FLAG),
    description=TEXT, canIpForward=FLAG, deletionProtection=FLAG, reservationAffinity=ANY,
    resourcePolicies=several(TEXT),
)  # fmt: skip
"""Fields of Compute Engine's instances.insert that a node may need."""
