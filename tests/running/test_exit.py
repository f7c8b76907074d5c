"""Every way in which a command ends has its own exit code, and one line that says why."""

import subprocess
import sys

import pytest

from mi_ray.experiments.declare.checks import Refused, Stopped
from mi_ray.running.exit import DONE, FAILED, FAULT, INTERRUPTED, REFUSED, STOPPED, exit_code

ENDS = [
    (Refused("seed: -1 is not allowed; allowed: a whole number >= 0"), REFUSED, "study: seed: -1 is not allowed"),
    (Stopped("store: the disk is full; free some"), STOPPED, "study: stopped: store: the disk is full; free some"),
    (MemoryError("too large"), STOPPED, "study: stopped: memory: MemoryError: too large"),
    (KeyboardInterrupt(), INTERRUPTED, "study: interrupted; what is committed is kept"),
    (ZeroDivisionError("two\nlines"), FAULT, "study: a fault of mi-ray: ZeroDivisionError: two lines"),
]


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(("error", "code", "line"), ENDS)
def test_what_is_raised_becomes_one_line_and_a_code(error, code, line, capsys, tmp_path):
    assert exit_code("study", raising(error), lambda: tmp_path) == code
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(line)


@pytest.mark.parametrize("code", [DONE, FAILED])
def test_a_run_to_the_end_says_nothing_more(code, capsys):
    assert exit_code("study", lambda: code) == code
    assert capsys.readouterr().err == ""


def test_the_traceback_of_a_fault_is_in_the_store_and_the_line_names_it(capsys, tmp_path):
    exit_code("study", raising(KeyError("x")), lambda: tmp_path)
    (file,) = tmp_path.glob("fault-*.txt")
    assert f"traceback: {file}" in capsys.readouterr().err
    assert "KeyError: 'x'" in file.read_text()


def test_a_store_that_cannot_be_written_leaves_the_traceback_among_temporary_files(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    exit_code("study", raising(KeyError("x")), lambda: tmp_path / "absent")
    (file,) = tmp_path.glob("fault-*.txt")
    assert f"traceback: {file}" in capsys.readouterr().err


DROPPED = """
import signal, sys, time
from mi_ray.running.exit import end_in_order_on_sigterm, exit_code

class Freed:
    def __del__(self):
        signal.raise_signal(signal.{name})

def work():
    end_in_order_on_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    freed = Freed()
    del freed
    time.sleep(30)
    return 0

sys.exit(exit_code("study", work))
"""


@pytest.mark.fault("F10", "a signal while an object is freed, whose exception Python drops")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_an_interruption_that_python_drops_is_sent_again(name):
    ran = subprocess.run([sys.executable, "-c", DROPPED.format(name=name)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == INTERRUPTED
    assert ran.stderr.splitlines() == ["study: interrupted; what is committed is kept, the same command goes on"]
