"""What MLflow's page says of a sweep."""

from __future__ import annotations

from mlflow import MlflowClient

from mi_ray.tracking.page import described
from mi_ray.tracking.reach import sqlite_uri
from mi_ray.tracking.recorder import Recorder
from tests.committed import plan_of

AXES = {"pairing": ("color", "all"), "seed": (0,)}


def test_a_sweep_is_described_by_verdict_question_counts_axes_and_pictures():
    note, tags = described("Fig. 6: does it?", "It does not.", plan_of(), AXES, ["a b.png"])
    assert note.split("\n\n") == [
        "**It does not.**",
        "Fig. 6: does it?",
        "12 cells: 2 training, 2 embedding, 4 evaluation, 4 estimation.",
        "- pairing: color, all\n- seed: 0",
        "![a b.png]({artifact:a b.png})",
    ]
    assert (
        tags["verdict"] == "It does not." and tags["cells/estimation"] == "4" and tags["axis/pairing"] == "color, all"
    )


def test_without_a_verdict_none_is_told():
    note, tags = described("Fig. 6", "", plan_of(), {}, [])
    assert note.startswith("**No verdict.**") and "verdict" not in tags


def test_the_description_leads_to_the_attached_pictures(tmp_path):
    recorder = Recorder(
        sqlite_uri(tmp_path / "m.db"), experiment="e", sweep="e/smoke", artifacts=tmp_path / "artifacts"
    )
    recorder.begin()
    recorder.describe(*described("Fig. 6", "Holds {certainly}.", plan_of(), AXES, ["a b.png"]))
    run = MlflowClient(recorder.tracking_uri).get_run(recorder.sweep_run_id)
    note = run.data.tags["mlflow.note.content"]
    assert f"![a b.png](get-artifact?run_uuid={run.info.run_id}&path=figures/a%20b.png)" in note
    assert "Holds {certainly}." in note and run.data.tags["axis/seed"] == "0"
