"""This machine is described by what a process here may use; a container's limit of memory counts."""

import shutil

import pytest

from mi_ray.experiments.plan.resources import Machine
from mi_ray.running.machine import cores, memory_bytes, this_machine

WHOLE = memory_bytes(())


def test_the_disk_is_the_one_that_a_store_will_lie_on_before_the_store_exists(tmp_path):
    machine = this_machine(tmp_path / "not" / "there")
    assert machine.disk == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert machine == Machine(memory=memory_bytes(), disk=machine.disk, cores=cores()) and machine.cores >= 1


@pytest.mark.parametrize(
    ("text", "expected"), [("max", WHOLE), ("1000000000", 10**9), ("9223372036854771712", WHOLE), ("", WHOLE)]
)
def test_memory_is_the_limit_of_the_container_where_that_is_less(tmp_path, text, expected):
    (tmp_path / "limit").write_text(f"{text}\n")
    assert memory_bytes((str(tmp_path / "limit"), str(tmp_path / "absent"))) == expected
