"""Figures of a study: drawn by a function of ours or the user's, which cannot lose the end of a run."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mi_ray.experiments.declare.checks import Refused
from mi_ray.launch import launch, run
from mi_ray.running.figures import QUESTION, draw_figures, draw_function
from tests.running.studies import SMALL, drawn_by, order_in

NAMED = "tests.running.test_figures:draw"


def draw(plan, tracking_uri, out, *, partial):
    (out / "cells.txt").write_text("\n".join(map(plan.name, plan.cells.values())))
    return [out / "cells.txt"]


def raising(plan, tracking_uri, out, *, partial):
    raise ZeroDivisionError("no\ncells")


LINE = raising.__code__.co_firstlineno + 1


def exiting(plan, tracking_uri, out, *, partial):
    raise SystemExit("no matplotlib here")


def forgetful(plan, tracking_uri, out, *, partial):
    return [out / "figure.png"]


def without_partial(plan, tracking_uri, out):
    return []


def returning(files):
    def given(plan, tracking_uri, out, *, partial):
        return files

    return given


@pytest.mark.parametrize("given", [draw, NAMED])
def test_a_function_and_its_name_are_the_same(given):
    assert draw_function(drawn_by(given)).__name__ == "draw"
    assert draw_function(SMALL) is None


def test_the_analysis_of_an_older_study_is_a_function_of_ours():
    assert replace(SMALL, analysis="infomin_heatmap").draw == "analysis.infomin_heatmap:draw"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("infomin_map", "ModuleNotFoundError: No module named 'infomin_map'"),
        ("no.such.module:draw", "ModuleNotFoundError: No module named 'no'"),
        ("tests.running.test_figures:paint", "has no attribute 'paint'"),
        ("tests.running.test_figures:NAMED", "is not a callable object"),
        (without_partial, "got an unexpected keyword argument 'partial'"),
        (7, "7 is not a callable object"),
    ],
)
def test_what_cannot_draw_is_refused_before_anything_is_computed(tmp_path, given, reason):
    with pytest.raises(Refused, match=r"draw: .* is not allowed; allowed: a function draw\(plan, ") as refusal:
        run(order_in(tmp_path / "runs", drawn_by(given)))
    assert re.search(reason, str(refusal.value)) and not (tmp_path / "runs").exists()


def test_figures_are_drawn_of_the_whole_plan_beside_the_question_that_the_study_asks(tmp_path):
    drawn = draw_figures(order_in(tmp_path, drawn_by(draw), only="training*"), "uri", "small/all")
    assert drawn.files == (tmp_path / "figures/small/all/cells.txt",) and not drawn.failure
    assert len(drawn.files[0].read_text().splitlines()) == 6
    assert (
        tmp_path / "figures/small" / QUESTION
    ).read_text() == "Studies that cost nothing to plan and little to run.\n"


@pytest.mark.parametrize(
    ("given", "failure"),
    [
        (raising, "raising failed: ZeroDivisionError: no cells (test_figures.py:{line})"),
        (exiting, "exiting failed: SystemExit: no matplotlib here (test_figures.py:{line})"),
        (forgetful, "forgetful did not write {out}/figures/small/all/figure.png"),
        (returning(None), "given returned None; allowed: a list of paths, of the files that it wrote"),
        (returning("a.png"), "given returned 'a.png'; allowed: a list of paths, of the files that it wrote"),
        (returning([5]), "given did not write 5"),
    ],
)
def test_a_failure_is_one_line_that_names_the_function_and_the_reason(tmp_path, given, failure):
    drawn = draw_figures(order_in(tmp_path, drawn_by(given)), "uri", "small/all")
    assert drawn.failure == failure.format(out=tmp_path, line=given.__code__.co_firstlineno + 1) and drawn.files == ()


@pytest.mark.parametrize(("given", "code"), [(raising, 1), (draw, 0)])
def test_a_failed_figure_costs_the_exit_code_and_nothing_else(tmp_path, capsys, given, code):
    store = tmp_path / "runs"
    with pytest.raises(SystemExit) as end:
        launch(drawn_by(given), ["--preset", "one", "--on", "here", "--store", str(store)])
    out = " ".join(capsys.readouterr().out.split())
    assert end.value.code == code and "computed: 3 cells" in out
    failed = f"figures: raising failed: ZeroDivisionError: no cells (test_figures.py:{LINE}); the same command draws"
    assert (failed in out) == bool(code)
    assert f"MLflow: sqlite:///{store}/mlflow.db, experiment small" in out
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'small'")
    (sweep,) = client.search_runs([experiment.experiment_id], "tags.kind = 'sweep'")
    assert sweep.info.status == ("FAILED" if code else "FINISHED")
    assert [Path(file.path).name for file in client.list_artifacts(sweep.info.run_id, "figures")] == (
        [] if code else ["cells.txt", "positive-pairs.csv", "positive-pairs.png"]
    )
