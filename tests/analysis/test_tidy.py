"""Tidy tables hold every cell that is asked for, with what was measured of it; summaries over seeds are exact."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pandas as pd
import pytest

from analysis.tables.frame import asked_and_measured, certificates_over_seeds, over_seeds
from tests.committed import made_up, numbers_of, plan_of

PLAN = plan_of(seed=(0, 1))
BY = ["task", "pairing"]


def mirror(kinds: tuple[str, ...] = ("training", "evaluation", "estimation")) -> pd.DataFrame:
    cells = [cell for cell in PLAN.cells.values() if cell.kind in kinds]
    return pd.DataFrame([{"key": c.key, "kind": c.kind, **c.parameters, **renamed(c)} for c in cells])


def renamed(cell: object) -> dict[str, float]:
    return {f"measured_{k}" if k in cell.parameters else k: v for k, v in numbers_of(cell).items()}


@pytest.mark.parametrize("kind", ["training", "evaluation", "estimation"])
def test_every_cell_asked_for_has_its_parameters_and_its_own_kinds_metrics(kind: str) -> None:
    frame = asked_and_measured(PLAN, mirror(), kind).set_index("key")
    cells = [cell for cell in PLAN.cells.values() if cell.kind == kind]
    assert list(frame.index) == [cell.key for cell in cells]
    for cell in cells:
        row = frame.loc[cell.key]
        assert {**cell.parameters, **renamed(cell)}.items() <= row.to_dict().items()
    assert set(frame.columns) == {*cells[0].parameters, *renamed(cells[0]), "certified", "not_certified"}


def test_a_missing_cell_has_nan_for_every_metric() -> None:
    held = mirror()
    frame = asked_and_measured(PLAN, held.drop(held.query("kind == 'evaluation'").index[:1]), "evaluation")
    assert isnan(frame["linear_accuracy"][0]) and frame["linear_accuracy"][1:].notna().all()
    assert frame[["certified", "not_certified"]].isna().all(axis=None)


def test_a_kind_of_which_nothing_is_mirrored_or_asked_still_makes_a_table() -> None:
    frame = asked_and_measured(PLAN, mirror(("training",)), "evaluation")
    assert len(frame) == 8
    assert over_seeds(frame, BY, "linear_accuracy")["n_seeds"].sum() == 0
    assert asked_and_measured(PLAN, mirror(), "no such kind").empty


BALANCED = ("linear_balanced_accuracy", "linear_balanced_standard_error")


def test_several_seeds_are_their_mean_and_standard_deviation() -> None:
    rows = over_seeds(asked_and_measured(PLAN, mirror(), "evaluation"), BY, *BALANCED)
    assert list(rows) == [*BY, "mean", "spread", "spread_is", "n_seeds", "n_seeds_asked"]
    for _, row in rows.iterrows():
        values = [made_up(c) for c in PLAN.cells.values() if c.kind == "evaluation" and _at(c, row)]
        assert (row["mean"], row["spread"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
        assert (row["spread_is"], row["n_seeds"], row["n_seeds_asked"]) == ("sd over seeds", 2, 2)


def _at(cell: object, row: pd.Series) -> bool:
    return all(cell.parameters[name] == row[name] for name in BY)


def test_one_seed_has_its_own_standard_error_or_none() -> None:
    frame = pd.DataFrame({"place": ["b", "a"], "bits": [1.0, 2.0], "error": [0.1, 0.2]})
    assert list(over_seeds(frame, ["place"], "bits", "error")["spread"]) == [0.1, 0.2]
    bare = over_seeds(frame, ["place"], "bits")
    assert list(bare["place"]) == ["b", "a"] and bare["spread"].isna().all()
    assert set(bare["spread_is"]) == {"unknown: one seed"}


def test_a_place_is_certified_if_every_seed_is_and_its_bracket_holds_all() -> None:
    frame = pd.DataFrame({
        "place": ["a", "a", "b"], "seed": ["0", "1", "0"], "nominal_bits": [1.0, 2.6, nan],
        "lower_bits": [0.5, 1.5, nan],
        "upper_bits": [1.5, 2.5, nan], "certified": [True, False, None], "not_certified": ["", "why", None],
    })  # fmt: skip
    first, second = certificates_over_seeds(frame, ["place"]).to_dict("records")
    assert (first["lower_bits"], first["upper_bits"]) == (0.5, 2.5)
    assert (first["certified"], first["not_certified"]) == (False, "seed 1: why")
    assert first["nominal_outside"] == "seed 1: the nominal estimate of 2.60 bits is above the bracket 1.50–2.50"
    assert first["statement"] == "1.80 ± 1.13, outside bracket in 1 of 2"
    assert second["not_certified"] == "not estimated yet" and second["statement"] == ""


def test_a_certified_place_states_the_hull_of_its_brackets_with_the_tick() -> None:
    frame = pd.DataFrame({
        "place": ["a", "a"], "seed": ["0", "1"], "nominal_bits": [1.95, 1.45], "lower_bits": [1.93, 1.91],
        "upper_bits": [2.0, 2.0], "certified": [True, True], "not_certified": ["", ""],
    })  # fmt: skip
    (row,) = certificates_over_seeds(frame, ["place"]).to_dict("records")
    assert row["certified"] and row["statement"].startswith("1.91–2.00 ✓, nominal 1.70")
    assert row["nominal_outside"] == "seed 1: the nominal estimate of 1.45 bits is below the bracket 1.91–2.00"


@pytest.mark.parametrize("seeds", [("0", "0"), ("0", "1", "0")])
def test_a_mean_over_cells_of_equal_seeds_is_refused(seeds: tuple[str, ...]) -> None:
    """They differ in something that is compared, such as K_tr, whatever it is called."""
    frame = pd.DataFrame({"place": "a", "seed": seeds, "critic_seed": "0", "bits": 1.0})
    with pytest.raises(ValueError, match="equal seeds"):
        over_seeds(frame, ["place"], "bits")


def test_a_parameter_that_some_cells_lack_loses_no_row() -> None:
    frame = pd.DataFrame({"place": ["a", None], "seed": "0", "bits": [1.0, 2.0]})
    assert list(over_seeds(frame, ["place"], "bits")["mean"]) == [1.0, 2.0]
