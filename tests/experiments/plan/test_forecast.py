"""What a plan would cost: rates of what has run, GPU-hours where cores will not do, a whole search from nothing."""

import re

import pytest

from mi_ray.experiments.plan.cost import DEFAULT_RATE, predicted_work
from mi_ray.experiments.plan.forecast import H100_FLOPS, H100_STEP_SECONDS, forecast, forecast_search, notes, prices
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.store.store import Store
from sweeps.augmentation_search import STUDY as SEARCHING
from sweeps.infomin_grid import STUDY


def plan_of(preset, **axes):
    return build(STUDY.questions(STUDY.grid(preset, axes)), lambda data: None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_every_cell_has_a_line_and_the_last_is_their_sum(store):
    plan = plan_of("laptop")
    *lines, total = forecast(plan, store)
    assert len(lines) == len(plan.cells) and all(line.startswith("to do") for line in lines)
    minutes = sum(predicted_work(cell.declaration) for cell in plan.cells.values()) / DEFAULT_RATE / 60
    assert total == (
        f"{len(plan.cells)} cells, 0 done; the rest takes about {minutes:.0f} core-minutes"
        " (a guess: nothing has run in this store yet)"
    )


def test_a_plan_for_cores_is_not_told_in_gpu_hours(store):
    assert not any("GPU" in line for line in forecast(plan_of("laptop"), store))


def test_a_plan_that_needs_a_gpu_is_told_in_gpu_hours_and_that_they_are_assumed(store):
    plan = plan_of("paper")
    *_, line = forecast(plan, store)
    match = re.match(r"about (\S+) GPU-hours on one H100 \(assumed 30 TFLOP/s achieved and 15 ms .* measured\)", line)
    declared = [cell.declaration for cell in plan.cells.values() if cell.kind in ("training", "embedding")]
    work = sum(map(predicted_work, declared))
    steps = sum(cell.declaration.steps for cell in plan.cells.values() if cell.kind == "training")
    hours = (work / H100_FLOPS + steps * H100_STEP_SECONDS) / 3600
    assert float(match[1]) == pytest.approx(hours, abs=0.05)


def test_questions_are_not_counted_among_gpu_hours(store):
    line = next(line for line in forecast(plan_of("paper"), store) if "GPU" in line)
    assert line.endswith("core-hours for questions")


def test_a_search_costs_least_if_all_but_the_default_are_hopeless_and_most_if_none_is(store):
    search = SEARCHING.search(SEARCHING.grid("laptop", {}))
    plan = build(search.quick(search.default, 0), lambda data: None)
    (line,) = forecast_search(search, plan, store)
    least, most = map(int, re.search(r"(\d+) to (\d+) core-minutes", line).groups())
    assert "8 candidates, 11 to 24 trainings" in line and least < most

    def minutes(questions):
        cells = build(questions, lambda data: None).cells.values()
        return sum(prices(plan, store).seconds(cell) for cell in cells) / 60

    short, full = minutes(search.quick(search.default, 0)), minutes(search.thorough(search.default, 0))
    assert (least, most) == (round(10 * short + full), round(10 * short + (8 + 6) * full))


def test_the_laptops_search_takes_a_quarter_of_an_hour_on_two_cores_at_most(store):
    search = SEARCHING.search(SEARCHING.grid("laptop", {}))
    (line,) = forecast_search(search, build([], lambda data: None), store)
    assert int(re.search(r"to (\d+) core-minutes", line)[1]) <= 2 * 15


def test_a_search_that_needs_a_gpu_is_told_in_gpu_hours_at_most(store):
    search = SEARCHING.search(SEARCHING.grid("paper", {}))
    _, line = forecast_search(search, build([], lambda data: None), store)
    assert line.startswith("at most about ") and "GPU-hours on one H100" in line


def test_a_run_says_what_mnist_needs_where_it_is_given_fewer_views():
    def noted(preset, **axes):
        return list(notes(STUDY.questions(STUDY.grid(preset, axes))))

    (line,) = noted("laptop", digits=("/data/mnist",))
    assert "Here are 100,000: --axis views=300000" in line
    assert noted("laptop", digits=("/data/mnist",), views=(200_000, 300_000))[0].endswith(
        "200,000: --axis views=300000"
    )
    assert not noted("laptop", digits=("/data/mnist",), views=(300_000,))
    assert not noted("laptop") and not noted("smoke")
