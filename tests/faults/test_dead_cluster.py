"""The cluster dies under a sweep: exit code 3 and one line in seconds, and the same command goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.matrix import Recovery
from tests.orchestration.conftest import start, sweep
from tests.orchestration.test_interruptions import CELLS, SMALL, committed, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.fault("F8", "kill -9 of the local head's GCS, of its raylet, of the raylet's agent")
@pytest.mark.parametrize("process", ["gcs_server", "raylet", "RuntimeEnvAgent"])
def test_a_dead_cluster_stops_the_sweep_in_one_line_and_the_same_command_goes_on(
    process: str, tmp_path: Path, recovery: Recovery
):
    store = tmp_path / "runs"
    driver = start(*SMALL, store=store)
    wait_for(driver, "done    training")
    below = psutil.Process(driver.pid).children(recursive=True)
    victim = next(child for child in below if process in Path((child.cmdline() or [""])[0]).name)
    victim.kill()
    killed = time.monotonic()
    out, err = driver.communicate(timeout=120)
    recovery.seconds = time.monotonic() - killed
    assert driver.returncode == 3, out + err
    assert recovery.seconds < 60 and "Traceback" not in out + err
    assert "stopped: Ray: the local cluster's" in err and "the same command goes on" in err
    psutil.wait_procs(below, timeout=30)
    assert not [child for child in below if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    before = committed(store)
    assert before
    if process != "gcs_server":  # whose death may leave the main thread in a call of Ray's that never returns
        assert f"computed: {len(before)} cell" in out and "MLflow:" in out, "what is there is summed up and mirrored"
    if process == "gcs_server":
        again = sweep(*SMALL, store=store)
        assert again.code == 0, again.err
        after = committed(store)
        assert len(after) == CELLS and {key: after[key] for key in before} == before
        recovery.redone = f"{sum(manifest['attempt'] - 1 for manifest in after.values())} cells begun again"


JOINS = "worker.io"
"""A thread of Ray's native code that begins as the driver joins its cluster. Until the driver has joined, that code
holds Python's lock, so that no thread of Python's runs (Ray 2.60)."""


def threads(process: int) -> set[str]:
    """Names of the threads of a process."""
    names = set[str]()
    for path in Path(f"/proc/{process}/task").glob("*/comm"):
        with suppress(OSError):  # it has ended
            names.add(path.read_text().strip())
    return names


@pytest.mark.fault("F8", "kill -9 of the local head's GCS, or of its raylet, while Ray starts")
@pytest.mark.parametrize(
    ("until", "process"),
    [("gcs_server", "gcs_server"), ("dashboard.py", "gcs_server"), (JOINS, "gcs_server"), ("raylet", "raylet")],
)
def test_a_head_that_dies_while_ray_starts_ends_the_sweep_in_one_line(
    until: str, process: str, tmp_path: Path, recovery: Recovery
):
    """Ray's calls wait for a head that died, for as long as they wait for one that hangs."""
    driver = start(*SMALL, store=tmp_path / "runs")
    below: dict[str, psutil.Process] = {}
    while until not in {*below, *threads(driver.pid)}:
        assert driver.poll() is None, driver.communicate()
        for child in psutil.Process(driver.pid).children():
            with suppress(psutil.Error):
                words = [Path(word).name for word in child.cmdline()]
                below |= {name: child for name in ("gcs_server", "dashboard.py", "raylet") if name in words[:4]}
    below[process].kill()
    killed = time.monotonic()
    out, err = driver.communicate(timeout=120)
    recovery.seconds = time.monotonic() - killed
    assert recovery.seconds < 60 and "Traceback" not in out + err
    if driver.returncode == 2:
        assert "no local cluster starts" in err
    else:
        assert driver.returncode == 3, out + err
        assert f"stopped: Ray: the local cluster's {process}" in err and "the same command goes on" in err
    psutil.wait_procs(below.values(), timeout=30)
    assert not [child for child in below.values() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.fault("F8", "a head that is not there, as a sweep meets it")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "http://127.0.0.1:8265"])
def test_a_sweep_is_refused_in_one_line_where_no_cluster_is(address: str, tmp_path: Path):
    began = time.monotonic()
    ran = sweep("--address", address, "--workers", "2", store=tmp_path / "runs", RAY_ADDRESS="")
    assert ran.code == 2 and ran.err.startswith("infomin_grid: address: "), ran.err
    assert len(ran.err.splitlines()) == 1 and time.monotonic() - began < 60
