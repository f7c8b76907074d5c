"""A disk or a bucket that fails in the middle stops a study in one line, after which the same command goes on."""

import errno
import sys

import pytest
from s3fs import S3FileSystem

from mi_ray.compute.numerics.disk import number_of
from mi_ray.experiments.declare.checks import Stopped
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.run.failures import stop_of
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.launch import launch
from mi_ray.running.exit import DONE, STOPPED
from tests.buckets import ACCESS
from tests.faults.disks import largest_file
from tests.running.studies import SMALL, order_in


def ended(*flags: str) -> int:
    with pytest.raises(SystemExit) as end:
        launch(SMALL, ["--preset", "one", "--on", "here", *flags])
    return end.value.code


@pytest.mark.fault("F15", "files that may not grow beyond 100 kB, with --on here")
def test_a_full_disk_stops_with_path_and_bytes_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    order = order_in(tmp_path, preset="one")
    for data in order.data:
        prepare(data, order.store)
    with largest_file(100_000):
        assert ended("--store", str(tmp_path)) == STOPPED
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"small: stopped: disk: {tmp_path}") and "File too large" in line
    assert "free there, and a training writes about" in line and line.endswith("the same command goes on")
    assert "computed:" in out and "store:" in out
    assert ended("--store", str(tmp_path)) == DONE
    assert capsys.readouterr().err == ""


class SafetensorError(Exception):
    pass


FULL = [
    OSError(errno.ENOSPC, "No space left on device", "/a/file"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError("1000 requested and 10 written"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError("[Errno 27] File too large: 'x'"),
]
JOBS = [ValueError("bad"), FileNotFoundError(errno.ENOENT, "No such file", "/x"), OSError("(os error 2)"), KeyError(28)]


@pytest.mark.parametrize("error", FULL)
def test_every_way_to_say_that_a_disk_is_full_stops(error, tmp_path):
    store = Store(tmp_path)
    store.prepare()
    stop = stop_of(error, store)
    assert str(stop).startswith(f"disk: {getattr(error, 'filename', None) or tmp_path} cannot be written (")
    outer = RuntimeError("outer")
    outer.__cause__ = error
    assert str(stop_of(outer, store)) == str(stop)


@pytest.mark.parametrize("error", JOBS)
def test_an_error_of_a_job_stops_nothing_while_the_store_can_be_written(error, tmp_path):
    store = Store(tmp_path)
    store.prepare()
    assert stop_of(error, store) is None and number_of(error) not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def test_a_store_that_is_gone_stops_at_the_next_error_of_the_system(tmp_path):
    stop = stop_of(FileNotFoundError(errno.ENOENT, "No such file", "x"), Store(tmp_path / "gone"))
    assert str(stop).startswith(f"store: '{tmp_path}/gone' cannot be written any more (No such file or directory)")


@pytest.mark.slow
def test_a_bucket_that_answers_no_more_stops_at_the_next_error(monkeypatch, tmp_path):
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path))
    for name, value in {**ACCESS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # a test before this one may have reached another server
    stop = stop_of(ValueError("any error of a job"), store_at("s3://no-such-bucket-of-ours/runs"))
    assert str(stop).startswith("store: 's3://no-such-bucket-of-ours/runs' cannot be reached (EndpointConnectionError")
    S3FileSystem.clear_instance_cache()


def test_a_stop_from_below_is_told_as_it_is(tmp_path):
    stop = Stopped("ray: the head is gone; start it again")
    assert stop_of(stop, Store(tmp_path)) is stop
