"""`ray up`, a job, MLflow behind the tunnel, and nothing open: what docs/cluster.md says, on three hosts.

Run by `make cluster-test`. The tests go through the life of one cluster, in the order of this file.
"""

from __future__ import annotations

import json
import socket
import subprocess

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.store.files import read_json
from tests.buckets import ACCESS, new_bucket, objects, served
from tests.cluster.conftest import DASHBOARD, MLFLOW, SHARED, SWEEP, Cluster, wait_for
from tests.cluster.hosts import HOME, NAMES, THIS_MACHINE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Ran = subprocess.CompletedProcess[str]


def cells(tracked: str) -> list:
    client = MlflowClient(tracked)
    experiment = client.get_experiment_by_name("infomin_grid")
    mirrored = client.search_runs([experiment.experiment_id], max_results=1000)
    return [run.data.tags for run in mirrored if "cell_key" in run.data.tags]


def test_the_smoke_grid_runs_as_a_job(job: Ran):
    assert job.returncode == 0, job.stdout + job.stderr
    assert "40 cells" in job.stdout


def test_its_results_are_in_the_mlflow_server_of_the_head(job: Ran, cluster: Cluster):
    tags_of_cells = cells(MLFLOW)
    assert {tags["kind"] for tags in tags_of_cells} == {"training", "embedding", "evaluation", "estimation"}
    assert sorted(tags["cell_key"] for tags in tags_of_cells) == sorted(
        path.name for path in (cluster.hosts.shared / "runs" / "cells").iterdir()
    )


TOGETHER = ["--axis", "seed=1", "--only", "training*pairing=color*", "--workers", "2"]
"""One training: each host has one core, so that two workers are on two hosts."""


def test_two_hosts_train_one_encoder_together(job: Ran, cluster: Cluster):
    done = cluster.submit(*SWEEP, *SHARED, *TOGETHER)
    assert done.returncode == 0, done.stdout + done.stderr
    manifests = (cluster.hosts.shared / "runs" / "cells").glob("*/manifest.json")
    assert [read_json(path)["workers"] for path in manifests].count(2) == 1


def test_two_hosts_that_share_a_bucket_and_no_folder_train_together(job: Ran, cluster: Cluster):
    with served(THIS_MACHINE) as s3:
        bucket = new_bucket()
        done = cluster.submit(*SWEEP, "--store", bucket, *TOGETHER, **ACCESS, AWS_ENDPOINT_URL=s3)
        there = objects(f"{bucket}/cells")
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (content for name, content in there.items() if name.endswith("/manifest.json"))
    assert json.loads(manifest)["workers"] == 2
    brought = [cluster.hosts.run(name, f"find {HOME} -path '*/.cache/mi-ray/*/data/*'") for name in NAMES[1:]]
    assert any("manifest.json" in name for name in brought), "one of the two is not on the head, and read images"


def test_the_same_command_computes_nothing_twice(job: Ran, cluster: Cluster):
    again = cluster.submit(*SWEEP, *SHARED)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 cells: everything was in the store" in again.stdout


def test_a_client_without_the_token_is_refused(cluster: Cluster):
    assert cluster.ray("job", "list", "--address", DASHBOARD).returncode == 0
    refused = cluster.ray("job", "list", "--address", DASHBOARD, token=False)
    assert refused.returncode != 0
    assert "401" in refused.stdout + refused.stderr or "uthentication" in refused.stdout + refused.stderr


def test_a_host_without_the_token_cannot_join_or_ask(cluster: Cluster):
    head = cluster.hosts.addresses["head"]
    asks = f"HOME=/tmp RAY_AUTH_MODE=disabled ~/venv/bin/ray status --address {head}:6379 2>&1; echo code $?"
    output = cluster.hosts.run("worker-1", asks)
    assert "code 0" not in output
    assert "uthentication" in output


def test_the_token_is_its_owner_s_alone_on_every_host(cluster: Cluster):
    for name in cluster.hosts.addresses:
        assert cluster.hosts.run(name, "stat -c %a ~/.ray/auth_token") == "600\n"


def test_nothing_answers_outside_the_cluster_s_own_network(job: Ran, cluster: Cluster):
    """Ray listens on all addresses of a host; the hosts have closed themselves to the other network."""
    for name, address in cluster.hosts.addresses.items():
        listening = cluster.hosts.run(name, "ss -ltnH").splitlines()
        ports = {int(line.split()[3].rpartition(":")[2]) for line in listening}
        assert [port for port in ports if answers(address, port)]
        assert not [port for port in ports if answers(cluster.hosts.outside[name], port)]


def answers(address: str, port: int) -> bool:
    """Whether a port accepts a connection within half a second."""
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def test_the_dashboard_and_mlflow_do_not_answer_beyond_the_head(cluster: Cluster):
    head = cluster.hosts.addresses["head"]
    for port in (8265, 5000):
        asks = f"timeout 5 bash -c '</dev/tcp/{head}/{port}' 2>&1; echo code $?"
        assert "code 0" not in cluster.hosts.run("worker-1", asks)


def test_ray_down_ends_ray_on_every_host_and_keeps_the_store(job: Ran, cluster: Cluster):
    """Ray stops on the head only; the other hosts notice within a minute."""
    down = cluster.ray("down", "-y", str(cluster.file))
    assert down.returncode == 0, down.stdout + down.stderr
    for name in cluster.hosts.addresses:
        wait_for(lambda name=name: not runs_ray(cluster, name), f"an end of Ray on {name}", seconds=90)
    assert list((cluster.hosts.shared / "runs" / "cells").iterdir())


def runs_ray(cluster: Cluster, name: str) -> bool:
    return "raylet" in cluster.hosts.run(name, "ps -eo comm")
