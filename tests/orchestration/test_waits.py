"""A job that finds no room is told of after a minute, and every minute again, until it begins."""

from mi_ray.orchestration.dependent_search import WAIT_SECONDS, Waits


def test_a_wait_is_said_after_a_minute_and_every_minute_again():
    waits = Waits()
    said = {now: told for now in range(0, 4 * int(WAIT_SECONDS), 5) if (told := waits.seen("a", True, now)) is not None}
    assert said == {60: 60, 120: 120, 180: 180}


def test_who_begins_waits_no_more_and_may_wait_anew():
    waits = Waits()
    assert waits.seen("a", True, 0) is None
    assert waits.seen("a", False, 59) is None
    assert waits.seen("a", True, 61) is None
    assert waits.seen("a", True, 121) == 60
    assert waits.seen("b", True, 121) is None
