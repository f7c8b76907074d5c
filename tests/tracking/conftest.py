"""A small plan, its committed store, recorders that mirror into an SQLite database below ``tmp_path``, and servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit_all, plan_of
from tests.servers import PASSWORD, Postgres, Server, without_postgres


@pytest.fixture(scope="session")
def plan() -> Plan:
    return plan_of()


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Store:
    made = Store(tmp_path / "store")
    commit_all(plan.cells.values(), made)
    return made


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs. Its tables take a second to create, so they are created once and copied."""
    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").get_experiment_by_name("Default")
    return database


@pytest.fixture
def new_recorder(tmp_path: Path, fresh_database: Path) -> Callable[..., Recorder]:
    shutil.copy(fresh_database, tmp_path / "mlflow.db")

    def make(tracking_uri: str = f"sqlite:///{tmp_path}/mlflow.db", sweep: str = "infomin_grid/smoke") -> Recorder:
        return Recorder(tracking_uri, experiment="infomin_grid", sweep=sweep, artifacts=tmp_path / "artifacts")

    return make


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> tuple[Recorder, Store]:
    """A mirrored plan, shared by tests that only read it."""
    folder = tmp_path_factory.mktemp("mirrored")
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(plan.cells.values(), store)
    recorder = Recorder(uri, experiment="infomin_grid", sweep="infomin_grid/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(plan, store) == 0
    return recorder, store


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sqlite") / "mlflow")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if reason := without_postgres():
        pytest.skip(reason)
    postgres = Postgres()
    try:
        yield postgres
    finally:
        postgres.stop()


@pytest.fixture(scope="session")
def postgres_server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("postgres") / "mlflow", variables=postgres.variables)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def two_process_server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes, so that no lock inside a process separates writers."""
    server = Server(tmp_path_factory.mktemp("two") / "mlflow", variables=postgres.variables | {"MLFLOW_WORKERS": "2"})
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture(scope="session")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for an account."""
    if find_spec("flask_wtf") is None:
        pytest.skip("Flask-WTF is not installed (the extra `auth`)")
    variables = {"MLFLOW_AUTH": "basic", "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD}
    server = Server(tmp_path_factory.mktemp("guarded") / "mlflow", variables=variables)
    try:
        yield server.start()
    finally:
        server.stop()
