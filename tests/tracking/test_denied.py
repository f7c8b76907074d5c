"""Refused drivers: bad URIs, missing accounts, unknown host names; one line before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.launch import launch
from mi_ray.tracking.background import BackgroundRecorder
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.reach import ALLOWED, Denied, Unreachable, reaching, refuse_bad_uri, shown
from mi_ray.tracking.recorder import Recorder
from sweeps.infomin_grid import STUDY
from tests.servers import PASSWORD, Server, free_port

NAME, WORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
SMOKE = ["--preset", "smoke", "--on", "here"]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (NAME, WORD, "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def refusal(uri: str, store: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The error line of a command that is refused before it prepares or computes anything."""
    with pytest.raises(SystemExit) as left:
        launch(STUDY, [*SMOKE, "--store", str(store), "--tracking-uri", uri])
    assert left.value.code == 2
    assert not [path for path in store.rglob("*") if path.is_file() and path.name != "driver.lock"]
    (line,) = capsys.readouterr().err.splitlines()
    return line


def mirror_of(server: Server) -> Recorder:
    return Recorder(server.url, experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=None)


@pytest.mark.parametrize("password", [None, "a wrong one"])
def test_without_an_account_nothing_is_computed_and_one_line_says_what_is_wanted(
    guarded_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    password: str | None,
) -> None:
    if password:
        monkeypatch.setenv(NAME, "admin")
        monkeypatch.setenv(WORD, password)
    line = refusal(guarded_server.url, tmp_path, capsys)
    assert line.startswith(f"infomin_grid: tracking-uri: MLflow at {guarded_server.url}: ")
    assert "401" in line and f"{NAME} and {WORD}" in line


def test_with_an_account_the_sweep_is_mirrored_as_ever(
    guarded_server: Server, looked_at: tuple[Recorder, Store], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "admin")
    monkeypatch.setenv(WORD, PASSWORD)
    assert mirror_of(guarded_server).mirror_all(plan, looked_at[1]) == 0
    assert len(read_cells(guarded_server.url, "infomin_grid", plan.cells.keys())) == len(plan.cells)
    monkeypatch.delenv(WORD)
    with pytest.raises(Denied, match=rf"401.*{NAME}"):
        read_cells(guarded_server.url, "infomin_grid", plan.cells.keys())


def test_an_account_that_may_only_read_is_told_so(
    guarded_server: Server, looked_at: tuple[Recorder, Store], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "admin")
    monkeypatch.setenv(WORD, PASSWORD)
    from mlflow.server import get_app_client

    get_app_client("basic-auth", guarded_server.url).create_user("reader", "twelve letters")
    assert mirror_of(guarded_server).mirror_all(plan, looked_at[1]) == 0
    monkeypatch.setenv(NAME, "reader")
    monkeypatch.setenv(WORD, "twelve letters")
    with pytest.raises(Denied, match=r"403.*Permission denied.*wanted: an account that may change"):
        mirror_of(guarded_server).begin()
    assert len(read_cells(guarded_server.url, "infomin_grid", plan.cells.keys())) == len(plan.cells)


def test_denied_in_the_middle_a_sweep_goes_on_and_counts_what_is_not_mirrored(
    guarded_server: Server, looked_at: tuple[Recorder, Store], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "admin")
    monkeypatch.setenv(WORD, PASSWORD)
    inner = Recorder(guarded_server.url, experiment="denied later", sweep="infomin_grid/smoke", artifacts=None)
    recorder = BackgroundRecorder(inner, looked_at[1])
    recorder.begin()
    monkeypatch.delenv(WORD)
    for cell in plan.cells.values():
        recorder.enqueue(cell)
    assert recorder.drain(plan) == len(plan.cells)
    assert recorder.failure and WORD in recorder.failure


def test_a_server_known_by_another_name_says_which_setting_lets_it_answer(
    sqlite_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(f"http://127.1:{sqlite_server.port}", tmp_path, capsys)
    assert "403" in line and "MLFLOW_ALLOWED_HOSTS" in line


BAD = [
    "ftp://x",
    "sqlite://",
    "sqlite:///",
    "http://",
    "postgresql://head/mlflow",
    "databricks",
    "runs/mlruns",
    "http://[",
]


@pytest.mark.parametrize("uri", BAD)
def test_a_tracking_uri_that_is_none_is_refused_with_what_is_allowed(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(uri, tmp_path, capsys) == (f"infomin_grid: tracking-uri: {uri!r} is not allowed; allowed: {ALLOWED}")
    with pytest.raises(Refused):
        read_cells(uri, "infomin_grid", [])


@pytest.mark.parametrize("uri", ["sqlite:///a.db", "sqlite:////a/b.db?timeout=5", "http://h", "https://n:w@h:5000/p"])
def test_files_and_servers_are_tracking_uris(uri: str) -> None:
    refuse_bad_uri(uri)


def test_a_password_in_a_tracking_uri_is_never_printed(tmp_path: Path) -> None:
    uri = f"http://name:{PASSWORD.replace(' ', '')}@127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable) as raised:
        Recorder(uri, experiment="e", sweep="s", artifacts=None).begin()
    assert "127.0.0.1" in str(raised.value) and "secret" not in str(raised.value) + shown(uri)


def test_images_that_are_refused_leave_no_sweep_running(
    sqlite_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photographs").mkdir()
    for number in range(3):
        (tmp_path / "photographs" / f"{number}.png").write_text("no image")
    flags = [*SMOKE, "--store", str(tmp_path / "store"), "--tracking-uri", sqlite_server.url]
    with pytest.raises(SystemExit) as left:
        launch(STUDY, [*flags, "--axis", f"backgrounds={tmp_path}/photographs"])
    recorder = mirror_of(sqlite_server)
    with reaching(sqlite_server.url):
        recorder.open()
        assert MlflowClient(sqlite_server.url).get_run(recorder.sweep_run_id).info.status == "FAILED"
    assert left.value.code == 2 and "0.png cannot be decoded" in capsys.readouterr().err
