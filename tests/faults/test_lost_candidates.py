"""A search meets candidates that failed: they have no value, and it goes on without them."""

from __future__ import annotations

from typing import Any

import pytest

from mi_ray.experiments.declare import Question, training_of
from mi_ray.experiments.plan.search import LOST
from mi_ray.orchestration.search import rounds
from tests.orchestration.test_search import Answer, answered, played, searching, strengths, tried


def losing(*numbers: int, views: int = 10_000) -> Answer:
    """Answers of which the candidates of these numbers, in the order of the first generation, have none."""
    first = tried(rounds(searching(), lambda q: None)[0])
    lost = [first[number] for number in numbers]

    def answer(question: Question) -> dict[str, Any]:
        is_lost = strengths(question) in lost and training_of(question).views == views
        return LOST if is_lost else answered(question)

    return answer


@pytest.mark.fault("F19", "a candidate of a search that diverges")
def test_a_candidate_that_failed_has_no_value_and_the_search_ends_without_it():
    whole, _, _ = played(searching())
    reached, results, times = played(searching(), losing(1, 2))
    assert len(reached) == len(whole) and tried(reached[0]) == tried(whole[0])
    assert not [values for values in tried(reached[2]) if values in (tried(whole[0])[1], tried(whole[0])[2])]
    assert rounds(searching(), results.get) == reached and times == len(reached) + 1


def test_a_candidate_that_fails_on_the_full_budget_is_no_winner():
    whole, _, _ = played(searching())
    winner = tried(whole[-1])[0]
    number = tried(whole[0]).index(winner) if winner in tried(whole[0]) else None
    reached, _, _ = played(searching(), lambda q: LOST if of_full(q, winner) else answered(q))
    assert winner not in tried(reached[-1]) and (number is None or winner in tried(reached[2]))


def of_full(question: Question, candidate: dict[str, float]) -> bool:
    return strengths(question) == candidate and training_of(question).views == 30_000


@pytest.mark.parametrize("views", [10_000, 30_000])
def test_a_search_whose_default_failed_ends_with_the_questions_that_lack_an_answer(views):
    reached, results, _ = played(searching(), losing(0, views=views))
    assert reached[-1].title.startswith("the default has no value") and not reached[-1].may_fail
    assert any(results[question] is LOST for question in reached[-1].questions)


def test_a_whole_generation_may_fail_but_for_the_default():
    lost = tried(rounds(searching(), lambda q: None)[0])[1:]
    reached, _, _ = played(searching(), lambda q: LOST if strengths(q) in lost else answered(q))
    assert len(reached) == len(searching().generations) + 2
