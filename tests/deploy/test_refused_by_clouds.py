"""What a cloud, or a machine, would refuse after minutes is refused by the check, in one line for each mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.check import main
from tests.deploy.test_deploy import HEAD_NODE, HEAD_POD, HEAD_STARTS, ROOT, at, refused

GPU_NODE = "available_node_types.gpu.node_config"
AWS, GCP, LOCAL, RAY, JOB = (
    "cluster.yaml", "deploy/gcp.yaml", "deploy/onprem.yaml", "deploy/raycluster.yaml", "deploy/rayjob.yaml"
)  # fmt: skip

INIT = {"name": "0-prepare", "image": "mi-ray:0.1.0", "resources": {"limits": {}}}

REFUSED = [
    (GCP, "cluster_name", "Mi-Ray"), (GCP, "cluster_name", "mi_ray"), (GCP, "cluster_name", "a" * 36),
    (GCP, "cluster_name", "-mi-ray"), (GCP, "cluster_name", "mi-ray-"), (GCP, "cluster_name", ""),
    (GCP, "cluster_name", "mi ray"), (AWS, "cluster_name", "mi ray"), (AWS, "cluster_name", "a/b"),
    (AWS, "cluster_name", "a" * 241), (LOCAL, "cluster_name", "a" * 242),
    (LOCAL, "cluster_name", "../x"), (LOCAL, "cluster_name", "a;b"),
    (GCP, "provider.project_id", "My-Project"), (GCP, "provider.project_id", "p"),
    (AWS, "provider.region", "us-west-9"), (AWS, "provider.region", "us-west-2a"), (AWS, "provider.region", "USWEST2"),
    (AWS, "provider.region", "us-west1"), (GCP, "provider.region", "us-west-2"), (GCP, "provider.region", "us-west1-a"),
    (AWS, "provider.availability_zone", "us-east-1a"), (AWS, "provider.availability_zone", "us-west-2a,us-east-1a"),
    (AWS, "provider.availability_zone", "us-west-2"), (AWS, "provider.availability_zone", "us-west-2A"),
    (AWS, "provider.availability_zone", "us-west-2a, "), (GCP, "provider.availability_zone", "us-east1-b"),
    (GCP, "provider.availability_zone", "us-west1"), (GCP, "provider.availability_zone", "us-west1-a,us-west1-b"),
    (GCP, f"{HEAD_NODE}.machineType", "n2-standard-5"), (GCP, f"{HEAD_NODE}.machineType", "n2-standrd-4"),
    (GCP, f"{HEAD_NODE}.machineType", "m7i.xlarge"), (GCP, f"{HEAD_NODE}.machineType", "huge"),
    (GCP, f"{HEAD_NODE}.machineType", "N2-Standard-4"), (GCP, f"{GPU_NODE}.machineType", "g2-standard-400"),
    (AWS, f"{HEAD_NODE}.InstanceType", "n2-standard-4"), (AWS, f"{HEAD_NODE}.InstanceType", "M7I.xlarge"),
    (AWS, f"{HEAD_NODE}.ImageId", "ubuntu"), (AWS, f"{HEAD_NODE}.SecurityGroupIds.0", "default"),
    (GCP, f"{GPU_NODE}.scheduling.onHostMaintenance", "MIGRATE"), (GCP, f"{HEAD_NODE}.machineType", "n1-ultramem-96"),
    (GCP, "provider.availability_zone", "us-west1-ai1"),
    (AWS, "file_mounts.~/mi-ray/gone", "gone"), (AWS, "file_mounts.~/mi-ray/mi_ray", "mi-ray"),
    (LOCAL, "auth.ssh_private_key", "~/.ssh/no-such-key"), (LOCAL, "auth.ssh_public_key", "no-such-key.pub"),
    (AWS, "auth.ssh_private_key", "no-such-key.pem"),
    (LOCAL, "provider.head_ip", "10.0.0.256"), (LOCAL, "provider.head_ip", "http://10.0.0.1"),
    (LOCAL, "provider.head_ip", "10.0.0.1:22"), (LOCAL, "provider.head_ip", "-oProxyCommand=x"),
    (LOCAL, "auth.ssh_private_key", "~no-such-user/key"), (AWS, "file_mounts.~/mi-ray/a", "~no-such-user/a"),
    (AWS, "provider.regoin", "us-west-2"), (GCP, "provider.availability_zones", "us-west1-a"),
    (GCP, "provider.worker_ips", []), (LOCAL, "provider.worker_ip", ["10.0.0.2"]), (LOCAL, "provider.region", "x"),
    (LOCAL, "provider.headip", "10.0.0.1"), (AWS, "provider.cache_stoped_nodes", True),
    (RAY, "metadata.name", "Mi_Ray"), (RAY, "metadata.name", "a" * 54), (JOB, "metadata.name", "a" * 48),
    (RAY, "spec.workerGroupSpecs.0.groupName", "GPU_1"), (RAY, f"{HEAD_POD}.containers.0.name", "ray_head"),
    (RAY, f"{HEAD_POD}.containers.0.volumeMounts.0.name", "sharde"), (RAY, "metadata.name", "1-mi-ray"),
    (RAY, f"{HEAD_POD}.initContainers", [INIT | {"volumeMounts": [{"name": "sharde", "mountPath": "/mnt"}]}]),
    (RAY, f"{HEAD_POD}.volumes.0.name", "Shared"), (RAY, f"{HEAD_STARTS}.resources", "'5'"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "path", "value"), REFUSED)
def test_one_line_names_the_field_and_the_value(tmp_path: Path, file: str, path: str, value: object):
    lines = refused(tmp_path, file, at(path, value))
    assert any(line.startswith(path.removesuffix(".0")) and "; allowed: " in line for line in lines), lines
    assert not any("\n" in line for line in lines)


PASSED = [
    (GCP, "cluster_name", "a" * 35), (AWS, "cluster_name", "My_Cluster.1"),
    (AWS, "provider.availability_zone", "us-west-2b"), (AWS, "provider.availability_zone", "us-west-2-lax-1a"),
    (GCP, f"{HEAD_NODE}.machineType", "n2-custom-4-16384"), (GCP, f"{HEAD_NODE}.machineType", "e2-medium"),
    (GCP, f"{HEAD_NODE}.machineType", "c4-standard-8-lssd"), (GCP, f"{GPU_NODE}.machineType", "a3-ultragpu-8g"),
    (LOCAL, "auth.ssh_private_key", str(ROOT / "Makefile")), (LOCAL, "provider.worker_ips", ["10.0.0.2", "node-3.lab"]),
    (LOCAL, "provider.worker_ips", ["gpu_1.lab", "_x", "fe80::1%eth0"]), (AWS, "cluster_name", "a" * 240),
    (AWS, "head_start_ray_commands.2", 'mlflow server --host "127.0.0.2"'),
    (AWS, "head_start_ray_commands.2", "mlflow server --host [::1]"),
    (GCP, "provider.availability_zone", "us-west1-ai1a"), (GCP, f"{HEAD_NODE}.machineType", "n1-ultramem-40"),
    (GCP, f"{HEAD_NODE}.machineType", "n1-megamem-96"), (AWS, f"{GPU_NODE}.InstanceType", "gr6.4xlarge"),
    (GCP, f"{GPU_NODE}.scheduling", {"provisioningModel": "SPOT"}),
    (GCP, f"{GPU_NODE}.scheduling", {"preemptible": True}),
    (RAY, "spec.workerGroupSpecs.0.groupName", "4-gpus"), (RAY, f"{HEAD_POD}.containers.0.name", "0-ray"),
    (RAY, f"{HEAD_POD}.initContainers", [INIT | {"volumeMounts": [{"name": "shared", "mountPath": "/mnt"}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "path", "value"), PASSED)
def test_what_the_clouds_accept_passes(tmp_path: Path, file: str, path: str, value: object):
    assert refused(tmp_path, file, at(path, value)) == []


@pytest.mark.parametrize(
    ("head", "workers", "wrong"),
    [
        ("10.0.0.1", ["10.0.0.2", "10.0.0.1"], "provider.worker_ips.1"),
        ("10.0.0.1", ["10.0.0.2", "10.0.0.2"], "provider.worker_ips.1"),
        ("Head.lab", ["head.lab"], "provider.worker_ips.0"),
        ("fe80::1", ["fe80:0::1"], "provider.worker_ips.0"),
        ("127.0.0.1", ["10.0.0.2"], "provider.head_ip"),
        ("10.0.0.1", ["127.0.1.1"], "provider.worker_ips.0"),
        ("10.0.0.1", ["10.0.0.2", "::1"], "provider.worker_ips.1"),
        ("LocalHost.", ["10.0.0.2"], "provider.head_ip"),
        ("10.0.0.1", ["::ffff:127.0.0.1"], "provider.worker_ips.0"),
    ],
)
def test_a_machine_stands_once_in_a_local_cluster(tmp_path: Path, head: str, workers: list[str], wrong: str):
    def spoil(document: dict) -> None:
        document["provider"] |= {"head_ip": head, "worker_ips": workers}

    (line,) = refused(tmp_path, LOCAL, spoil)
    assert line.startswith(f"{wrong}: ")


def test_a_machine_with_gpus_that_google_would_move_is_refused(tmp_path: Path):
    (line,) = refused(
        tmp_path, GCP, lambda document: document["available_node_types"]["gpu"]["node_config"].pop("scheduling")
    )
    assert line.startswith(f"{GPU_NODE}.scheduling.onHostMaintenance: None") and "TERMINATE" in line

    def add(document: dict) -> None:
        node = document["available_node_types"]["gpu"]["node_config"]
        node |= {"machineType": "n1-standard-8", "scheduling": {"provisioningModel": "STANDARD"}}
        node["guestAccelerators"] = [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]

    (line,) = refused(tmp_path, GCP, add)
    assert line.startswith(f"{GPU_NODE}.scheduling.onHostMaintenance: None")


@pytest.mark.parametrize("spot", [{"provisioningModel": "SPOT"}, {"preemptible": True}])
def test_a_spot_machine_that_google_should_move_is_refused(tmp_path: Path, spot: dict):
    def add(document: dict) -> None:
        node = document["available_node_types"]["gpu"] | {"resources": {}}
        node["node_config"] = node["node_config"] | {"machineType": "n2-standard-4"}
        node["node_config"]["scheduling"] = spot | {"onHostMaintenance": "MIGRATE"}
        document["available_node_types"]["cpu"] = node

    (line,) = refused(tmp_path, GCP, add)
    assert line.startswith("available_node_types.cpu.node_config.scheduling.onHostMaintenance: 'MIGRATE'")


def test_gpus_of_a_machine_without_any_are_refused(tmp_path: Path):
    for file, field, machine in ((AWS, "InstanceType", "m7i.xlarge"), (GCP, "machineType", "n2-standard-4")):
        lines = refused(tmp_path, file, at(f"{GPU_NODE}.{field}", machine))
        assert any(line.startswith("available_node_types.gpu.resources.GPU: 1 ") for line in lines)


READS_WHAT_IS_GONE = [
    "bash ~/mi-ray/deploy/gone.sh", "make -C $HOME/mi-rai/x; cat ~/mi-ray/Makfile", "~/mi-ray/deploy/gone.sh start",
    'A=1 sudo -E nohup bash -e "$HOME/mi-ray/deploy/gone.sh" > ~/log',
    "test -d ~/mi-ray && python ~/mi-ray/sweeps/gone.py",
    "pip install -c ~/mi-ray/constraints.txt -r ~/mi-ray/gone.txt", "make -C ~/mi-ray/gone",
    "sort <${HOME}/mi-ray/gone",
]  # fmt: skip


@pytest.mark.parametrize("command", READS_WHAT_IS_GONE)
def test_a_command_with_a_file_that_no_mount_brings_is_refused(tmp_path: Path, command: str):
    def spoil(document: dict) -> None:
        document["setup_commands"].append(command)

    (line,) = refused(tmp_path, AWS, spoil)
    assert line.startswith("setup_commands.") and "; allowed: a file below one of file_mounts" in line


MAKES_WHAT_IS_NEW = [
    "mkdir -p ~/mi-ray/runs", "touch ~/mi-ray/deploy/new", "echo a > ~/mi-ray/notes",
    "make -C ~/mi-ray STORE=~/mi-ray/runs",
    "python ~/mi-ray/sweeps/infomin_grid.py --store ~/mi-ray/runs", "~/mi-ray/.venv/bin/ray stop",
    "curl -o ~/mi-ray/new.sh https://example.org/new.sh && bash ~/mi-ray/new.sh",
    "mkdir -p ~/mi-ray/new; cat ~/mi-ray/new/file",
]  # fmt: skip


@pytest.mark.parametrize("command", MAKES_WHAT_IS_NEW)
def test_a_command_that_makes_a_file_below_a_mount_passes(tmp_path: Path, command: str):
    assert refused(tmp_path, AWS, lambda document: document["setup_commands"].append(command)) == []


@pytest.mark.parametrize("content", ["a: &a [*a]\n", "\x00", "provider: {type: [local]}\n", "provider: {type: aws}\n"])
def test_odd_files_end_in_lines_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str):
    (tmp_path / "odd.yaml").write_text(content)
    assert main([str(tmp_path / "odd.yaml")]) == 2
    assert all(line.startswith(str(tmp_path)) for line in capsys.readouterr().err.splitlines())


def test_a_fifo_is_not_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    os.mkfifo(tmp_path / "fifo.yaml")
    assert main([str(tmp_path / "fifo.yaml")]) == 2
    assert "no regular file" in capsys.readouterr().err
