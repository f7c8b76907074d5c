"""A job that waits for resources is reported after a minute, and every minute again, until it starts."""

from mi_ray.orchestration.dependent_trials import WAIT_SECONDS, Waits


def test_a_wait_is_said_after_a_minute_and_every_minute_again():
    waits = Waits()
    reports = {now: waits.update("a", True, now) for now in range(0, 4 * int(WAIT_SECONDS), 5)}
    assert {now: seconds for now, seconds in reports.items() if seconds is not None} == {60: 60, 120: 120, 180: 180}


def test_who_begins_waits_no_more_and_may_wait_anew():
    waits = Waits()
    assert waits.update("a", True, 0) is None
    assert waits.update("a", False, 59) is None
    assert waits.update("a", True, 61) is None
    assert waits.update("a", True, 121) == 60
    assert waits.update("b", True, 121) is None
