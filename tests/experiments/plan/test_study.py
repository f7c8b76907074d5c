"""A study: axes typed by its trial function, and nonsense refused before anything starts."""

import pytest

from mi_ray.experiments.declare import CDP, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.training import OptimizerName
from mi_ray.experiments.plan.search import Search
from mi_ray.experiments.plan.study import Matrix, Study, parse_axes

PRESETS = {"laptop": {}, "smoke": {"views": (1000,), "seed": (7,)}, "empty": {"seed": ()}}


def trial(
    *,
    pairing: str,
    task: str,
    seed: int = 0,
    temperature: float = 0.2,
    views: int = 100_000,
    optimizer: OptimizerName = "adamw",
    flip: bool = True,
    penalties: list[float] | None = None,
):
    training = Training(
        data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet", seed=seed, temperature=temperature,
        views=views, optimizer=optimizer, warmup=0.1 if flip else 0.0,
    )  # fmt: skip
    embedding = Embedding(encoder=training)
    if penalties is None:
        return (LinearEvaluation(embedding=embedding, task=task),)
    return (LinearEvaluation(embedding=embedding, task=task, penalties=tuple(penalties)),)


STUDY = Study(
    name="example",
    trial=trial,
    axes={"pairing": ("color", "all"), "task": ("color", "digit", "all")},
    presets=PRESETS,
    default_preset="laptop",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy"}),
)


def questions_of(*texts, preset="laptop"):
    return list(STUDY.questions(STUDY.grid(preset, parse_axes(STUDY, texts))))


def test_a_study_asks_one_question_per_point_of_its_grid():
    assert len(questions_of()) == 2 * 3
    assert len(questions_of("seed=0,1")) == 2 * 2 * 3


def test_an_axis_is_typed_by_the_signature_of_the_trial():
    assert STUDY.parse_axis("seed=0,1") == ("seed", (0, 1))
    assert STUDY.parse_axis("temperature=1,0.5") == ("temperature", (1.0, 0.5))
    assert STUDY.parse_axis("task=all") == ("task", ("all",))
    assert STUDY.parse_axis("views=1e5,2_000") == ("views", (100_000, 2000))
    assert STUDY.parse_axis("flip=false,Yes") == ("flip", (False, True))
    assert STUDY.parse_axis("penalties=[1e-3,1e-2],none") == ("penalties", ([0.001, 0.01], None))


def test_values_of_every_type_reach_the_questions():
    (question,) = questions_of("pairing=all", "task=all", "flip=no", "optimizer=sgd", "views=2e3", "penalties=[1e-3,1]")
    training = question.embedding.encoder
    assert (training.warmup, training.optimizer, training.views) == (0.0, "sgd", 2000)
    assert question.penalties == (0.001, 1.0)


def test_lists_are_values_each_once_too():
    with pytest.raises(Refused, match="one or more values, each once"):
        questions_of("penalties=[1e-3],[0.001]")


def test_a_study_of_a_trial_without_hints_is_refused_when_it_is_made():
    def untyped(*, seed):
        raise AssertionError

    with pytest.raises(Refused, match=r"^trial: parameter 'seed' has no type hint; allowed: "):
        Study(
            name="untyped", trial=untyped, axes={"seed": (0,)}, presets={"laptop": {}}, default_preset="laptop",
            matrix=STUDY.matrix,
        )  # fmt: skip


def searching(*, kind: str) -> Search:
    if kind == "raises":
        raise KeyError("x")
    if kind == "questions":
        return trial(pairing="all", task="all")
    given = {"no": 0, "two": 2}.get(kind, 1)

    def asked(*, views, seed):
        (evaluation,) = trial(pairing="all", task="all", seed=seed, views=views)
        return [evaluation] * given

    return Search(
        trial=asked, space={}, objectives={"evaluation": "accuracy"}, candidates=2, generation=1, short_views=1000,
        views=2000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raises", r"^trial: KeyError.* for kind=raises; allowed: a Search$"),
        ("questions", r"^trial: 'tuple' is not allowed; allowed: a function that returns a Search$"),
        ("no", r"^objectives: 'evaluation' is not allowed; allowed: kinds that trial asks once \(it asks 0 of this\)$"),
        ("two", r"^objectives: 'evaluation' is not allowed; .*it asks 2 of this"),
    ],
)
def test_a_trial_of_a_search_that_makes_none_is_refused_with_what_is_allowed(kind, message):
    study = Study(
        name="searching", trial=searching, axes={"kind": ("one",)}, presets={"laptop": {}}, default_preset="laptop",
        matrix=STUDY.matrix,
    )  # fmt: skip
    assert isinstance(study.search(study.grid("laptop", {})), Search)
    with pytest.raises(Refused, match=message):
        study.search(study.grid("laptop", {"kind": (kind,)}))


