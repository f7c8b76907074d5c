"""Check KubeRay manifests: fields that Kubernetes would silently drop, and ports open to more than the cluster.

The schemas hold only those fields of KubeRay 1.7 and of a pod that a study may need. To use another field, add it here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.mistakes import TO_FILL_IN, Mistake, growth, joined, overstated, standing_open, strings
from deploy.schemas import ANY, FLAG, TEXT, WHOLE, WORDS, against, mapping, several

QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
RESOURCES = mapping("limits", limits=QUANTITIES, requests=QUANTITIES)
CONTAINER = mapping(
    "name", "image", "resources",
    name=TEXT, image=TEXT, imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    command=several(TEXT), args=several(TEXT), workingDir=TEXT, resources=RESOURCES,
    env=several(mapping("name", name=TEXT, value=TEXT, valueFrom=ANY)), envFrom=several(ANY),
    ports=several(mapping("containerPort", containerPort=WHOLE, name=TEXT, protocol=TEXT)),
    volumeMounts=several(mapping("name", "mountPath", name=TEXT, mountPath=TEXT, subPath=TEXT, readOnly=FLAG)),
    lifecycle=ANY, livenessProbe=ANY, readinessProbe=ANY, startupProbe=ANY, securityContext=ANY,
)  # fmt: skip
POD = mapping(
    "containers",
    containers=several(CONTAINER, 1), initContainers=several(CONTAINER), volumes=several(ANY), affinity=ANY,
    nodeSelector=WORDS, tolerations=several(ANY), serviceAccountName=TEXT, automountServiceAccountToken=FLAG,
    imagePullSecrets=several(ANY), priorityClassName=TEXT, restartPolicy=TEXT, securityContext=ANY,
    terminationGracePeriodSeconds=WHOLE,
)  # fmt: skip
METADATA = mapping(name=TEXT, namespace=TEXT, labels=WORDS, annotations=WORDS)
TEMPLATE = mapping("spec", metadata=METADATA, spec=POD)
HEAD = mapping(
    "rayStartParams", "template",
    rayStartParams=WORDS, template=TEMPLATE, serviceType=TEXT, labels=WORDS, resources=QUANTITIES,
)  # fmt: skip
WORKERS = mapping(
    "groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template",
    groupName=TEXT, replicas=WHOLE, minReplicas=WHOLE, maxReplicas=WHOLE, numOfHosts=WHOLE, idleTimeoutSeconds=WHOLE,
    priority=WHOLE, rayStartParams=WORDS, template=TEMPLATE, labels=WORDS, resources=QUANTITIES,
)  # fmt: skip
CLUSTER = mapping(
    "authOptions", "rayVersion", "headGroupSpec", "workerGroupSpecs",
    authOptions=mapping("mode", mode={"enum": ["token"]}, secretName=TEXT),
    rayVersion=TEXT, enableInTreeAutoscaling=FLAG,
    autoscalerOptions=mapping(
        version={"enum": ["v1", "v2"]}, upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        idleTimeoutSeconds=WHOLE, resources=RESOURCES,
    ),
    headGroupSpec=HEAD, workerGroupSpecs=several(WORKERS, 1),
)  # fmt: skip
JOB = mapping(
    "entrypoint", "rayClusterSpec",
    entrypoint=TEXT, entrypointNumCpus={"type": "number"}, entrypointNumGpus={"type": "number"},
    entrypointResources=TEXT, runtimeEnvYAML=TEXT, rayClusterSpec=CLUSTER, backoffLimit=WHOLE, suspend=FLAG,
    activeDeadlineSeconds=WHOLE, shutdownAfterJobFinishes=FLAG, ttlSecondsAfterFinished=WHOLE,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]},
    submitterPodTemplate=TEMPLATE,
)  # fmt: skip
CLAIM = mapping(
    "accessModes", "resources",
    accessModes=several({"enum": ["ReadWriteMany", "ReadWriteOnce"]}, 1),
    resources=mapping("requests", requests=QUANTITIES), storageClassName=TEXT, volumeName=TEXT, volumeMode=TEXT,
)  # fmt: skip
POLICY = mapping(
    "podSelector", "policyTypes",
    podSelector=ANY, policyTypes=several(TEXT, 1), ingress=several(ANY), egress=several(ANY),
)  # fmt: skip
KINDS = {
    "RayCluster": ("ray.io/v1", CLUSTER),
    "RayJob": ("ray.io/v1", JOB),
    "PersistentVolumeClaim": ("v1", CLAIM),
    "NetworkPolicy": ("networking.k8s.io/v1", POLICY),
}
SPOT = {"cloud.google.com/gke-spot", "eks.amazonaws.com/capacityType", "karpenter.sh/capacity-type"}
"""Labels of nodes whose value may be ``spot``."""

SERVICE = (r"[a-z]([a-z0-9-]*[a-z0-9])?", "small letters, digits and '-', a letter first and no '-' last")
LABEL = (r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "small letters, digits and '-', no '-' first or last")
SUBDOMAIN = (rf"{LABEL[0]}(\.{LABEL[0]})*", "small letters, digits, '-' and '.', between dots no '-' first or last")
"""RFC 1035's and RFC 1123's labels, and RFC 1123's subdomain: a pattern, and the pattern in words."""

