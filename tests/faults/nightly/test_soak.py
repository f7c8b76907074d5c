"""The soak: a study is killed at random until it is complete; its store is then that of a run without faults.

    make faults-nightly                              # SOAK_ROUNDS=10 and SOAK_SEED=0, unless the environment has others

A round begins with an empty store and a new MLflow server. Its first kill falls into the first second of its first run;
then every `INTERVAL` seconds a victim dies, drawn by the seed: the driver, a trial, the raylet, the GCS or the MLflow
server. A driver that ended is started again with the same command.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from mi_ray.experiments.store.files import MANIFEST, read_json
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.mirror import CELL_KEY, COMPLETE, MIRRORED, runs
from tests.faults.matrix import Recovery
from tests.orchestration.conftest import COMMAND
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SEED, ROUNDS = int(os.environ.get("SOAK_SEED", "0")), int(os.environ.get("SOAK_ROUNDS", "10"))
INTERVAL = 20.0
FLAGS = ("--preset", "smoke", "--axis", "task=color,digit", "--axis", "views=4000")
CELLS = 4 * (1 + 1 + 2 + 2)
LOOK = 0.5
"""Seconds between two looks at the processes of a run, each of which reads those of the whole machine."""
UNSYNCED = "the same command mirrors them"
"""In what a run prints that ends before MLflow holds every cell."""
LONGEST = 1500.0
"""Seconds that a round may take."""

VICTIMS = {"trial": "ray::JobTrial", "raylet": "raylet/raylet", "GCS": "gcs_server"}
"""Part of the command line of each victim that the driver started."""


def content(store: Path) -> dict[str, dict[str, str]]:
    """The sha256 of every file of every committed cell."""
    return {path.parent.name: read_json(path)["files"] for path in (store / "cells").glob(f"*/{MANIFEST}")}


def command(store: Path, tracking_uri: str) -> list[str]:
    return [*COMMAND, *FLAGS, "--store", str(store), "--tracking-uri", tracking_uri]


@dataclass
class Round:
    """One study under fire."""

    folder: Path
    draws: random.Random
    server: Server
    kills: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    descendants: set[psutil.Process] = field(default_factory=set)
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.folder / "runs"

    def survive(self) -> None:
        """Start the study and kill until it is complete, and MLflow with it: a run that ends while the server begins
        again says that the same command mirrors what is missing."""
        began = time.monotonic()
        next_kill = began + self.draws.uniform(0, 1)
        victim, next_look, printed = "driver", began, ""
        while not self.codes or self.codes[-1] != 0 or UNSYNCED in printed:
            assert time.monotonic() - began < LONGEST, (self.kills, self.codes)
            log = self.folder / f"run-{len(self.codes)}"
            with log.with_suffix(".out").open("w") as out, log.with_suffix(".err").open("w") as err:
                driver = subprocess.Popen(command(self.store, self.server.url), stdout=out, stderr=err)
                while driver.poll() is None:
                    if time.monotonic() >= next_look:
                        self._note(driver)
                        next_look = time.monotonic() + LOOK
                    if time.monotonic() >= next_kill and self._kill(victim, driver):
                        next_kill = time.monotonic() + INTERVAL
                        victim = self.draws.choice(["driver", *VICTIMS, "MLflow server"])
                    time.sleep(0.02)
            self.codes.append(driver.returncode)
            printed = log.with_suffix(".out").read_text() + log.with_suffix(".err").read_text()
            assert "Traceback" not in printed, printed
            is_refused = driver.returncode == 2 and "no local cluster starts" in printed  # killed while Ray began
            assert is_refused or driver.returncode in (0, 1, 3, -9), (driver.returncode, printed)
            self._refuse_changed_cells()

    def _note(self, driver: subprocess.Popen[bytes]) -> None:
        with suppress(psutil.Error):
            self.descendants.update(psutil.Process(driver.pid).children(recursive=True))

    def _kill(self, victim: str, driver: subprocess.Popen[bytes]) -> bool:
        """kill -9 the victim; False if it does not live yet."""
        if victim == "driver":
            driver.kill()
        elif victim == "MLflow server":
            self.server.kill()
            self.server.start()
        elif (found := self._find(VICTIMS[victim])) is not None:
            found.kill()
        else:
            return False
        self.kills.append(victim)
        return True

    def _find(self, part: str) -> psutil.Process | None:
        for process in sorted(self.descendants, key=lambda process: process.pid):
            with suppress(psutil.Error):
                if part in " ".join(process.cmdline()):
                    return process
        return None

    def _refuse_changed_cells(self) -> None:
        """No committed cell was computed again: its manifest, which holds its times, is the one that was seen."""
        now = {path.parent.name: path.read_text() for path in (self.store / "cells").glob(f"*/{MANIFEST}")}
        assert {key: now.get(key) for key in self.seen} == self.seen
        self.seen = now

    def left_behind(self) -> list[str]:
        """Files of attempts, and processes of any run, ten seconds after the last."""
        _, alive = psutil.wait_procs(self.descendants, timeout=10)
        living = [str(process) for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        return [*living, *(str(path) for path in (self.store / "work").iterdir())]

    def mirrored(self) -> list[str]:
        """The key of each complete MLflow run of a cell."""
        client = MlflowClient(self.server.url)
        experiment = client.get_experiment_by_name("infomin_grid")
        assert experiment is not None
        tags = [run.data.tags for run in runs(client, experiment.experiment_id)]
        return sorted(tag[CELL_KEY] for tag in tags if CELL_KEY in tag and tag[MIRRORED] == COMPLETE)


@pytest.fixture(scope="module")
def without_faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The content of the store of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ran = subprocess.run(
        command(folder / "runs", f"sqlite:///{folder}/mlflow.db"), capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    return content(folder / "runs")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    started = Server(folder).start()
    yield started
    started.stop()


@pytest.mark.fault("F34", "kill -9 every 20 s of a victim drawn at random")
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_study_under_fire_loses_nothing_and_computes_nothing_twice(
    number: int, without_faults: dict[str, dict[str, str]], server: Server, tmp_path: Path, recovery: Recovery
) -> None:
    fight = Round(tmp_path, random.Random(f"{SEED}/{number}"), server)
    began = time.monotonic()
    fight.survive()
    recovery.seconds = time.monotonic() - began
    store = Store(fight.store)
    again = sum(store.read(key).manifest["attempt"] - 1 for key in without_faults)
    recovery.redone = f"{len(fight.kills)} kills, {again} cells begun again"
    assert len(without_faults) == CELLS
    assert content(fight.store) == without_faults
    assert fight.mirrored() == sorted(without_faults)
    assert fight.left_behind() == []
