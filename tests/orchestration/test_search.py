"""A search: replayed from results, only hopeless candidates dropped, chosen on validation, resumed after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mi_ray.experiments.declare import LinearEvaluation, Question, training_of
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.plan.search import Range, Round, Search
from mi_ray.experiments.plan.study import parse_axes
from mi_ray.launch import flags_of, launch
from mi_ray.orchestration.search import rounds
from sweeps import augmentation_search, infomin_grid
from sweeps.augmentation_search import OBJECTIVES, SPACE, STUDY
from tests.faults.matrix import PATIENCE
from tests.orchestration.conftest import ROOT, Ran
from tests.orchestration.test_interruptions import committed, wait_for

Answer = Callable[[Question], dict[str, Any]]


def searching(*axes: str, preset: str = "laptop") -> Search:
    return STUDY.search(STUDY.grid(preset, parse_axes(STUDY, axes)))


def strengths(question: Question) -> dict[str, float]:
    pairing = training_of(question).pairing
    return {name: getattr(pairing, name) for name in SPACE}


def quality(question: Question) -> float:
    """Best at a crop_min_scale of 0.6 and no grayscale; the default is at 0.52."""
    strength = strengths(question)
    return 1 - abs(strength["crop_min_scale"] - 0.6) - 0.4 * strength["grayscale"]


def answered(question: Question, *, noise: float = 0.01, test: float = 0.0) -> dict[str, Any]:
    """A made-up result: accuracy and estimate prefer different candidates, and seeds differ a little."""
    worth = quality(question) + noise * (training_of(question).seed % 3)
    if isinstance(question, LinearEvaluation):
        return {"linear_balanced_validation_accuracy": worth, "linear_balanced_accuracy": test}
    return {"validation_bits": 2 * strengths(question)["jitter"] + noise * question.seed, "nominal_bits": test}


def played(search: Search, answer: Answer = answered) -> tuple[list[Round], dict[Question, dict[str, Any]], int]:
    """Answer all questions until no round has new ones: the rounds, all results, and the number of replays."""
    results: dict[Question, dict[str, Any]] = {}
    for times in range(1, 100):
        reached = rounds(search, results.get)
        new = {question for one in reached for question in one.questions} - results.keys()
        if not new:
            return reached, results, times
        results |= {question: answer(question) for question in new}
    raise AssertionError("the search does not end")


def tried(one: Round) -> list[dict[str, float]]:
    return list({tuple(strengths(q).values()): strengths(q) for q in one.questions}.values())


# Replay


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_answers_give_the_same_candidates_from_beginning_to_end(objective):
    search = searching(f"objective={objective}")
    reached, results, _ = played(search)
    assert rounds(searching(f"objective={objective}"), results.get) == reached
    assert played(search)[0] == reached


def test_every_round_begins_where_the_one_before_ended():
    search = searching()
    reached, results, times = played(search)
    assert len(reached) == times - 1 == len(search.generations) + 2
    for n in range(len(reached)):
        known = {q: results[q] for one in reached[:n] for q in one.questions}
        assert rounds(search, known.get) == reached[: n + 1]


def test_a_round_that_lacks_one_answer_is_asked_again_and_none_after_it():
    search = searching()
    reached, results, _ = played(search)
    for n, one in enumerate(reached):
        rest = {q: result for q, result in results.items() if q != one.questions[0]}
        assert rounds(search, rest.get) == reached[: n + 1]


def test_what_candidates_are_worth_decides_what_is_proposed_next():
    upside_down = played(searching(), lambda q: {"linear_balanced_validation_accuracy": 1 - quality(q)})[0]
    reached = played(searching())[0]
    assert tried(reached[0]) == tried(upside_down[0])
    assert tried(reached[1]) != tried(upside_down[1])


def test_another_seed_is_another_search():
    assert tried(rounds(searching("seed=1"), lambda q: None)[0]) != tried(rounds(searching(), lambda q: None)[0])


def test_candidates_are_whole_steps_of_the_space_so_that_the_same_value_is_the_same_cell():
    reached, _, _ = played(searching("candidates=24", "generation=8"))
    for one in reached:
        for candidate in tried(one):
            for name, allowed in SPACE.items():
                steps = round((candidate[name] - allowed.low) / allowed.step)
                assert candidate[name] == round(allowed.low + steps * allowed.step, 6)


# Stages


def test_the_default_is_the_first_candidate_and_tells_seed_noise():
    (first,) = rounds(searching(), lambda q: None)
    assert tried(first)[0] == searching().default
    assert len(tried(first)) == 4
    seeds = [training_of(q).seed for q in first.questions if strengths(q) == searching().default]
    assert seeds == [0, 1, 2]


def test_candidates_are_asked_only_what_the_objective_needs():
    kinds = {name: {type(q).__name__ for q in rounds(searching(f"objective={name}"), lambda q: None)[0].questions}
             for name in OBJECTIVES}  # fmt: skip
    assert kinds["accuracy"] == {"LinearEvaluation"} and kinds["estimate"] == {"Estimation"}
    assert kinds["both"] == {"LinearEvaluation", "Estimation"}


@pytest.mark.parametrize("noise", [0.0001, 0.01, 0.05, 1.0])
def test_only_what_another_beats_by_more_than_seed_noise_is_given_up(noise):
    """Three seeds whose standard deviation is ``noise``: the margin is t(0.95, 2) sqrt(2) noise."""
    search = searching()
    reached, results, _ = played(search, lambda q: answered(q, noise=noise))
    own = [q for one in reached[:2] for q in one.questions if training_of(q).seed == 0]
    worth = {q: results[q]["linear_balanced_validation_accuracy"] for q in own}
    kept = [q for q in own if max(worth.values()) - worth[q] <= 2.92 * 2**0.5 * noise]
    assert tried(reached[2]) == [values for values in map(strengths, own)
                                 if values == search.default or values in map(strengths, kept)]  # fmt: skip
    assert {0.0001: len(kept) == 1, 1.0: len(kept) == 8}.get(noise, 1 < len(kept) < 8)


def test_the_default_is_promoted_even_where_it_is_hopeless():
    reached, _, _ = played(searching(), lambda q: answered(q, noise=0.0001))
    assert [values == searching().default for values in tried(reached[2])] == [True, False]


def test_the_best_and_the_default_are_trained_with_seeds_that_chose_nothing():
    reached, results, _ = played(searching())
    fresh = reached[-1]
    winner, default = tried(fresh)
    assert default == searching().default
    promoted = {q: results[q] for q in reached[2].questions if isinstance(q, LinearEvaluation)}
    assert winner == strengths(max(promoted, key=lambda q: promoted[q]["linear_balanced_validation_accuracy"]))
    assert {training_of(q).seed for q in fresh.questions} == {1, 2, 3}
    assert {training_of(q).views for q in fresh.questions} == {30_000}


def test_nothing_is_trained_anew_where_the_default_is_best():
    def nearest(q):
        return -abs(0.2 - strengths(q)["grayscale"]) - abs(0.2 - strengths(q)["crop_min_scale"])

    reached, _, _ = played(searching(), lambda q: {"linear_balanced_validation_accuracy": nearest(q)})
    assert reached[-1].questions == [] and "the default is best" in reached[-1].title


def test_both_objectives_send_the_best_of_each_to_fresh_seeds():
    reached, results, _ = played(searching("objective=both"))
    best = [max((q for q in reached[2].questions if value in results[q]), key=lambda q, v=value: results[q][v])
            for value in ("linear_balanced_validation_accuracy", "validation_bits")]  # fmt: skip
    assert all(strengths(question) in tried(reached[-1]) for question in best)
    assert "Pareto front" in reached[-1].title


def test_test_images_choose_nothing():
    one = played(searching("objective=both"), lambda q: answered(q, test=hash(q) % 97))[0]
    assert one == played(searching("objective=both"), lambda q: answered(q, test=0.0))[0]


# Plans and refusals


@pytest.mark.parametrize(("preset", "encoders"), [("smoke", 3), ("laptop", 6), ("paper", 10)])
def test_the_first_generation_of_each_preset(preset, encoders):
    (first,) = rounds(searching(preset=preset), lambda q: None)
    plan = build(first.questions, lambda data: None)
    assert sum(cell.kind == "training" for cell in plan.cells.values()) == encoders


def test_stages_count_every_encoder_that_is_trained():
    search = searching()
    reached, _, _ = played(search, lambda q: answered(q, noise=1.0))
    trained = {training_of(q) for one in reached for q in one.questions}
    assert len(trained) == sum(most for _, _, most in search.stages.values())


def test_a_search_takes_the_flags_of_every_sweep():
    own, other = (flags_of(study)._option_string_actions.keys() for study in (STUDY, infomin_grid.STUDY))
    assert own == other


def refused(*flags: str, capsys) -> str:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        launch(STUDY, [*flags, "--preset", "smoke", "--on", "here"])
    signal.signal(signal.SIGTERM, before)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_what_a_search_cannot_do_is_refused_by_name(capsys, monkeypatch, tmp_path):
    store = ("--store", str(tmp_path / "runs"))
    assert "only: 'training*' is not allowed" in refused("--only", "training*", *store, capsys=capsys)
    assert "axis seed: '0,1'" in refused("--axis", "seed=0,1", *store, capsys=capsys)
    assert "objective: 'speed'" in refused("--axis", "objective=speed", *store, capsys=capsys)
    assert "more than the short budget" in refused("--axis", "views=500", *store, capsys=capsys)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "needs optuna, which is not installed" in refused(*store, capsys=capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"default": 0.33}, "default: 0.33"), ({"high": 0.97}, "high: 0.97"), ({"step": 0.0}, "step: 0.0")],
)
def test_a_range_refuses_what_its_steps_do_not_reach(changed, message):
    with pytest.raises(Refused, match=message):
        replace(Range(low=0.1, high=1.0, step=0.05, default=0.2), **changed)


# The command

COMMAND = [sys.executable, str(ROOT / "sweeps" / "augmentation_search.py"), "--on", "here"]
TINY = [
    "--preset", "smoke",
    *(part for axis in ("arch=test_resnet", "candidates=2", "generation=1", "short_views=200", "views=400",
                        "train_images=1024") for part in ("--axis", axis)),
]  # fmt: skip


def start(*flags: str, store: Path) -> subprocess.Popen[str]:
    command = [*COMMAND, *flags, "--store", str(store)]
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=quiet, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*flags: str, store: Path) -> Ran:
    process = start(*flags, store=store)
    out, err = process.communicate(timeout=PATIENCE)
    return Ran(process.returncode, out, err)


def test_a_search_killed_in_its_second_round_goes_on_and_computes_nothing_twice(tmp_path):
    store = tmp_path / "runs"
    driver = start(*TINY, store=store)
    wait_for(driver, "generation 2")
    wait_for(driver, "done    training")
    driver.kill()
    driver.communicate()
    before = committed(store)
    again = run(*TINY, store=store)
    assert again.code == 0, again.err
    after = committed(store)
    assert before and {key: after[key] for key in before} == before
    assert "fresh seeds" in again.out or "the default is best" in again.out
    free = run(*TINY, store=store)
    assert "computed: 0 cells" in free.out and committed(store) == after
    drawn = {path.name for path in (store / "figures" / "augmentation_search" / "smoke").iterdir()}
    assert {"augmentation-search.md", "augmentation-search.png", "verdict.json"} <= drawn


def test_a_dry_run_lists_the_first_generation_and_tells_what_the_whole_search_costs(tmp_path):
    listed = run("--dry-run", store=tmp_path / "runs")
    assert listed.code == 0, listed.err
    first, generation = listed.out.splitlines()[:2]
    assert first == f"augmentation_search  preset laptop, store {tmp_path / 'runs'}"
    assert generation.startswith("generation 1 of 2: 4 candidates at 10000 views")
    assert sum(" training " in line for line in listed.out.splitlines()) == 6
    assert "the whole search: 8 candidates, 11 to 24 trainings" in listed.out
    assert not (tmp_path / "runs").exists()


def test_the_papers_scale_is_told_without_its_images_and_in_gpu_hours(tmp_path):
    listed = run("--preset", "paper", "--dry-run", store=tmp_path / "runs")
    assert listed.code == 0, listed.err
    assert "missing   digits: data/mnist" in listed.out
    assert "GPU-hours on one H100 (assumed 30 TFLOP/s achieved" in listed.out


def test_the_default_of_the_space_is_simclrs():
    assert searching().default == {name: getattr(augmentation_search.DEFAULT, name) for name in SPACE}
