"""Figs. 6 and 7 from the record: the table is the store's, missing cells are named or hatched, redrawing is exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import command
from analysis.cells import MissingCells
from analysis.infomin_grid.figure import caption, draw_heatmap
from analysis.infomin_grid.table import ACCURACY, ESTIMATE, Heatmap, formatted, share, table
from analysis.infomin_heatmap import draw
from mi_ray.experiments.declare import CDP
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.results.statement import TICK
from mi_ray.experiments.store.store import Store
from mi_ray.theory.tasks import Task
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.recorder import Recorder
from sweeps.infomin_grid import STUDY
from tests.committed import WHY, commit_all, made_up, plan_of, result_of

SEEDS = plan_of(seed=(0, 1), arch=("resnet10t", "resnet18"))
PLAN = plan_of()
FIGURES = {f"infomin-{name}.{suffix}" for name in ("accuracy", "estimate") for suffix in ("csv", "png", "pdf")}
FILES = FIGURES | {"verdict.json", "cells.csv"}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mirrored")
    return mirrored(SEEDS, folder)


def mirrored(plan: Plan, folder: Path) -> str:
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(plan.cells.values(), store)
    recorder = Recorder(uri, experiment=STUDY.name, sweep="infomin_grid/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(plan, store) == 0
    return uri


def read(plan: Plan, uri: str) -> pd.DataFrame:
    return read_cells(uri, STUDY.name, plan.cells.keys())


def seeds_of(plan: Plan, heatmap: Heatmap, row: pd.Series) -> list[Cell]:
    place = ("task", "pairing", "arch")
    return [
        cell
        for cell in plan.cells.values()
        if cell.kind == heatmap.kind and all(cell.parameters[name] == row[name] for name in place)
    ]


@pytest.mark.parametrize("heatmap", [ACCURACY, ESTIMATE])
def test_one_seed_shows_the_stores_value_and_its_own_standard_error(heatmap: Heatmap, uri: str) -> None:
    tidy = table(heatmap, PLAN, read(PLAN, uri))
    assert len(tidy) == 4
    for _, row in tidy.iterrows():
        (cell,) = seeds_of(PLAN, heatmap, row)
        assert row["value"] == result_of(cell)[heatmap.measure.name]
        assert row["spread"] == result_of(cell)[heatmap.measure.error]
        assert (row["spread_is"], row["n_seeds"]) == ("standard error", 1)
        assert row["class_entropy_bits"] == Task(row["task"]).entropy_bits


@pytest.mark.parametrize("heatmap", [ACCURACY, ESTIMATE])
def test_several_seeds_show_their_mean_and_standard_deviation(heatmap: Heatmap, uri: str) -> None:
    tidy = table(heatmap, SEEDS, read(SEEDS, uri))
    assert len(tidy) == 8
    for _, row in tidy.iterrows():
        values = [result_of(cell)[heatmap.measure.name] for cell in seeds_of(SEEDS, heatmap, row)]
        assert row["value"] == pytest.approx(np.mean(values)) and row["spread"] == pytest.approx(np.std(values, ddof=1))
        assert (row["spread_is"], row["n_seeds"]) == ("sd over seeds", 2)


def test_one_seed_shows_its_own_certificate_or_why_it_has_none(uri: str) -> None:
    tidy = table(ESTIMATE, PLAN, read(PLAN, uri))
    assert set(tidy["certified"]) == {True, False}
    for _, row in tidy.iterrows():
        (cell,) = seeds_of(PLAN, ESTIMATE, row)
        names = ["lower_bits", "upper_bits", "certified", "not_certified"]
        assert dict(row[names]) == {name: result_of(cell)[name] for name in names}


def test_several_seeds_are_certified_if_all_are_and_their_bracket_holds_every_one(uri: str) -> None:
    for _, row in table(ESTIMATE, SEEDS, read(SEEDS, uri)).iterrows():
        cells = seeds_of(SEEDS, ESTIMATE, row)
        brackets = [(result_of(cell)["lower_bits"], result_of(cell)["upper_bits"]) for cell in cells]
        assert (row["lower_bits"], row["upper_bits"]) == (min(brackets)[0], max(high for _, high in brackets))
        doubted = [f"seed {cell.parameters['seed']}: {WHY}" for cell in cells if made_up(cell) <= 0.5]
        assert (row["certified"], row["not_certified"]) == (not doubted, "; ".join(doubted))


def test_every_estimate_that_is_not_certified_says_why(uri: str) -> None:
    plan = plan_of(pairing=("color", "digit", "all"))
    some = [read(plan, uri), read(plan, uri).drop(columns=["certified", "not_certified"])]
    new, old = (table(ESTIMATE, plan, mirrored) for mirrored in some)
    assert (new["certified"] == (new["not_certified"] == "")).all() and not old["certified"].any()
    assert set(new["not_certified"]) == {"", WHY, "not estimated yet"}
    assert set(old["not_certified"]) == {"its record holds no certificate", "not estimated yet"}


def marked(figure: Figure) -> int:
    return sum(text.get_text() == TICK for axes in figure.axes for text in axes.texts)


def test_the_figure_marks_what_is_certified_and_its_caption_says_what_that_means(uri: str) -> None:
    tidy = table(ESTIMATE, PLAN, read(PLAN, uri))
    assert 0 < marked(draw_heatmap(ESTIMATE, tidy)) == tidy["certified"].sum() < len(tidy)
    assert caption(tidy)[1].startswith(TICK) and "95 % confidence" in caption(tidy)[1]
    assert caption(tidy)[1].endswith("the .csv says why others are not")
    assert caption(tidy.query("certified"))[1].endswith("0.1 bits wide")
    assert caption(tidy.query("not certified"))[1] == "no value is certified; the .csv says why"


def test_an_accuracy_is_neither_certified_nor_doubted(uri: str) -> None:
    tidy = table(ACCURACY, PLAN, read(PLAN, uri))
    assert "certified" not in tidy and marked(draw_heatmap(ACCURACY, tidy)) == 0 and len(caption(tidy)) == 1


def test_every_other_axis_makes_panels_of_its_own(uri: str) -> None:
    plan = plan_of(k_tr=(64, 128), k_est=(128, 256))
    tables = [table(heatmap, plan, read(PLAN, uri)) for heatmap in (ACCURACY, ESTIMATE)]
    assert [len(tidy.groupby(["arch", "k_tr"])) for tidy in tables] == [2, 2]
    assert "k_est" not in tables[0] and len(tables[1].groupby(["k_tr", "k_est"])) == 4


def test_missing_cells_are_named_one_a_line_and_nothing_is_drawn(uri: str, tmp_path: Path) -> None:
    plan = plan_of(pairing=("color", "digit"))
    absent = [c for c in plan.cells.values() if c.parameters["pairing"] == "digit" and "task" in c.parameters]
    with pytest.raises(MissingCells) as refusal:
        draw(plan, uri, tmp_path / "figures")
    lines = str(refusal.value).splitlines()
    assert len(lines) == len(absent) == 4
    assert all(any(plan.name(cell) in line for line in lines) for cell in absent)
    assert not (tmp_path / "figures").exists()


def test_partial_hatches_exactly_the_missing_cells(uri: str, tmp_path: Path) -> None:
    plan = plan_of(pairing=("color", "digit"))
    tidy = table(ESTIMATE, plan, read(plan, uri))
    hatched = [patch for patch in draw_heatmap(ESTIMATE, tidy).axes[0].patches if patch.get_hatch()]
    assert len(hatched) == (tidy["n_seeds"] == 0).sum() == 2
    assert {path.name for path in draw(plan, uri, tmp_path, partial=True)} == FILES


def test_a_cell_short_of_seeds_is_hatched_and_shows_the_mean_of_those_it_has(uri: str) -> None:
    some = read(SEEDS, uri).query("seed == 0")
    tidy = table(ACCURACY, SEEDS, some)
    assert set(tidy["n_seeds"]) == {1} and tidy["value"].notna().all() and tidy["spread"].isna().all()
    panels = draw_heatmap(ACCURACY, tidy).axes[:2]
    assert all(sum(bool(patch.get_hatch()) for patch in panel.patches) == 4 for panel in panels)


def test_nothing_mirrored_at_all_is_all_hatched(uri: str) -> None:
    tidy = table(ESTIMATE, PLAN, read(PLAN, uri).query("kind == 'training'"))
    assert sum(bool(patch.get_hatch()) for patch in draw_heatmap(ESTIMATE, tidy).axes[0].patches) == 4


def test_one_panel_per_encoder_task_down_and_pairing_across(uri: str) -> None:
    figure = draw_heatmap(ESTIMATE, table(ESTIMATE, SEEDS, read(SEEDS, uri)))
    first, second, _bar = figure.axes
    assert [first.get_title(), second.get_title()] == ["resnet10t", "resnet18"]
    assert [label.get_text() for label in first.get_xticklabels()] == ["color", "all"]
    assert [label.get_text().splitlines()[0] for label in first.get_yticklabels()] == ["color", "all"]


def test_the_estimate_is_shaded_by_its_share_of_the_class_entropy() -> None:
    assert share(ESTIMATE, 3.0, 6.0) == share(ESTIMATE, 1.0, 2.0) == 0.5
    assert share(ACCURACY, 0.9, 6.0) == 0.9
    assert share(ESTIMATE, -0.1, 2.0) == 0.0


@pytest.mark.parametrize(
    ("heatmap", "value", "least", "text"),
    [
        (ACCURACY, 0.87207, False, "87.2"),
        (ESTIMATE, -0.017, False, "\N{MINUS SIGN}0.02"),
        (ESTIMATE, -0.001, False, "0.00"),
        (ESTIMATE, 0.0037, True, "<0.01"),
        (ESTIMATE, 0.0, True, "0.00"),
    ],
)
def test_values_are_told_in_the_figures_unit(heatmap: Heatmap, value: float, least: bool, text: str) -> None:
    assert formatted(heatmap, value, least=least) == text


def test_redrawing_the_same_record_gives_the_same_bytes(uri: str, tmp_path: Path) -> None:
    first, second = (draw(SEEDS, uri, tmp_path / name) for name in ("first", "second"))
    assert {path.name for path in first} == FILES
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_csv_is_the_table(uri: str, tmp_path: Path) -> None:
    draw(SEEDS, uri, tmp_path)
    written = pd.read_csv(tmp_path / "infomin-estimate.csv").fillna({"not_certified": "", "nominal_outside": ""})
    pd.testing.assert_frame_equal(written, table(ESTIMATE, SEEDS, read(SEEDS, uri)), check_dtype=False)


SMALL = ["--preset", "smoke", "--axis", "train_images=1024", "--axis", "pairing=color", "--axis", "task=color"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with real images and a mirrored plan of one pairing and one task."""
    store = Store(tmp_path_factory.mktemp("swept"))
    prepare(CDP(train_images=1024, validation_images=1024, test_images=1024), store)
    plan = command.planned(STUDY, "smoke", SMALL[3::2], store)
    mirrored(plan, store.root)
    yield store.root


def test_the_command_draws_from_the_stores_own_database(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(STUDY, draw, [*SMALL, "--store", str(swept)]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in printed} == FILES and all(path.is_file() for path in printed)


def test_the_command_names_missing_cells_and_fails(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, "--axis", "seed=0,1", "--store", str(swept), "--out", str(tmp_path)]
    assert command.main(STUDY, draw, arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("missing: ") and "seed=1" in line for line in lines)
    assert command.main(STUDY, draw, [*arguments, "--partial"]) == 0


@pytest.mark.parametrize("flags", [["--preset", "laptop"], ["--preset", "no"], ["--axis", "color=1"]])
def test_the_command_refuses_in_one_line(swept: Path, capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    assert command.main(STUDY, draw, [*flags, "--store", str(swept)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_database_without_the_sweep_is_refused_in_one_line(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, "--store", str(swept), "--tracking-uri", f"sqlite:///{tmp_path}/none.db"]
    assert command.main(STUDY, draw, arguments) == 1
    assert "no database" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()