NAMES = {
    "RayCluster": (*SERVICE, 53), "RayJob": (*SERVICE, 47),
    "PersistentVolumeClaim": (*SUBDOMAIN, 253), "NetworkPolicy": (*SUBDOMAIN, 253),
}  # fmt: skip
"""Names of each kind, and characters of the longest: KubeRay appends to those of clusters and jobs, and makes services
of them."""

PARTS = re.compile(r"\.groupName$|([cC]ontainers|\.volumes)\.\d+\.name$")
"""Ends of the paths of names that are labels: of groups, containers and volumes."""

PINNED = re.compile(r"@sha256:|:(?!latest$)[\w.-]+$")
"""End of an image's name: a digest, or a tag other than ``latest``."""


def manifest(document: dict[str, Any], constraints: Path) -> Iterator[Mistake]:
    """All mistakes in one document of a manifest."""
    if document.get("kind") not in KINDS:
        yield Mistake("kind", document.get("kind"), ", ".join(KINDS))
        return
    version, spec = KINDS[document["kind"]]
    whole = mapping("apiVersion", "kind", "metadata", "spec", apiVersion={"enum": [version]}, kind=TEXT,
                    metadata=METADATA, spec=spec)  # fmt: skip
    wrong = list(against(document, whole))
    yield from wrong
    if wrong:
        return
    yield from _names(document)
    yield from standing_open(document)
    if document["kind"].startswith("Ray"):
        where = "spec.rayClusterSpec" if document["kind"] == "RayJob" else "spec"
        yield from _cluster(document["spec"].get("rayClusterSpec", document["spec"]), where, constraints)


def _cluster(spec: dict[str, Any], where: str, constraints: Path) -> Iterator[Mistake]:
    """Mistakes in the spec of a RayCluster: Ray's version, declared growth, a head on spot, images without a tag."""
    (pinned,) = re.findall(r"^ray==(\S+)$", constraints.read_text(), re.MULTILINE)
    if spec["rayVersion"] != pinned:
        yield Mistake(f"{where}.rayVersion", spec["rayVersion"], f"{pinned}, as {constraints.name} pins it")
    yield from _growth(spec, where)
    selected = spec["headGroupSpec"]["template"]["spec"].get("nodeSelector", {})
    for label in sorted(SPOT & selected.keys()):
        if selected[label].lower() in ("spot", "true"):
            path = f"{where}.headGroupSpec.template.spec.nodeSelector.{label}"
            yield Mistake(path, selected[label], "no spot node for the head: the driver lives there")
    for path, value in strings(spec, where):
        if path.endswith(".image") and not PINNED.search(value):
            yield Mistake(path, value, "an image with a tag other than latest")


def _names(document: dict[str, Any]) -> Iterator[Mistake]:
    """Names that Kubernetes or KubeRay refuses, and mounts of volumes that are not there."""
    if "name" not in document["metadata"]:
        yield Mistake("metadata.name", None, "a name: it is required")
    for path, value in strings(document):
        if path == "metadata.name":
            yield from _name(path, value, *NAMES[document["kind"]])
        elif PARTS.search(path):
            yield from _name(path, value, *LABEL, 63)
    yield from _mounts(document, "")


def _name(path: str, name: str, pattern: str, words: str, most: int) -> Iterator[Mistake]:
    if TO_FILL_IN not in name and (len(name) > most or not re.fullmatch(pattern, name)):
        yield Mistake(path, name, f"{words}, at most {most} characters")


def _mounts(value: Any, path: str) -> Iterator[Mistake]:
    """Volume mounts, at any depth, of volumes that their pod does not have."""
    if isinstance(value, list):
        for place, below in enumerate(value):
            yield from _mounts(below, joined(path, place))
    if not isinstance(value, dict):
        return
    if "containers" in value:
        volumes = [str(volume.get("name")) for volume in value.get("volumes", ()) if isinstance(volume, dict)]
        for kind in ("initContainers", "containers"):
            for place, container in enumerate(value.get(kind, ())):
                for i, mount in enumerate(container.get("volumeMounts", ())):
                    if mount["name"] not in volumes:
                        where = f"{path}.{kind}.{place}.volumeMounts.{i}.name"
                        yield Mistake(
                            where, mount["name"], f"a volume of its pod: {', '.join(volumes) or 'it has none'}"
                        )
    for name, below in value.items():
        yield from _mounts(below, joined(path, name))


def _growth(spec: dict[str, Any], where: str) -> Iterator[Mistake]:
    """Where the head declares another size to grow to than the sizes of the worker groups add up to."""
    workers = [(group["maxReplicas"], pod_resources(group)) for group in spec["workerGroupSpecs"]]
    path = f"{where}.headGroupSpec.rayStartParams.resources"
    text = spec["headGroupSpec"]["rayStartParams"].get("resources", '"{}"')
    try:
        declared = dict(json.loads(json.loads(text)).items())
    except (ValueError, TypeError, AttributeError):
        yield Mistake(path, text, 'JSON within a string of JSON, for the shell: \'"{\\"driver\\": 1}"\'')
        return
    yield from overstated(declared, growth(workers, sum(size for size, _ in workers)), path)


def pod_resources(group: dict[str, Any]) -> dict[str, int]:
    """CPU cores and GPUs of one pod of a group; an amount that is no whole number counts as 0."""
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    amounts = {name: str(limits.get(key, 0)) for name, key in (("CPU", "cpu"), ("GPU", "nvidia.com/gpu"))}
    return {name: int(amount) if amount.isdecimal() else 0 for name, amount in amounts.items()}
