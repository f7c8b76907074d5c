"""This machine is described by what a process here may use; limits of control groups, as containers have, count."""

import os
import shutil
import subprocess
import sys

import pytest

from mi_ray.compute.numerics.cores import cores, memory_bytes
from mi_ray.experiments.plan.resources import Machine
from mi_ray.experiments.run.failures import memory_here
from mi_ray.running.machine import this_machine

ALL = cores()


@pytest.fixture
def tree(tmp_path):
    """Writes the control groups of a process: the lines of its ``cgroup`` file, and files by path below the mount."""

    def write(lines: str, **files: str):
        (tmp_path / "self").write_text(lines)
        for name, text in files.items():
            path = tmp_path / "mount" / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path / "self", tmp_path / "mount"

    return write


def test_the_disk_is_the_one_that_a_store_will_lie_on_before_the_store_exists(tmp_path):
    machine = this_machine(tmp_path / "not" / "there")
    assert machine.disk == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert machine == Machine(memory=memory_bytes(), disk=machine.disk, cores=cores()) and machine.cores >= 1


@pytest.mark.parametrize(
    ("text", "expected"), [("max", None), ("1000000000", 10**9), ("9223372036854771712", None), ("", None)]
)
@pytest.mark.parametrize("name", ["memory_DOT_max", "a__b__memory_DOT_max", "a__memory_DOT_max"])
def test_memory_is_the_limit_of_the_groups_of_the_process_where_that_is_less(tree, name, text, expected):
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    groups = tree("0::/a/b\n", **{name: text})
    assert memory_bytes(*groups) == (expected or whole)
    assert memory_here(*groups).endswith(f"its machine has {(expected or whole) / 1e9:.1f} GB")


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ("0::/\n", {"cpu_DOT_max": "100000 100000"}),
        ("0::/a/b\n", {"a__cpu_DOT_max": "150000 100000", "a__b__cpu_DOT_max": "max 100000"}),
        ("0::/of/the/host\n", {"cpu_DOT_max": "50000 100000"}),
        (
            "3:cpu,cpuacct:/a\n0::/\n",
            {"cpu,cpuacct__a__cpu_DOT_cfs_quota_us": "100000", "cpu,cpuacct__a__cpu_DOT_cfs_period_us": "100000"},
        ),
        ("3:cpuacct,cpu:/a\n", {"cpu__cpu_DOT_cfs_quota_us": "100000", "cpu__cpu_DOT_cfs_period_us": "100000"}),
    ],
)
def test_a_quota_of_one_core_or_less_is_one_core(tree, lines, files):
    assert cores(*tree(lines, **files)) == 1


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ("", {}),
        ("0::/\n", {"cpu_DOT_max": "max 100000"}),
        ("0::/\n", {"cpu_DOT_max": ""}),
        ("0::/\n", {"cpu_DOT_max": "x y"}),
        ("nonsense\n", {"cpu_DOT_max": "1 0"}),
        ("3:cpu:/\n", {"cpu__cpu_DOT_cfs_quota_us": "-1", "cpu__cpu_DOT_cfs_period_us": "100000"}),
    ],
)
def test_no_quota_leaves_the_cores_of_the_affinity(tree, lines, files):
    assert cores(*tree(lines, **files)) == ALL


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset here")
def test_taskset_is_heeded():
    core = str(min(os.sched_getaffinity(0)))
    command = [sys.executable, "-c", "from mi_ray.compute.numerics.cores import cores; print(cores())"]
    assert subprocess.check_output(["taskset", "-c", core, *command], text=True).strip() == "1"
