"""Every shipped cluster file passes its checks; each kind of mistake is refused with path, value and remedy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.check import main, mistakes, to_fill_in

ROOT = Path(__file__).parents[2]
LAUNCHED = ("cluster.yaml", "deploy/gcp.yaml", "deploy/onprem.yaml")
KUBERNETES = ("deploy/raycluster.yaml", "deploy/rayjob.yaml", "deploy/shared.yaml")
HEAD_NODE = "available_node_types.head.node_config"
HEAD_HAS = "available_node_types.head.resources"
HEAD_STARTS = "spec.headGroupSpec.rayStartParams"
HEAD_POD = "spec.headGroupSpec.template.spec"


def read(file: str) -> Any:
    """The document with anchors resolved."""
    return json.loads(json.dumps(yaml.safe_load((ROOT / file).read_text())))


def refused(tmp_path: Path, file: str, spoil: Callable[[Any], object]) -> list[str]:
    """The mistakes found in a shipped file after ``spoil`` has changed it."""
    document = read(file)
    spoil(document)
    spoilt = tmp_path / "spoilt.yaml"
    spoilt.write_text(yaml.safe_dump(document))
    return [str(wrong) for wrong in mistakes(spoilt)]


def at(path: str, value: object) -> Callable[[Any], None]:
    """A function that sets ``value`` at a dotted path."""

    def put(document: Any) -> None:
        *above, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in above:
            document = document[step]
        document[last] = value

    return put


@pytest.mark.parametrize("file", [*LAUNCHED, *KUBERNETES])
def test_every_shipped_file_passes(file: str):
    assert mistakes(ROOT / file) == []


def test_every_cluster_file_of_the_repository_is_checked():
    assert {"cluster.yaml", *(f"deploy/{path.name}" for path in (ROOT / "deploy").glob("*.yaml"))} == {
        *LAUNCHED,
        *KUBERNETES,
    }


def test_the_command_names_what_is_left_to_fill_in():
    command = [sys.executable, "deploy/check.py", "cluster.yaml", "deploy/onprem.yaml"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"cluster.yaml: ok; to fill in: {HEAD_NODE}.ImageId" in ran.stdout
    assert "deploy/onprem.yaml: ok; to fill in: provider.head_ip" in ran.stdout


def test_paths_in_a_file_of_several_documents_name_theirs():
    assert to_fill_in(ROOT / "deploy" / "shared.yaml") == ["PersistentVolumeClaim/mi-ray.spec.storageClassName"]


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("cluster.yaml", "max_worker", 8, "max_worker: 8 is not allowed; allowed: one of max_workers"),
        ("cluster.yaml", "available_node_types.gpu.resources", {"GPU": 0.5},
         "available_node_types.gpu.resources.GPU: 0.5 is not allowed; allowed: of type integer"),
        ("cluster.yaml", "head_node_type", "had", "head_node_type: 'had' is not allowed; allowed: what Ray accepts"),
        ("cluster.yaml", "max_workers", "eight", "max_workers: 'eight' is not allowed; allowed: of type integer"),
        ("cluster.yaml", "provider.type", "azur", "provider.type: 'azur' is not allowed; allowed: aws, gcp, local"),
        ("deploy/onprem.yaml", "provider", {"type": "local", "head_ip": "10.0.0.1"},
         "provider.worker_ips: None is not allowed; allowed: addresses of machines"),
        ("deploy/onprem.yaml", "available_node_types", {"gpu": {}},
         "available_node_types: ['gpu'] is not allowed; allowed: nothing"),
    ],
)  # fmt: skip
def test_what_ray_refuses_is_refused(tmp_path: Path, file: str, path: str, value: object, message: str):
    assert any(line.startswith(message) for line in refused(tmp_path, file, at(path, value)))


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("cluster.yaml", "available_node_types.gpu.node_config.InstanceMarketOptions", {"MarketTyp": "spot"},
         "available_node_types.gpu.node_config.InstanceMarketOptions.MarketTyp: 'spot' is not allowed; "
         "allowed: one of MarketType, SpotOptions in its place"),
        ("cluster.yaml", f"{HEAD_NODE}.InstanceTyp", "m7i.xlarge",
         f"{HEAD_NODE}.InstanceTyp: 'm7i.xlarge' is not allowed; allowed: one of InstanceType, "),
        ("cluster.yaml", f"{HEAD_NODE}.InstanceType", "m7i.xlrge",
         f"{HEAD_NODE}.InstanceType: 'm7i.xlrge' is not allowed; allowed: m7i.xlarge, "),
        ("cluster.yaml", f"{HEAD_NODE}.BlockDeviceMappings.0.Ebs.VolumeSize", "big",
         f"{HEAD_NODE}.BlockDeviceMappings.0.Ebs.VolumeSize: 'big' is not allowed; allowed: of type integer"),
        ("cluster.yaml", HEAD_NODE, {}, f"{HEAD_NODE}.InstanceType: None is not allowed; allowed: a value"),
        ("cluster.yaml", f"{HEAD_NODE}.InstanceMarketOptions", {"MarketType": "spot"},
         f"{HEAD_NODE}.InstanceMarketOptions.MarketType: 'spot' is not allowed; allowed: no spot node for the head"),
        ("deploy/gcp.yaml", "available_node_types.gpu.node_config.scheduling", {"provisioningModl": "SPOT"},
         "available_node_types.gpu.node_config.scheduling.provisioningModl: 'SPOT' is not allowed; allowed: one of "),
        ("deploy/gcp.yaml", f"{HEAD_NODE}.disks.0.initializeParams.diskTyp", "pd-ssd",
         f"{HEAD_NODE}.disks.0.initializeParams.diskTyp: 'pd-ssd' is not allowed; allowed: one of "),
        ("deploy/gcp.yaml", f"{HEAD_NODE}.scheduling", {"preemptible": True},
         f"{HEAD_NODE}.scheduling.preemptible: True is not allowed; allowed: no spot node for the head"),
        ("deploy/gcp.yaml", "provider.project_id", None,
         "provider.project_id: None is not allowed; allowed: the id of a project"),
    ],
)  # fmt: skip
def test_what_ray_lets_pass_inside_a_node_is_refused(tmp_path: Path, file: str, path: str, value: object, message: str):
    (line,) = refused(tmp_path, file, at(path, value))
    assert line.startswith(message)


@pytest.mark.parametrize("file", LAUNCHED)
@pytest.mark.parametrize("start", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_a_start_of_ray_without_the_token_is_refused(tmp_path: Path, file: str, start: str):
    def forget(document: dict) -> None:
        document[start][1] = document[start][1].replace("RAY_AUTH_MODE=token", "")

    (line,) = refused(tmp_path, file, forget)
    assert line.startswith(f"{start}.1: ") and line.endswith("allowed: a command with RAY_AUTH_MODE=token")


@pytest.mark.parametrize("file", ["cluster.yaml", "deploy/gcp.yaml"])
def test_start_commands_left_to_ray_are_refused_as_without_token_and_open(tmp_path: Path, file: str):
    lines = refused(tmp_path, file, lambda document: document.pop("head_start_ray_commands"))
    assert any(line.endswith("RAY_AUTH_MODE=token") for line in lines)
    assert any("--dashboard-host=0.0.0.0" in line and "127.0.0.1" in line.rpartition("allowed:")[2] for line in lines)


@pytest.mark.parametrize("file", LAUNCHED)
def test_a_cluster_file_without_the_token_among_its_mounts_is_refused(tmp_path: Path, file: str):
    (line,) = refused(tmp_path, file, lambda document: document["file_mounts"].pop("~/.ray/auth_token"))
    assert line.startswith("file_mounts: [") and line.endswith("allowed: a token among them, as ~/.ray/auth_token")


def test_mounting_the_whole_checkout_is_refused(tmp_path: Path):
    (line,) = refused(tmp_path, "cluster.yaml", at("file_mounts.~/everything", str(ROOT)))
    assert line.startswith(f"file_mounts.~/everything: '{ROOT}' is not allowed; allowed: folders of code")


def test_the_autoscaler_that_leaves_out_a_local_worker_is_refused(tmp_path: Path):
    def forget(document: dict) -> None:
        start = document["head_start_ray_commands"]
        start[1] = start[1].replace("RAY_enable_autoscaler_v2=0", "")

    (line,) = refused(tmp_path, "deploy/onprem.yaml", forget)
    assert "allowed: a command with RAY_enable_autoscaler_v2=0" in line


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("head_start_ray_commands.2", "mlflow server --host 0.0.0.0", "head_start_ray_commands.2: 'mlflow server"),
        ("head_start_ray_commands.2", "mlflow server --host 10.1.2.3", "head_start_ray_commands.2: '10.1.2.3' is not"),
        ("head_start_ray_commands.1", "RAY_AUTH_MODE=token ray start --head --dashboard-host=10.1.2.3",
         "head_start_ray_commands.1: '10.1.2.3' is not allowed; allowed: one of 127.0.0.1"),
        ("provider.security_group",
         {"GroupName": "g", "IpPermissions": [{"FromPort": 8265, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]},
         "provider.security_group.IpPermissions.0.IpRanges.0.CidrIp: '0.0.0.0/0' is not allowed"),
    ],
)  # fmt: skip
def test_what_stands_open_is_refused(tmp_path: Path, path: str, value: object, message: str):
    (line,) = refused(tmp_path, "cluster.yaml", at(path, value))
    assert line.startswith(message) and "127.0.0.1" in line.rpartition("allowed:")[2]


@pytest.mark.parametrize("file", LAUNCHED)
def test_an_installation_without_constraints_is_refused(tmp_path: Path, file: str):
    lines = refused(tmp_path, file, at("setup_commands", ["pip install -U ray torch"]))
    assert lines[0].startswith("setup_commands.0: 'pip install -U ray torch' is not allowed; allowed: pip install -c ")
    assert lines[1].startswith("setup_commands: [")
    assert refused(tmp_path, file, at("setup_commands", ["pip install -c constraints.txt -e ."])) == []


def test_installations_that_ray_adds_of_its_own_are_refused(tmp_path: Path):
    (line,) = refused(tmp_path, "cluster.yaml", lambda document: document.pop("head_setup_commands"))
    assert line.startswith("head_setup_commands.0: \"pip install 'boto3")


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("deploy/raycluster.yaml", "spec.headGroupSpecs", {},
         "spec.headGroupSpecs: {} is not allowed; allowed: one of authOptions, "),
        ("deploy/raycluster.yaml", "spec.authOptions.mode", "disabled",
         "spec.authOptions.mode: 'disabled' is not allowed; allowed: token"),
        ("deploy/raycluster.yaml", "spec.rayVersion", "2.9.0", "spec.rayVersion: '2.9.0' is not allowed; allowed: "),
        ("deploy/raycluster.yaml", "spec.workerGroupSpecs.0.maxReplicas", "8",
         "spec.workerGroupSpecs.0.maxReplicas: '8' is not allowed; allowed: of type integer"),
        ("deploy/raycluster.yaml", "spec.workerGroupSpecs.0.template.spec.containers.0.resource", {},
         "spec.workerGroupSpecs.0.template.spec.containers.0.resource: {} is not allowed; allowed: one of resources, "),
        ("deploy/raycluster.yaml", "spec.headGroupSpec.rayStartParams.num-cpus", 0,
         "spec.headGroupSpec.rayStartParams.num-cpus: 0 is not allowed; allowed: of type string"),
        ("deploy/raycluster.yaml", f"{HEAD_POD}.containers.0.image", "registry:5000/mi-ray",
         f"{HEAD_POD}.containers.0.image: 'registry:5000/mi-ray' is not allowed; allowed: an image with a tag"),
        ("deploy/raycluster.yaml", f"{HEAD_POD}.containers.1.args.0", "mlflow server -h 0.0.0.0",
         f"{HEAD_POD}.containers.1.args.0: 'mlflow server -h 0.0.0.0' is not allowed; allowed: 127.0.0.1"),
        ("deploy/raycluster.yaml", f"{HEAD_POD}.nodeSelector", {"cloud.google.com/gke-spot": "true"},
         f"{HEAD_POD}.nodeSelector.cloud.google.com/gke-spot: 'true' is not allowed; allowed: no spot node"),
        ("deploy/rayjob.yaml", "spec.submissionMode", "HttpMode",
         "spec.submissionMode: 'HttpMode' is not allowed; allowed: HTTPMode, "),
        ("deploy/rayjob.yaml", "spec.rayClusterSpec.rayVersion", "2.9.0",
         "spec.rayClusterSpec.rayVersion: '2.9.0' is not allowed"),
        ("deploy/rayjob.yaml", "apiVersion", "ray.io/v2", "apiVersion: 'ray.io/v2' is not allowed; allowed: ray.io/v1"),
        ("deploy/rayjob.yaml", "kind", "RayJobs", "kind: 'RayJobs' is not allowed; allowed: RayCluster, RayJob, "),
    ],
)  # fmt: skip
def test_mistakes_in_a_manifest_are_refused(tmp_path: Path, file: str, path: str, value: object, message: str):
    (line,) = refused(tmp_path, file, at(path, value))
    assert line.startswith(message)


def test_a_manifest_that_says_nothing_of_the_token_is_refused(tmp_path: Path):
    (line,) = refused(tmp_path, "deploy/raycluster.yaml", lambda document: document["spec"].pop("authOptions"))
    assert line == "spec.authOptions: None is not allowed; allowed: a value: it is required"


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("cluster.yaml", "available_node_types.gpu.max_workers", 4,
         f"{HEAD_HAS}.most_GPU: 8 is not allowed; allowed: 4,"),
        ("cluster.yaml", "max_workers", 2, f"{HEAD_HAS}.most_CPU: 32 is not allowed; allowed: 8, which all "),
        ("deploy/gcp.yaml", HEAD_HAS, {"CPU": 0}, f"{HEAD_HAS}.most_GPU: None is not allowed; allowed: 8, "),
        ("deploy/raycluster.yaml", "spec.workerGroupSpecs.0.maxReplicas", 3,
         f"{HEAD_STARTS}.resources.most_GPU: 8 is not allowed; allowed: 3, "),
        ("deploy/raycluster.yaml", f"{HEAD_STARTS}.resources", '{"driver": 1}',
         f"{HEAD_STARTS}.resources: '{{\"driver\": 1}}' is not allowed; allowed: JSON within a string of JSON"),
    ],
)  # fmt: skip
def test_a_head_that_says_otherwise_than_its_groups_how_far_the_cluster_grows_is_refused(
    tmp_path: Path, file: str, path: str, value: object, message: str
):
    assert any(line.startswith(message) for line in refused(tmp_path, file, at(path, value)))


@pytest.mark.parametrize("text", ["- a\n- list\n", "cluster_name: without-provider\n", "a: [\n", "", None])
def test_what_is_no_cluster_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
):
    file = tmp_path / "odd.yaml"
    if text is not None:
        file.write_text(text)
    assert main([str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"{file}: (the file): ")


def test_the_files_start_ray_and_install_alike():
    aws, *others = (read(file) for file in LAUNCHED)
    for other in others:
        assert {**aws["file_mounts"]} == other["file_mounts"]
        assert aws["rsync_exclude"] == other["rsync_exclude"]
        assert aws["worker_start_ray_commands"][:2] == other["worker_start_ray_commands"][:2]
        assert aws["head_start_ray_commands"][2] == other["head_start_ray_commands"][2]


def test_spot_workers_listen_to_the_notices_of_their_own_cloud():
    for file, cloud in (("cluster.yaml", "aws"), ("deploy/gcp.yaml", "gcp")):
        (command,) = [words for words in read(file)["worker_start_ray_commands"] if "spot_notice.sh" in words]
        assert f"deploy/spot_notice.sh {cloud} " in command


def test_mounts_name_what_is_there_and_all_that_the_installation_reads():
    for remote, local in read("cluster.yaml")["file_mounts"].items():
        assert local.startswith("~") or (ROOT / local).exists()
        assert remote in ("~/.ray/auth_token", f"~/mi-ray/{local}")
    mounted = set(read("cluster.yaml")["file_mounts"].values())
    assert {"Makefile", "pyproject.toml", "constraints.txt", "README.md", "mi_ray"} <= mounted


def test_kubernetes_runs_the_image_that_the_constraints_describe():
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    (version,) = re.findall(r"^FROM rayproject/ray:([\d.]+)-", image, re.MULTILINE)
    assert f"ray=={version}" in (ROOT / "constraints.txt").read_text().splitlines()
    assert "-c constraints.txt" in image
    job = read("deploy/rayjob.yaml")["spec"]["rayClusterSpec"]
    assert job == read("deploy/raycluster.yaml")["spec"]
