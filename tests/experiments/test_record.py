"""Parameters as people and trackers see them: one name, one meaning, on trainings and on questions."""

from dataclasses import fields

from mi_ray.experiments.declare import CDP, Embedding, Estimation, LinearEvaluation, SameClass, SimCLR, Training
from mi_ray.experiments.record import PLAIN, parameters

TRAINING = Training(data=CDP(seed=3), pairing=SameClass(task="color"), arch="test_resnet", temperature=0.2, seed=1)
FROZEN = Embedding(encoder=TRAINING)
ESTIMATION = Estimation(
    embedding=FROZEN,
    pairing=SameClass(task="digit", prior="empirical", redraw=0.25),
    k_est=512,
    batches=8,
    critics=3,
    k_fit=96,
    temperature=0.07,
    steps=70,
    penalties=(1e-4, 1e-3),
    seed=2,
)
OWN = {field.name for field in fields(Estimation)} - {"embedding", "pairing"}


def test_settings_that_only_an_estimation_has_are_told_plainly():
    told = parameters(ESTIMATION)
    assert {name: told[name] for name in PLAIN} == {
        "k_est": "512", "k_fit": "96", "critics": "3", "batches": "8", "penalties": "0.0001 0.001",
    }  # fmt: skip


def test_settings_that_a_training_has_too_are_told_as_the_critics():
    told = parameters(ESTIMATION)
    assert (told["critic_temperature"], told["temperature"]) == ("0.07", "0.2")
    assert (told["critic_seed"], told["seed"], told["data_seed"]) == ("2", "1", "3")
    assert {f"critic_{name}" for name in OWN - PLAIN} <= told.keys()
    assert not {f"critic_{name}" for name in PLAIN} & told.keys()


def test_a_question_says_what_its_training_says():
    for question in (ESTIMATION, LinearEvaluation(embedding=FROZEN, task="digit")):
        assert parameters(TRAINING).items() <= parameters(question).items()


def test_the_task_of_an_estimation_tells_its_prior_and_redraw():
    assert parameters(ESTIMATION)["task"] == "digit empirical~0.25"


def test_a_training_tells_its_augmentation():
    told = parameters(Training(data=CDP(), pairing=SimCLR(jitter_strength=1.0), arch="test_resnet"))
    assert told["pairing"] == "simclr" and told["jitter_strength"] == "1"
