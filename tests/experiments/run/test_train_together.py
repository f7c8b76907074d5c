"""Workers that train together leave together, though one machine alone goes, and lose nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mi_ray.experiments.store.store import Store
from tests.compute.training.team import STEPS


def test_when_one_leaves_all_do_after_the_same_step_and_what_no_report_told_of_is_kept(tmp_path: Path):
    Store(tmp_path / "runs").prepare()
    command = [sys.executable, "-m", "tests.experiments.run.leaving_team"]
    team = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meeting"), str(tmp_path / "runs")], stdout=pipe)
        for rank, pipe in ((0, subprocess.PIPE), (1, None))
    ]
    out, _ = team[0].communicate(timeout=120)
    assert [worker.wait(timeout=60) for worker in team] == [0, 0]
    histories = json.loads(out)
    assert histories["left"] == f"at step 2 of {STEPS}"
    (whole,), (resumed,) = histories["whole"], histories["resumed"]
    assert whole["step"] == resumed["step"] == STEPS
    assert resumed["loss_nats"] == pytest.approx(whole["loss_nats"], abs=1e-6)
