"""A store that is moved or copied keeps its figures in MLflow, and its next command goes on there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils

from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.mirror import runs
from mi_ray.tracking.moved import follow
from mi_ray.tracking.reach import Unusable
from mi_ray.tracking.recorder import Recorder
from tests.committed import commit_all

SWEEP = "infomin_grid/smoke"


def mirrored(root: Path) -> Recorder:
    """The recorder of the store in a folder, into its own database."""
    uri = f"sqlite:///{root}/mlflow.db"
    return Recorder(uri, experiment="infomin_grid", sweep=SWEEP, artifacts=root / "artifacts", is_own=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, plan: Plan, fresh_database: Path) -> Path:
    """A store with a mirror and a figure."""
    root = tmp_path_factory.mktemp("made") / "a store"
    commit_all(plan.cells.values(), Store(root))
    shutil.copy(fresh_database, root / "mlflow.db")
    recorder = mirrored(root)
    assert recorder.mirror_all(plan, Store(root)) == 0
    (root / "figure.png").write_bytes(b"first")
    recorder.attach([root / "figure.png"])
    recorder.finish("FINISHED")
    return root


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it, at home in its own folder."""
    root = Path(shutil.copytree(made, tmp_path / "home"))
    assert follow(root / "mlflow.db") == 1
    return root


def figure(root: Path) -> bytes:
    """The figure of the sweep's run, as MLflow hands it out to a new process."""
    utils._artifact_repos_cache.clear()
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    (experiment,) = (one for one in client.search_experiments() if one.name == "infomin_grid")
    (sweep,) = (run for run in runs(client, experiment.experiment_id) if run.data.tags["kind"] == "sweep")
    return Path(client.download_artifacts(sweep.info.run_id, "figures/figure.png")).read_bytes()


def addresses(root: Path) -> set[str]:
    """The folders that MLflow names: artifacts of the experiment and of its runs, and the places of cells."""
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("infomin_grid")
    held = list(runs(client, experiment.experiment_id))
    places = {run.data.tags["store"].rpartition("/cells/")[0] for run in held if "store" in run.data.tags}
    uris = {run.info.artifact_uri.removesuffix(f"/{run.info.run_id}/artifacts") for run in held}
    return places | {experiment.artifact_location} | uris


@pytest.mark.parametrize("way", [shutil.move, shutil.copytree])
def test_figures_are_found_in_the_new_folder_and_the_next_command_writes_there(
    way: Callable[..., object], home: Path, tmp_path: Path, plan: Plan
) -> None:
    new = tmp_path / "else where"
    way(home, new)
    utils._artifact_repos_cache.clear()  # as in a new process
    recorder = mirrored(new)
    recorder.begin()
    assert addresses(new) == {(new / "artifacts").as_uri(), str(new)}
    assert figure(new) == b"first"
    (new / "figure.png").write_bytes(b"second")
    recorder.attach([new / "figure.png"])
    assert (new / "artifacts" / recorder.sweep_run_id / "artifacts/figures/figure.png").read_bytes() == b"second"
    assert figure(new) == b"second"
    if home.exists():
        assert figure(home) == b"first" and addresses(home) == {(home / "artifacts").as_uri(), str(home)}
    before = {run.info.run_id for run in runs(MlflowClient(recorder.tracking_uri), recorder.experiment_id)}
    assert recorder.mirror_all(plan, Store(new)) == 0
    assert {run.info.run_id for run in runs(MlflowClient(recorder.tracking_uri), recorder.experiment_id)} == before


def test_a_store_that_stays_is_not_written(home: Path) -> None:
    content = (home / "mlflow.db").read_bytes()
    assert follow(home / "mlflow.db") == 0
    assert (home / "mlflow.db").read_bytes() == content


def test_the_experiment_of_another_store_in_this_database_is_left_alone(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "artifacts").mkdir(parents=True)
    uri = f"sqlite:///{home}/mlflow.db"
    guest = Recorder(uri, experiment="guest", sweep="guest/smoke", artifacts=other / "artifacts")
    guest.begin()
    new = tmp_path / "new"
    shutil.move(home, new)
    assert follow(new / "mlflow.db") == 1
    client = MlflowClient(f"sqlite:///{new}/mlflow.db")
    assert client.get_experiment_by_name("guest").artifact_location == (other / "artifacts").as_uri()


def test_what_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unusable, match="is damaged"):
        follow(tmp_path / "mlflow.db")
