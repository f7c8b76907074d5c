"""Every way in which a trial can end has a reason; the sweep goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError
from ray.train import WorkerGroupError  # type: ignore[attr-defined]

from mi_ray.experiments.run.failures import death_of, failure_line
from mi_ray.experiments.store.store import Store
from mi_ray.orchestration import silence
from mi_ray.orchestration.connection import connected
from mi_ray.orchestration.deaths import Died, reason_of
from mi_ray.orchestration.sweep import run_trials, scratch_folder
from tests.faults.matrix import Recovery
from tests.orchestration.trials import BAD, Faulty, Heard, chains

MONITOR = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.7, ID: 67b5) was"
    " 7.51GB used / 23.54GB limit (0.319071)\nOOM kill reason: Memory usage 8032796672B exceeded threshold of"
    " 7909020160B (31.3% of 25276510208B limit)\nSelected to kill: (Task: job ID=01, pid=1980, actual memory"
    " used=0.35GB, worker ID=1855)"
)
FIGURES = "its process held 0.35 GB, its node used 7.51 of 23.54 GB, above the threshold of 31.3%"
EOF = (
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker"
    " unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was"
    " killed by the OOM killer"
)
NODE = "The actor died because its node has died. Node Id: ab12\n\tthe actor's node was terminated unexpectedly: x"


def died(text: str) -> ActorDiedError:
    error = ActorDiedError()
    error.error_msg = text
    return error


def raised(cause: Exception) -> RayTaskError:
    return RayTaskError("step", "Traceback", cause)


@pytest.mark.parametrize(
    ("error", "begins", "holds"),
    [
        (OutOfMemoryError(MONITOR), "oom: ", FIGURES),
        (Died(None, OutOfMemoryError(MONITOR)), "oom: ", FIGURES),
        (died(MONITOR), "oom: ", FIGURES),
        (WorkerGroupError("x", {0: died(EOF), 1: OutOfMemoryError(MONITOR)}), "oom: ", FIGURES),
        (raised(MemoryError("no 9 GB")), "oom: MemoryError: no 9 GB", "what helps: "),
        (raised(torch.OutOfMemoryError("CUDA out of memory.")), "oom: ", "what helps: "),
        (died(EOF), "exit: its process was killed or crashed", "SIGKILL"),
        (died("Worker exit detail: Owner's node has crashed."), "exit: ", "Owner's node has crashed."),
        (died(NODE), "node: The actor died because its node has died", "terminated unexpectedly"),
        (NodeDiedError("gone"), "node: gone", ""),
        (RayActorError("id", "no", preempted=True), "preempted: ", ""),
        (RayActorError("id", "no module", actor_init_failed=True), "start: no module", ""),
        (raised(ValueError("bad")), "ValueError: bad", ""),
        (WorkerGroupError("x", {1: raised(ValueError("bad"))}), "ValueError: bad", ""),
        (None, "exit: its process ended", ""),
    ],
)
def test_a_death_is_told_in_one_line_that_begins_with_its_kind(error: Exception | None, begins: str, holds: str):
    reason = reason_of(error)
    assert reason.startswith(begins) and holds in reason and "\n" not in reason
    kind = begins.partition(":")[0]
    assert death_of(reason) == ("" if kind == "ValueError" else kind), "runs tell a death from a job's error by it"


@pytest.mark.fault("F30", "an allocation fails: MemoryError, torch's texts, ENOMEM")
@pytest.mark.parametrize(
    ("error", "is_oom"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_named_with_the_figures_and_what_helps(error: Exception, is_oom: bool):
    line = failure_line(error)
    assert line.startswith("oom: ") == is_oom == ("what helps" in line and " GB" in line)


@pytest.mark.fault("F17", "state of Ray's own, torn, in the store: none of it is ever read")
def test_torn_state_of_rays_is_removed_unread(tmp_path: Path):
    store = Store(tmp_path)
    store.prepare()
    for name in ("tuner.pkl", "experiment_state-2026.json", "checkpoint_manager_snapshot.json"):
        torn = store.work / "tune-killed" / "trials" / name
        torn.parent.mkdir(parents=True, exist_ok=True)
        torn.write_bytes(b'{"half')
    with scratch_folder(store) as scratch:
        assert [*scratch.iterdir()] == [] and [*store.work.iterdir()] == [scratch]
    assert [*store.work.iterdir()] == []


def test_still_values_are_told_once_and_moving_ones_never():
    still = silence.Stillness()
    assert still.seconds("a/0", 1, 0.0) == 0.0 and still.seconds("a/0", 1, 60.0) == 60.0
    assert still.tells("a/0") and not still.tells("a/0")
    assert still.seconds("a/0", 2, 61.0) == 0.0 and still.tells("a/0")
    still.forget("a")
    assert still.seconds("a/0", 2, 900.0) == 0.0


def run_on_local_cluster(store: Store, work: Faulty, n: int = 2) -> Heard:
    heard = Heard()
    store.prepare()
    with connected(None, 2) as capacity:
        run_trials(list(chains(n)), work, store, heard, capacity=capacity)
    return heard


@pytest.mark.slow
@pytest.mark.fault("F33", "a cell that always kills its worker, on Ray")
def test_a_poison_cell_fails_after_three_tries_and_the_others_finish(tmp_path: Path, recovery: Recovery):
    store = Store(tmp_path)
    heard = run_on_local_cluster(store, Faulty(store, "kill"))
    assert heard.told("failed")[BAD].startswith("exit: its process was killed") and "(3 tries)" in str(heard.events)
    assert heard.told("finished").keys() == {"training-1", "estimation-1"}
    assert [event for event, key, _ in heard.events if key == BAD and event == "died"] == ["died", "died"]
    recovery.redone = f"{store.attempts(BAD) - 1} tries of the cell"


@pytest.mark.slow
@pytest.mark.fault("F7", "SIGSTOP of a trial's process")
def test_a_hung_trial_is_told_of_then_ended_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recovery: Recovery
):
    monkeypatch.setattr(silence, "SILENT_SECONDS", 10.0)
    monkeypatch.setattr(silence, "GIVEN_UP_SECONDS", 20.0)
    store = Store(tmp_path)
    heard = run_on_local_cluster(store, Faulty(store, "stop", times=1))
    assert "gives no sign of life since" in heard.told("silent")[BAD]
    assert heard.told("died")[BAD].startswith("hung: ")
    assert heard.told("finished").keys() == {job.key for job in chains(2)} and not heard.told("failed")
    assert store.read(BAD).manifest["attempt"] == 2
    events = [(event, key) for event, key, _ in heard.events]
    recovery.seconds = heard.seconds[events.index(("finished", BAD))] - heard.seconds[events.index(("started", BAD))]
    recovery.redone = f"{store.read(BAD).manifest['attempt'] - 1} try of the cell"


OOM = """
import sys
from pathlib import Path
from mi_ray.experiments.store.store import Store
from tests.orchestration.test_deaths import run_on_local_cluster
from tests.orchestration.trials import Faulty
store = Store(Path(sys.argv[1]))
for event in run_on_local_cluster(store, Faulty(store, seconds=60.0)).events:
    print(*event)
"""


@pytest.mark.slow
@pytest.mark.fault("F30", "Ray's memory monitor kills every trial")
def test_the_memory_monitor_ends_no_sweep_and_its_figures_are_told(tmp_path: Path):
    """A threshold of 1 % of the machine's memory is passed at all times."""
    limits = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "250"}
    ran = subprocess.run(
        [sys.executable, "-c", OOM, tmp_path], env=os.environ | limits, capture_output=True, text=True, timeout=280
    )
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stderr
    failed = [line for line in ran.stdout.splitlines() if line.startswith("failed")]
    assert len(failed) == 2 and all(" oom: Ray's memory monitor ended its process; " in line for line in failed)
    assert all("its node used" in line and "(3 tries)" in line for line in failed)
