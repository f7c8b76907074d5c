"""A study: axes typed by its trial function, and nonsense refused before anything starts."""

import pytest

from mi_ray.experiments.checks import Refused
from mi_ray.experiments.declare import CDP, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.study import Matrix, Study, parse_axes

PRESETS = {"laptop": {}, "smoke": {"views": (1000,), "seed": (7,)}, "empty": {"seed": ()}}


def trial(*, pairing: str, task: str, seed: int = 0, temperature: float = 0.2, views: int = 100_000):
    training = Training(
        data=CDP(), pairing=SameClass(task=pairing), arch="test_resnet", seed=seed, temperature=temperature, views=views
    )
    return (LinearEvaluation(embedding=Embedding(encoder=training), task=task),)


STUDY = Study(
    name="example",
    trial=trial,
    axes={"pairing": ("color", "all"), "task": ("color", "digit", "all")},
    presets=PRESETS,
    default_preset="laptop",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy"}),
    analysis="none",
)


def asked(*texts, preset="laptop"):
    return list(STUDY.questions(STUDY.grid(preset, parse_axes(STUDY, texts))))


def test_a_study_asks_one_question_per_point_of_its_grid():
    assert len(asked()) == 2 * 3
    assert len(asked("seed=0,1")) == 2 * 2 * 3


def test_an_axis_is_typed_by_the_signature_of_the_trial():
    assert STUDY.parse_axis("seed=0,1") == ("seed", (0, 1))
    assert STUDY.parse_axis("temperature=1,0.5") == ("temperature", (1.0, 0.5))
    assert STUDY.parse_axis("task=all") == ("task", ("all",))


def test_a_preset_overrides_the_study_and_a_flag_overrides_the_preset():
    assert STUDY.grid("smoke", {})["seed"] == (7,)
    assert STUDY.grid("smoke", parse_axes(STUDY, ["seed=1"]))["seed"] == (1,)
    assert {question.embedding.encoder.views for question in asked(preset="smoke")} == {1000}


def test_what_is_no_axis_keeps_its_default():
    assert {question.embedding.encoder.temperature for question in asked()} == {0.2}


@pytest.mark.parametrize(
    ("texts", "preset", "told"),
    [
        ([], "huge", "preset: 'huge' is not allowed; allowed: laptop, smoke, empty"),
        (["sed=1"], "laptop", "axis: 'sed' is not allowed; allowed: pairing, task, seed, temperature, views"),
        (["seed=one"], "laptop", "axis seed: 'one' is not allowed; allowed: values of type int"),
        (["seed=0.5"], "laptop", "axis seed: '0.5' is not allowed; allowed: values of type int"),
        (["temperature=warm"], "laptop", "axis temperature: 'warm' is not allowed; allowed: values of type float"),
        (["seed"], "laptop", "axis: 'seed' is not allowed; allowed: NAME=VALUE[,VALUE...]"),
        (["seed="], "laptop", "axis seed: '' is not allowed; allowed: one or more values, each once"),
        (["seed=1,1"], "laptop", "axis seed: '1,1' is not allowed; allowed: one or more values, each once"),
        (["temperature=0.5,0.50"], "laptop", "axis temperature: '0.5,0.5' is not allowed; allowed: one or more values"),
        ([], "empty", "axis seed: '' is not allowed; allowed: one or more values, each once"),
        (["seed=0", "seed=1"], "laptop", "axis: 'seed' is given twice; allowed: once, with all its values"),
        (["task=taste"], "laptop", "task: 'taste' is not allowed; allowed: color, digit, position"),
        (["seed=-1"], "laptop", "seed: -1 is not allowed; allowed: a whole number >= 0"),
        (["temperature=nan"], "laptop", "temperature: nan is not allowed; allowed: a number > 0"),
    ],
)
def test_nonsense_is_refused_with_field_value_and_what_is_allowed(texts, preset, told):
    with pytest.raises(Refused) as refusal:
        asked(*texts, preset=preset)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_values_of_a_preset_are_held_to_the_signature_too():
    with pytest.raises(Refused, match="seed"):
        list(STUDY.questions(STUDY.grid("laptop", {"seed": ("0",)})))


def test_building_a_study_calls_no_trial():
    def never(*, seed: int):
        raise AssertionError

    Study(
        name="idle", trial=never, axes={"seed": (0,)}, presets={"laptop": {}}, default_preset="laptop",
        matrix=STUDY.matrix, analysis="none",
    )  # fmt: skip
