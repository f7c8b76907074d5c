"""Differences paired by seed, against closed forms and SciPy's own; and the layout of printed tables."""

from __future__ import annotations

from math import isnan, sqrt
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import norm, ttest_rel

from analysis.tables.difference import OVER_IMAGES, OVER_SEEDS, paired
from analysis.tables.text import Printed, number, with_spread, write_markdown


def table_of(values: dict[str, float], error: float = 0.03) -> pd.DataFrame:
    return pd.DataFrame({"seed": list(values), "accuracy": list(values.values()), "error": error})


def test_several_seeds_give_students_interval_of_the_paired_difference() -> None:
    first, second = {"0": 0.9, "1": 0.8, "2": 0.85}, {"0": 0.7, "1": 0.61, "2": 0.6}
    difference = paired(table_of(first), table_of(second), "accuracy", "error")
    truth = ttest_rel(list(first.values()), list(second.values())).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((truth.low, truth.high))
    assert (difference.seeds, difference.interval_is, difference.sign) == (3, OVER_SEEDS, 1)


def test_what_seeds_share_does_not_widen_the_interval() -> None:
    difference = paired(
        table_of({"0": 0.9, "1": 0.2, "2": 0.5}), table_of({"0": 0.8, "1": 0.1, "2": 0.4001}), "accuracy", "error"
    )
    assert (difference.low, difference.high) == pytest.approx((0.1, 0.1), abs=2e-4) and difference.sign == 1


def test_differences_that_agree_to_the_last_image_have_no_interval_and_tell_nothing() -> None:
    difference = paired(table_of({"0": 0.9, "1": 0.2}), table_of({"0": 0.8, "1": 0.1}), "accuracy", "error")
    assert isnan(difference.low) and difference.sign == 0 and difference.mean == pytest.approx(0.1)


def test_seeds_are_matched_by_name_and_those_that_one_side_lacks_do_not_count() -> None:
    difference = paired(
        table_of({"1": 0.8, "0": 0.9}), table_of({"0": 0.5, "2": 0.1, "1": float("nan")}), "accuracy", "error"
    )
    assert (difference.mean, difference.seeds) == (pytest.approx(0.4), 1)


def test_one_seed_gives_the_interval_of_both_standard_errors() -> None:
    difference = paired(table_of({"0": 0.9}, 0.03), table_of({"0": 0.8}, 0.04), "accuracy", "error")
    assert difference.high - difference.mean == pytest.approx(norm.ppf(0.975) * sqrt(0.03**2 + 0.04**2))
    assert (difference.interval_is, difference.sign) == (OVER_IMAGES, 1)


def test_no_common_seed_is_no_difference() -> None:
    difference = paired(table_of({"0": 0.9}), table_of({"1": 0.8}), "accuracy", "error")
    assert isnan(difference.mean) and difference.sign == 0


def test_numbers_are_printed_with_their_spread_and_absent_ones_as_a_dash() -> None:
    assert with_spread(97.94, 0.26, 1) == "97.9 ± 0.3" and with_spread(97.94, float("nan"), 1) == "97.9"
    assert with_spread(float("nan"), 1.0, 1) == number(float("nan"), 2, sign=True) == "\N{EN DASH}"
    assert number(-0.001, 2) == "0.00" and number(-1.5, 1) == "\N{MINUS SIGN}1.5" and number(2, 1, sign=True) == "+2.0"


def test_a_markdown_file_holds_captions_grids_and_notes(tmp_path: Path) -> None:
    path = write_markdown(tmp_path / "t.md", [Printed("A", ["x", "y"], [["1", "2"]], ["Note."])])
    assert path.read_text() == "**A**\n\n| x | y |\n| :-- | --: |\n| 1 | 2 |\n\nNote.\n"
