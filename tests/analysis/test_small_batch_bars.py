"""Fig. 4 from the record: each reading stands against the bound and ceiling at its own K, and the claim can fail."""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.cells import MissingCells
from analysis.small_batch.figure import caption, draw_bars
from analysis.small_batch.table import ACCURACY, IN_TRAINING, POST_TRAINING, table
from analysis.small_batch.verdict import verdict
from analysis.small_batch_bars import draw
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.store.store import Store
from mi_ray.theory.channel import LabelChannel
from mi_ray.tracking.mirror import read_cells
from mi_ray.tracking.recorder import Recorder
from sweeps.small_batch import STUDY
from tests.committed import DIGEST, commit_all, made_up, result_of

CHANNEL = LabelChannel.uniform(64)
FILES = {"small-batch.csv", "small-batch.png", "small-batch.pdf", "verdict.json", "cells.csv"}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    return build(STUDY.questions(STUDY.grid("smoke", axes)), lambda data: DIGEST)


def as_claimed(cell: Cell) -> dict[str, Any]:
    """Results of encoders that bear the claim out, each a little apart from the next."""
    apart = made_up(cell) / 100
    if cell.kind == "training":
        ceiling = CHANNEL.nominal_ceiling_bits(int(cell.parameters["k_tr"]), temperature=0.2)
        spread = {"in_training_standard_error_bits": 0.01}
        return {"in_training_bits": ceiling - 0.1 - apart, "loss_nats": 1.0} | spread
    if cell.kind == "evaluation":
        return {"linear_balanced_accuracy": 0.98 + apart, "linear_balanced_standard_error": 0.002}
    if cell.kind == "estimation":
        return result_of(cell) | {"nominal_bits": 5.9 + apart, "nominal_standard_error_bits": 0.01}
    return result_of(cell)