def test_a_trial_that_returns_other_things_than_questions_is_refused():
    def nothing(*, seed: int) -> list:
        return [seed]

    study = Study(
        name="nothing", trial=nothing, axes={"seed": (0,)}, presets={"laptop": {}}, default_preset="laptop",
        matrix=STUDY.matrix,
    )  # fmt: skip
    with pytest.raises(Refused, match=r"^trial: 'int' is not allowed; allowed: a function that returns questions$"):
        list(study.questions(study.grid("laptop", {})))


def test_a_preset_overrides_the_study_and_a_flag_overrides_the_preset():
    assert STUDY.grid("smoke", {})["seed"] == (7,)
    assert STUDY.grid("smoke", parse_axes(STUDY, ["seed=1"]))["seed"] == (1,)
    assert {question.embedding.encoder.views for question in questions_of(preset="smoke")} == {1000}


def test_what_is_no_axis_keeps_its_default():
    assert {question.embedding.encoder.temperature for question in questions_of()} == {0.2}


@pytest.mark.fault("F24", "a table of axes and presets that make no study")
@pytest.mark.parametrize(
    ("texts", "preset", "message"),
    [
        ([], "huge", "preset: 'huge' is not allowed; allowed: laptop, smoke, empty"),
        ([], "smok", "preset: 'smok' is not allowed; allowed: laptop, smoke, empty; did you mean 'smoke'?"),
        (["sed=1"], "laptop", "task, seed, temperature, views, optimizer, flip, penalties; did you mean 'seed'?"),
        (["optimizer=adam"], "laptop", "axis optimizer: 'adam' is not allowed; allowed: adamw, sgd; did you mean"),
        (["flip=maybe"], "laptop", "axis flip: 'maybe' is not allowed; allowed: true or false"),
        (["pairing=colour"], "laptop", "; did you mean 'color'?"),
        (
            ["sed=1"],
            "laptop",
            "axis: 'sed' is not allowed; allowed: pairing, task, seed, temperature, views, optimizer",
        ),
        (["seed=one"], "laptop", "axis seed: 'one' is not allowed; allowed: whole numbers, such as 3 or 1e5"),
        (["seed=0.5"], "laptop", "axis seed: '0.5' is not allowed; allowed: whole numbers, such as 3 or 1e5"),
        (["temperature=warm"], "laptop", "axis temperature: 'warm' is not allowed; allowed: finite numbers"),
        (["seed"], "laptop", "axis: 'seed' is not allowed; allowed: NAME=VALUE[,VALUE...]"),
        (["seed="], "laptop", "axis seed: '' is not allowed; allowed: one or more values, each once"),
        (["seed=1,1"], "laptop", "axis seed: '1,1' is not allowed; allowed: one or more values, each once"),
        (["temperature=0.5,0.50"], "laptop", "axis temperature: '0.5,0.5' is not allowed; allowed: one or more values"),
        ([], "empty", "axis seed: '' is not allowed; allowed: one or more values, each once"),
        (["seed=0", "seed=1"], "laptop", "axis: 'seed' is given twice; allowed: once, with all its values"),
        (["task=taste"], "laptop", "task: 'taste' is not allowed; allowed: color, digit, position"),
        (["seed=-1"], "laptop", "seed: -1 is not allowed; allowed: a whole number >= 0"),
        (["temperature=nan"], "laptop", "axis temperature: 'nan' is not allowed; allowed: finite numbers"),
    ],
)
def test_nonsense_is_refused_with_field_value_and_what_is_allowed(texts, preset, message):
    with pytest.raises(Refused) as refusal:
        questions_of(*texts, preset=preset)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_values_of_a_preset_are_held_to_the_signature_too():
    with pytest.raises(Refused, match="seed"):
        list(STUDY.questions(STUDY.grid("laptop", {"seed": ("0",)})))


def test_building_a_study_calls_no_trial():
    def never(*, seed: int):
        raise AssertionError

    Study(
        name="idle", trial=never, axes={"seed": (0,)}, presets={"laptop": {}}, default_preset="laptop",
        matrix=STUDY.matrix,
    )  # fmt: skip
