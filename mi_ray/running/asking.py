"""What a study asks: everything at once or, where it searches, in rounds, each by what the store holds of those before.

The store is the truth: whoever asks again is told the same rounds, and the next one as soon as the last is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mi_ray.experiments.declare import Data, Question, data_of
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.plan.plan import UNPREPARED, Plan, build
from mi_ray.experiments.plan.search import Found, Round
from mi_ray.experiments.plan.study import Axes, Study
from mi_ray.experiments.store.store import Store

DigestOf = Callable[[Data], str | None]
"""The digest of images, None while they are not prepared."""


def rounds_of(study: Study, grid: Axes, digest_of: DigestOf, store: Store) -> list[Round]:
    """The rounds known by now, the last of them to do unless the store holds it; one where nothing is searched."""
    if not study.searches:
        return [Round("", list(study.questions(grid)))]
    from mi_ray.orchestration.search import rounds

    return rounds(study.search(grid), _finished(digest_of, store))


def questions_of(rounds: Sequence[Round]) -> list[Question]:
    """The questions of all rounds."""
    return [question for one in rounds for question in one.questions]


def plan_of(study: Study, grid: Axes, digest_of: DigestOf, store: Store) -> Plan:
    """The plan of all that is asked by now."""
    return build(questions_of(rounds_of(study, grid, digest_of, store)), digest_of)


def _finished(digest_of: DigestOf, store: Store) -> Found:
    def found(question: Question) -> dict | None:
        key = cell_key(question, digest_of(data_of(question)) or UNPREPARED)
        return store.read(key).result if store.has(key) else None

    return found
