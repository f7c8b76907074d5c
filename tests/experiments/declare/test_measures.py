"""Measures name the values of results: each name once, and every error beside its value."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mi_ray.compute.probes.accuracy import LinearAccuracy
from mi_ray.experiments.declare.measures import ACCURACY, LINEAR, MEASURES, NOMINAL, measure_named


def test_no_two_measures_share_a_name_or_a_standard_error():
    names = [name for measure in MEASURES for name in (measure.name, measure.error) if name]
    assert len(names) == len(set(names))


def test_every_measure_of_a_linear_evaluation_is_a_value_that_the_probe_computes():
    computed = {f"{LINEAR}{field.name}" for field in fields(LinearAccuracy)}
    linear = [measure for measure in MEASURES if measure.name.startswith(LINEAR)]
    assert linear and {name for m in linear for name in (m.name, m.error) if name} <= computed


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_measure_is_found_by_its_name(measure):
    assert measure_named(measure.name) is measure


def test_a_name_that_is_not_declared_gets_its_words_its_unit_and_the_error_of_a_reading():
    nwj = measure_named("nwj_bits")
    assert nwj.heading == "nwj, bits" and nwj.error == "nwj_standard_error_bits"
    assert measure_named("knn_accuracy").heading == "knn accuracy"


def test_a_measure_reads_its_value_and_error_from_a_result_and_none_where_they_are_absent():
    result = {"nominal_bits": 1.5, "nominal_standard_error_bits": 0.1}
    assert (NOMINAL.value(result), NOMINAL.standard_error(result)) == (1.5, 0.1)
    assert ACCURACY.value(result) is None and ACCURACY.standard_error(result) is None
