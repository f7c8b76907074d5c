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

NAMES = {"RayCluster": 53, "RayJob": 47, "PersistentVolumeClaim": 63, "NetworkPolicy": 63}
"""Characters of the longest name of each kind: KubeRay appends to those of clusters and jobs."""

LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
"""Names of containers, of groups and of what becomes a service, of at most 63 characters."""

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
    yield from _names(document)
    yield from standing_open(document)
    if not wrong and document["kind"].startswith("Ray"):
        where = "spec.rayClusterSpec" if document["kind"] == "RayJob" else "spec"
        yield from _cluster(document["spec"].get("rayClusterSpec", document["spec"]), where, constraints)


def _cluster(spec: dict[str, Any], where: str, constraints: Path) -> Iterator[Mistake]:
    """Mistakes in the spec of a RayCluster: Ray's version, declared growth, a head on spot, images without a tag."""
    (pinned,) = re.findall(r"^ray==(\S+)$", constraints.read_text(), re.MULTILINE)
    if spec["rayVersion"] != pinned:
        yield Mistake(f"{where}.rayVersion", spec["rayVersion"], f"{pinned}, as {constraints.name} pins it")
    yield from _growth(spec, where)
    selected = spec["headGroupSpec"]["template"]["spec"].get("nodeSelector", {})
    for label in SPOT & selected.keys():
        if selected[label].lower() in ("spot", "true"):
            path = f"{where}.headGroupSpec.template.spec.nodeSelector.{label}"
            yield Mistake(path, selected[label], "no spot node for the head: the driver lives there")
    for path, value in strings(spec, where):
        if path.endswith(".image") and not PINNED.search(value):
            yield Mistake(path, value, "an image with a tag other than latest")


def _names(document: dict[str, Any]) -> Iterator[Mistake]:
    """Names that Kubernetes or KubeRay refuses, and mounts of volumes that are not there."""
    most, metadata = NAMES[document["kind"]], document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield Mistake("metadata.name", None, "a name: it is required")
    else:
        yield from _label("metadata.name", metadata["name"], most)
    for path, value in strings(document):
        if path.endswith(".groupName") or re.search(r"[cC]ontainers\.\d+\.name$", path):
            yield from _label(path, value, 63)
    yield from _mounts(document, "")


def _label(path: str, name: str, most: int) -> Iterator[Mistake]:
    if TO_FILL_IN not in name and (len(name) > most or not re.fullmatch(LABEL, name)):
        yield Mistake(path, name, f"small letters, digits and '-', at most {most}, a letter first and no '-' last")


def _mounts(value: Any, path: str) -> Iterator[Mistake]:
    """Volume mounts, at any depth, of volumes that their pod does not have."""
    if isinstance(value, list):
        for place, below in enumerate(value):
            yield from _mounts(below, joined(path, place))
    if not isinstance(value, dict):
        return
    if isinstance(containers := value.get("containers"), list):
        volumes = {volume.get("name") for volume in value.get("volumes") or () if isinstance(volume, dict)}
        for place, container in enumerate(containers):
            mounts = container.get("volumeMounts") if isinstance(container, dict) else None
            for i, mount in enumerate(mounts if isinstance(mounts, list) else ()):
                if isinstance(mount, dict) and mount.get("name") not in volumes:
                    where = f"{path}.containers.{place}.volumeMounts.{i}.name"
                    yield Mistake(where, mount.get("name"), f"a volume of its pod: {', '.join(map(str, volumes))}")
    for name, below in value.items():
        yield from _mounts(below, joined(path, name))


def _growth(spec: dict[str, Any], where: str) -> Iterator[Mistake]:
    """Where the head declares another size to grow to than the sizes of the worker groups add up to."""
    workers = [(group["maxReplicas"], pod_resources(group)) for group in spec["workerGroupSpecs"]]
    path = f"{where}.headGroupSpec.rayStartParams.resources"
    text = spec["headGroupSpec"]["rayStartParams"].get("resources", '"{}"')
    try:
        declared = json.loads(json.loads(text))
    except (ValueError, TypeError):
        yield Mistake(path, text, 'JSON within a string of JSON, for the shell: \'"{\\"driver\\": 1}"\'')
        return
    yield from overstated(declared, growth(workers, sum(size for size, _ in workers)), path)


def pod_resources(group: dict[str, Any]) -> dict[str, int]:
    """CPU cores and GPUs of one pod of a group; an amount that is no whole number counts as 0."""
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    amounts = {name: str(limits.get(key, 0)) for name, key in (("CPU", "cpu"), ("GPU", "nvidia.com/gpu"))}
    return {name: int(amount) if amount.isdigit() else 0 for name, amount in amounts.items()}
