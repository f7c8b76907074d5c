"""A cluster that is not there is refused in time; a local one is closed to others and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from fcntl import LOCK_EX, flock
from pathlib import Path
from subprocess import PIPE

import pytest

from mi_ray.experiments.declare.checks import Refused
from mi_ray.orchestration import address as addresses
from mi_ray.orchestration.address import refuse_dead
from mi_ray.orchestration.connection import close_token, connected, session_folder, token_file
from mi_ray.orchestration.start.leftovers import SESSION, leftover_folders, marked, processes_of
from tests.faults.matrix import Recovery


@pytest.mark.fault("F8", "an address where no head is, or that is none")
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "does not answer"),
        ("[::1]:1", "does not answer"),
        ("nowhere.invalid:6379", "does not answer"),
        ("http://127.0.0.1:8265", "not an address of Ray's client"),
        ("ray://127.0.0.1:10001", "not an address of Ray's client"),
        ("127.0.0.1", "is not allowed"),
        ("127.0.0.1:", "is not allowed"),
        (":6379", "is not allowed"),
        ("127.0.0.1:99999", "is not allowed"),
        ("127.0.0.1:port", "is not allowed"),
        ("local", "is not allowed"),
        ("", "is not allowed"),
    ],
)
def test_an_address_without_a_cluster_is_refused_in_one_line(address: str, told: str):
    with pytest.raises(Refused) as refusal:
        refuse_dead(address)
    text = str(refusal.value)
    assert text.startswith(f"address: {address!r} ") and told in text and "allowed: auto, or HOST:PORT" in text
    assert "\n" not in text


@pytest.mark.fault("F8", "an address where something listens and never answers")
def test_a_silent_address_is_refused_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch, recovery: Recovery):
    monkeypatch.setattr(addresses, "ANSWER_SECONDS", 2.0)
    with socket.socket() as hung:
        hung.bind(("0.0.0.0", 0))
        hung.listen()
        began = time.monotonic()
        with pytest.raises(Refused, match=r"no answer within 2 s"):
            refuse_dead(f"127.0.0.1:{hung.getsockname()[1]}")
    recovery.seconds = time.monotonic() - began
    assert recovery.seconds < 5


def test_an_address_has_less_than_twenty_seconds():
    assert addresses.CONNECT_SECONDS < addresses.ANSWER_SECONDS < 20


def test_a_folder_too_long_for_rays_sockets_is_refused_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with (
        pytest.raises(Refused, match=r"too long for Ray's sockets by \d+ bytes; allowed: a shorter folder"),
        connected(None),
    ):
        pass
    monkeypatch.setenv("RAY_TMPDIR", "/nowhere")
    with pytest.raises(Refused, match="'/nowhere' cannot be written"), connected(None):
        pass


def test_a_session_is_for_this_user_only_and_removed_with_what_killed_runs_left(monkeypatch: pytest.MonkeyPatch):
    place = Path(tempfile.mkdtemp())  # pytest's own are too long for Ray's sockets
    monkeypatch.setenv("RAY_TMPDIR", str(place))
    (place / "mi-ray-dead").mkdir()
    (place / "mi-ray-dead" / "lock").touch()
    with session_folder() as folder:
        token = token_file(folder)
        assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(token.stat().st_mode)) == (0o700, 0o600)
        assert leftover_folders(folder.parent) == [] and token.read_text()
        assert [*place.iterdir()] == [folder]
    assert [*place.iterdir()] == []
    place.rmdir()


@pytest.mark.fault("F34", "processes that outlive the local cluster of a killed run")
def test_what_is_left_of_a_killed_run_ends_with_the_next_one_and_no_more(monkeypatch: pytest.MonkeyPatch):
    place = Path(tempfile.mkdtemp())
    monkeypatch.setenv("RAY_TMPDIR", str(place))
    monkeypatch.setenv(SESSION, "of another program")
    (place / "mi-ray-dead").mkdir()
    (place / "mi-ray-dead" / "lock").touch()
    with marked(str(place / "mi-ray-dead")):
        orphan = started()
    with marked(""):
        stranger = started()
    other = started()
    with session_folder() as folder, marked(str(folder)):
        own = started()
        assert orphan.poll() is not None
        assert [process.pid for process in processes_of(folder)] == [own.pid]
    assert own.poll() is not None
    assert list(processes_of("")) == []
    assert [other.poll(), stranger.poll()] == [None, None] and os.environ[SESSION] == "of another program"
    for process in (other, stranger):
        process.kill()
        process.wait()
    place.rmdir()


def started() -> subprocess.Popen[bytes]:
    """A process with the present environment that lives for a minute."""
    process = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_token_file_of_rays_is_closed_and_an_absent_one_is_let_be(tmp_path: Path):
    token = tmp_path / "auth_token"
    token.touch(0o644)
    close_token(token)
    close_token(tmp_path / "absent")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and [*tmp_path.iterdir()] == [token]


def test_a_folder_is_a_leftover_once_its_run_is_over(tmp_path: Path):
    for name in ("mi-ray-dead", "mi-ray-alive", "mi-ray-other"):
        (tmp_path / name).mkdir()
    (tmp_path / "mi-ray-dead" / "lock").touch()
    with open(tmp_path / "mi-ray-alive" / "lock", "w") as lock:
        flock(lock, LOCK_EX)
        assert leftover_folders(tmp_path) == [tmp_path / "mi-ray-dead"]


LISTENS = """
import os, pathlib, psutil, ray
from mi_ray.orchestration.connection import connected
with connected(None):
    ray.get(ray.remote(lambda: os.getpid()).remote())
    for process in [me := psutil.Process(), *me.children(recursive=True)]:
        for found in process.net_connections(kind="inet"):
            if found.status == psutil.CONN_LISTEN:
                print("listens", found.laddr.ip)
    print("head", ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN_PATH"], flush=True)
    input()
"""

INTRUDES = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_put(b"intruder", b"", True, b"", timeout=10)
print("in")
"""


@pytest.mark.slow
@pytest.mark.fault("F29", "ports of a local cluster, and a request without its token")
def test_a_local_cluster_is_closed_to_others_and_leaves_no_folder():
    run = subprocess.Popen(
        [sys.executable, "-c", LISTENS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout and run.stdin
    lines = []
    while not (line := run.stdout.readline()).startswith("head"):
        assert line, run.communicate()
        lines.append(line.split()[1])
    _, head, token = line.split()
    assert len(lines) >= 5 and {ip.removeprefix("::ffff:") for ip in lines} == {"127.0.0.1"}
    assert stat.S_IMODE(Path(token).stat().st_mode) == 0o600

    def intrude(**how: str) -> subprocess.CompletedProcess[str]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        return subprocess.run([sys.executable, "-c", INTRUDES, head], env=bare | how, capture_output=True, text=True)

    assert "in" not in intrude(RAY_AUTH_MODE="disabled").stdout
    assert "in" not in intrude(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64).stdout
    assert "in" in intrude(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=token).stdout
    _, errors = run.communicate("\n", timeout=60)
    assert run.returncode == 0 and not Path(token).parent.exists(), errors
