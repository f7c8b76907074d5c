"""Times of a cell do not run backwards, whatever the wall clock does."""

import time

import pytest

from mi_ray.experiments.run.job import Stopwatch


@pytest.mark.fault("F23", "the wall clock jumps back an hour while a cell is computed")
def test_a_jump_of_the_wall_clock_makes_no_negative_duration(monkeypatch):
    watch, now = Stopwatch(), time.time
    monkeypatch.setattr("time.time", lambda: now() - 3600)
    time.sleep(0.01)
    assert 0.01 <= watch.seconds < 60
    assert Stopwatch().started < watch.started