PLAN, SEEDS = plan_of(), plan_of(arch=("resnet10t", "resnet18"), seed=(0, 1))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mirrored")
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(SEEDS.cells.values(), store, as_claimed)
    recorder = Recorder(uri, experiment=STUDY.name, sweep="small_batch/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(SEEDS, store) == 0
    return uri


def tidy_of(plan: Plan, uri: str) -> pd.DataFrame:
    return table(plan, read_cells(uri, STUDY.name, plan.cells.keys()))


def cells_at(plan: Plan, kind: str, k_tr: int, arch: str = "resnet10t") -> list[Cell]:
    place = {"k_tr": str(k_tr), "arch": arch}
    return [cell for cell in plan.cells.values() if cell.kind == kind and place.items() <= cell.parameters.items()]


KINDS = {
    IN_TRAINING: ("training", "in_training_bits"),
    POST_TRAINING: ("estimation", "nominal_bits"),
    ACCURACY: ("evaluation", "linear_balanced_accuracy"),
}


@pytest.mark.parametrize("quantity", KINDS)
def test_every_value_is_the_stores_at_its_own_k_tr(quantity: str, uri: str) -> None:
    kind, value = KINDS[quantity]
    rows = tidy_of(PLAN, uri).query("quantity == @quantity")
    assert list(rows["k_tr"]) == [8, 32, 128]
    for _, row in rows.iterrows():
        (cell,) = cells_at(PLAN, kind, row["k_tr"])
        assert row["mean"] == as_claimed(cell)[value] and row["n_seeds"] == 1


@pytest.mark.parametrize("quantity", KINDS)
def test_several_seeds_show_mean_and_standard_deviation_per_encoder(quantity: str, uri: str) -> None:
    kind, value = KINDS[quantity]
    rows = tidy_of(SEEDS, uri).query("quantity == @quantity")
    assert len(rows) == 2 * 3
    for _, row in rows.iterrows():
        values = [as_claimed(cell)[value] for cell in cells_at(SEEDS, kind, row["k_tr"], row["arch"])]
        assert (row["mean"], row["spread"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert (row["spread_is"], row["n_seeds"]) == ("sd over seeds", 2)


def test_a_reading_stands_against_bound_and_ceiling_at_its_own_k(uri: str) -> None:
    tidy = tidy_of(PLAN, uri).set_index(["quantity", "k_tr"])
    during, after = tidy.loc[IN_TRAINING, 8], tidy.loc[POST_TRAINING, 8]
    assert (during["k"], after["k"]) == (8, 1024)
    assert (during["bound_bits"], after["bound_bits"]) == pytest.approx((log2(15), log2(2047)))
    assert during["ceiling_bits"] == pytest.approx(3.738, abs=5e-4) == CHANNEL.nominal_ceiling_bits(8)
    assert during["cosine_ceiling_bits"] == CHANNEL.nominal_ceiling_bits(8, temperature=0.2) < during["ceiling_bits"]
    assert tidy.loc[ACCURACY, ["bound_bits", "ceiling_bits"]].isna().all(axis=None)


def test_with_one_seed_the_spread_of_an_in_training_estimate_is_that_of_its_reports(uri: str) -> None:
    during = tidy_of(PLAN, uri).query("quantity == @IN_TRAINING")
    assert set(during["spread_is"]) == {"standard error"} and set(during["spread"]) == {0.01}
    assert caption(tidy_of(PLAN, uri))[0] == "error bars: standard error, one seed"


def test_another_axis_makes_panels_of_its_own(uri: str) -> None:
    plan = plan_of(k_est=(1024, 256), temperature=(0.2, 0.5))
    tidy = tidy_of(plan, uri)
    assert len(tidy.groupby(["arch", "temperature", "k_est", "quantity"])) == 4 * 3
    during = tidy.query("quantity == @IN_TRAINING and k_tr == 8").drop_duplicates("temperature")
    assert during["cosine_ceiling_bits"].nunique() == 2


def test_a_verdict_names_what_its_panels_differ_in(uri: str) -> None:
    given = verdict(tidy_of(plan_of(temperature=(0.2, 0.5)), uri))
    assert "resnet10t, temperature=0.2, post-training, range in bits" in given.numbers


def test_the_claim_holds_where_estimates_and_accuracies_are_flat_and_readings_follow(uri: str) -> None:
    given = verdict(tidy_of(PLAN, uri))
    assert given.holds is True
    assert "post-training estimate at K_tr = 8 less the bound 3.91 of the in-training one is +" in given.sentence


def changed(tidy: pd.DataFrame, quantity: str, k_tr: int, by: float) -> pd.DataFrame:
    there = (tidy["quantity"] == quantity) & (tidy["k_tr"] == k_tr)
    return tidy.assign(mean=tidy["mean"] + by * there)


@pytest.mark.parametrize(
    ("quantity", "k_tr", "by", "words"),
    [
        (POST_TRAINING, 8, -0.5, "post-training estimate at K_tr = 8 less that at "),
        (POST_TRAINING, 128, 0.5, "post-training estimate at K_tr = "),
        (POST_TRAINING, 8, -3.0, "less the bound 3.91 of the in-training one is -1.0"),
        (IN_TRAINING, 128, -1.0, "in-training estimate less its ceiling at K_tr = 128 is -1.1"),
        (IN_TRAINING, 8, 0.2, "in-training estimate less its ceiling at K_tr = 8 is +0."),
        (ACCURACY, 128, -0.1, "less that at 128 is +"),
    ],
)
def test_each_part_of_the_claim_can_fail_and_is_told(quantity: str, k_tr: int, by: float, words: str, uri: str) -> None:
    given = verdict(changed(tidy_of(PLAN, uri), quantity, k_tr, by))
    assert given.holds is False and words in given.sentence


@pytest.mark.parametrize(("above", "holds"), [(-0.015, True), (0.0, None), (0.05, None), (0.08, False)])
def test_an_in_training_estimate_must_surely_be_no_more_than_its_margin_above_its_ceiling(
    above: float, holds: bool | None, uri: str
) -> None:
    tidy = tidy_of(PLAN, uri)
    (during,) = tidy.query("quantity == @IN_TRAINING and k_tr == 8").to_dict("records")
    risen = changed(tidy, IN_TRAINING, 8, during["cosine_ceiling_bits"] - during["mean"] + above)
    assert verdict(risen).holds is holds


def test_a_difference_near_its_margin_is_not_judged(uri: str) -> None:
    given = verdict(changed(tidy_of(PLAN, uri), POST_TRAINING, 8, -0.25))
    assert given.holds is None and "too close to tell: resnet10t, post-training estimate at K_tr = 8" in given.sentence


def test_every_encoder_must_bear_the_claim_out(uri: str) -> None:
    tidy = tidy_of(SEEDS, uri)
    assert verdict(tidy).holds is True
    lower = (tidy["quantity"] == ACCURACY) & (tidy["arch"] == "resnet18") & (tidy["k_tr"] == 8)
    given = verdict(tidy.assign(mean=tidy["mean"] - 0.2 * lower))
    assert given.holds is False and "against the paper: resnet18, accuracy at K_tr = 8 less " in given.sentence


@pytest.mark.parametrize("ks", [(8,), (64, 128)])
def test_k_tr_that_could_not_show_a_limit_are_not_judged(ks: tuple[int, ...], uri: str) -> None:
    assert "it takes two K_tr" in verdict(tidy_of(plan_of(k_tr=ks), uri)).sentence


def test_missing_cells_are_named_or_left_out_and_the_verdict_waits(uri: str, tmp_path: Path) -> None:
    plan = plan_of(k_tr=(8, 32, 16))
    with pytest.raises(MissingCells) as refusal:
        draw(plan, uri, tmp_path / "figures")
    assert len(str(refusal.value).splitlines()) == 3 and not (tmp_path / "figures").exists()
    assert {path.name for path in draw(plan, uri, tmp_path, partial=True)} == FILES
    tidy = tidy_of(plan, uri)
    assert "3 of 9 cells are missing" in verdict(tidy).sentence and "some cells are missing" in caption(tidy)[0]


def test_nothing_measured_at_all_still_draws(uri: str, tmp_path: Path) -> None:
    assert {path.name for path in draw(plan_of(k_tr=(2, 4)), uri, tmp_path, partial=True)} == FILES


def heights(figure: Figure) -> list[float]:
    return [patch.get_height() for axes in figure.axes for patch in axes.patches]


def test_the_figure_has_two_bars_per_k_tr_and_one_panel_per_encoder(uri: str) -> None:
    tidy = tidy_of(SEEDS, uri)
    figure = draw_bars(tidy)
    assert [axes.get_title() for axes in figure.axes[::2]] == ["resnet10t", "resnet18"]
    assert sorted(heights(figure)) == sorted(tidy.query("quantity != @ACCURACY")["mean"])


def test_redrawing_the_same_record_gives_the_same_bytes(uri: str, tmp_path: Path) -> None:
    first, second = (draw(SEEDS, uri, tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
