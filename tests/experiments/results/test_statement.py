"""What an estimate is shown as: the tick stands beside a bracket or nowhere, and what is outside it says so."""

from __future__ import annotations

from itertools import product
from math import nan

import pytest

from mi_ray.experiments.results.statement import statement

BRACKETS = [(1.93, 2.0), (0.0, 2.0), (1.999, 2.0), (nan, nan)]
NOMINALS = [-0.004, 0.0, 1.4, 1.93, 1.9999999, 2.0, 2.0003, 2.4]


def result(nominal, lower=1.93, upper=2.0, *, certified=True):
    return {
        "nominal_bits": nominal, "nominal_standard_error_bits": 0.06, "lower_bits": lower, "upper_bits": upper,
        "certified": certified, "not_certified": "" if certified else "a leak; too wide",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (result(1.96), "1.93–2.00 ✓"),
        (result(1.40), "1.93–2.00 ✓, nominal 1.40 below"),
        (result(2.0003), "1.93–2.00 ✓, nominal 2.0003 above"),
        (result(1.96, certified=False), "1.96 ± 0.06"),
        (result(1.40, certified=False), "1.40 ± 0.06, below 1.93–2.00"),
        (result(-0.004, 0.0, certified=False), "-0.004 ± 0.06, below 0.00–2.00"),
        (result(1.96, nan, nan), "1.96 ± 0.06"),
        ({"nominal_bits": nan}, ""),
        ({}, ""),
    ],
)
def test_one_estimation(given, text):
    assert statement([given]).text_with_spread == text


@pytest.mark.parametrize(("limits", "nominal", "certified"), list(product(BRACKETS, NOMINALS, (True, False))))
def test_a_tick_stands_beside_a_bracket_and_a_value_outside_its_bracket_says_so(limits, nominal, certified):
    shown = statement([result(nominal, *limits, certified=certified)])
    outside = nominal < limits[0] or nominal > limits[1]
    assert bool(shown.outside) == outside == any(word in shown.text for word in ("below", "above"))
    assert ("✓" in shown.text) == (certified and limits[0] == limits[0])
    if "✓" in shown.text:
        assert shown.text.startswith(f"{limits[0]:.2f}–{limits[1]:.2f} ✓")


def test_seeds_are_certified_together_and_the_hull_of_their_brackets_is_shown():
    both = [result(1.96), result(1.99, 1.95)]
    assert statement(both).text == "1.93–2.00 ✓"
    assert statement(both, expected=3).text == "1.98" and not statement(both, expected=3).certified
    assert statement([*both, result(1.97, certified=False)]).text == "1.97"
    assert statement([result(1.40), result(1.96)]).text == "1.93–2.00 ✓, nominal 1.68 outside in 1 of 2"


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        (result(1.96, certified=False), ("a leak", "too wide")),
        ({"nominal_bits": 1.0}, ("its record holds no certificate",)),
        ({"nominal_bits": 1.0, "certified": False}, ("its record does not say why",)),
        ({}, ("not estimated yet",)),
        (result(1.96), ()),
    ],
)
def test_all_reasons_are_kept(given, reasons):
    assert statement([given]).estimates[0].reasons == reasons
