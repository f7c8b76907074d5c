"""Time: the forecast of the time to go, and the account of the slots."""

import pytest

from mi_ray.experiments.plan.cost import job_work
from mi_ray.experiments.plan.queue import Queue
from mi_ray.running.clock import Accounting, Forecast, rounded_duration, to_go
from tests.running.rehearsal import SMALL, Clock, Rehearsal, plan_of


def simulate(rehearsal, slots, seconds_of):
    """Run everything on ``slots`` slots; yields (now, time to go as told, training done) after every job."""
    queue, running = Queue(rehearsal.jobs, rehearsal.store, slots=slots), {}
    while True:
        while len(running) < slots and (job := queue.take()) is not None:
            rehearsal.start(job)
            running[job.key] = job, rehearsal.clock.now + seconds_of(job)
        if not running:
            return
        job, end = min(running.values(), key=lambda entry: entry[1])
        del running[job.key]
        rehearsal.clock.now = end
        rehearsal.commit(job, seconds_of(job))
        queue.done(job)
        yield rehearsal.clock.now, rehearsal.screen._seconds_to_go(), job.kind


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
@pytest.mark.parametrize("rate", [1e9, 7e10, 1e13], ids=["slow machine", "this machine", "fast machine"])
def test_once_a_training_is_done_the_time_to_go_is_within_half_of_the_truth(store, slots, rate):
    rehearsal = Rehearsal(store, slots=slots)
    off = {"training": 1.2, "embedding": 0.8, "estimation": 0.7, "evaluation": 1.5}
    told = list(simulate(rehearsal, slots, lambda job: off[job.kind] * job_work(job) / rate))
    first = next(index for index, (_, _, kind) in enumerate(told) if kind == "training")
    end = told[-1][0]
    for now, seconds, _ in told[first:-1]:
        assert seconds == pytest.approx(end - now, rel=0.5, abs=0.05 * (end - 1000))
    assert told[-1][1] is None


def test_before_a_training_is_done_its_progress_tells_its_rate(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    job = rehearsal.job("training")
    rehearsal.start(job)
    for second in range(100):
        rehearsal.clock.now += 1
        rehearsal.progress(job, second / 1000)
        rehearsal.screen.tick()
    assert rehearsal.screen._seconds_to_go() == pytest.approx(900, rel=0.2)


def test_a_resumed_training_does_not_look_fast(store):
    rehearsal = Rehearsal(store, pairing=("color",), task=("color",))
    job = rehearsal.job("training")
    rehearsal.start(job)
    for second in range(100):
        rehearsal.clock.now += 1
        rehearsal.progress(job, 0.5 + second / 1000)
        rehearsal.screen.tick()
    assert rehearsal.screen._seconds_to_go() == pytest.approx(400, rel=0.3)


def test_the_time_to_go_is_never_below_the_longest_chain(store):
    jobs = plan_of(**SMALL).missing_jobs(store)
    forecast = Forecast(jobs, Clock())
    chain = [next(job for job in jobs if job.kind == kind) for kind in ("training", "embedding")]
    last = max(job_work(job) for job in jobs if job.needs == chain[1].key)
    longest = (sum(job_work(job) for job in chain) + last) / 7e10
    assert forecast.seconds([job.key for job in jobs], {}, slots=1000) == pytest.approx(longest)


def test_the_time_to_go_settles_on_a_new_forecast_rather_than_jumping(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    forecast = Forecast(jobs, clock)
    everything = [job.key for job in jobs]
    before = forecast.seconds(everything, {}, slots=1)
    clock.now += 1
    after = forecast.seconds(everything, {}, slots=2)
    assert before / 2 < after < before - 1
    clock.now += 60
    assert forecast.seconds(everything, {}, slots=2) == pytest.approx(before / 2, rel=0.1)


def test_nothing_is_told_when_nothing_is_left(store):
    assert Forecast([], Clock()).seconds([], {}, slots=2) is None
    assert to_go(None) == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "5 s"), (42, "40 s"), (61, "1 min"), (170, "3 min"), (5390, "90 min"), (9000, "2.5 h"), (260_000, "3.0 days")],
)
def test_durations_are_told_roughly(seconds, told):
    assert rounded_duration(seconds) == told


def test_orchestration_is_the_wall_without_the_busiest_slots_work(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    one, two = (job for job in jobs if job.kind == "training")
    clock.now += 5
    accounting.started(one)
    accounting.started(two)
    clock.now += 100
    assert accounting.ended(two, worked=98.0) == 100
    clock.now += 20
    accounting.ended(one)
    assert accounting.report() == "orchestration 5 s of 125 s wall (busiest slot worked 120 s)"


def test_a_job_takes_the_slot_that_was_freed(store):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    accounting.started(jobs[0])
    for job in jobs[1:4]:
        accounting.started(job)
        clock.now += 10
        accounting.ended(job)
    assert accounting.busiest_seconds == 30


@pytest.mark.parametrize(("late", "told"), [(30, "30 s before"), (-20, "20 s after")])
def test_the_account_tells_whether_estimation_overlapped_with_training(store, late, told):
    jobs, clock = plan_of(**SMALL).missing_jobs(store), Clock()
    accounting = Accounting(2, clock)
    training, estimation = (next(job for job in jobs if job.kind == kind) for kind in ("training", "estimation"))
    events = [(0, accounting.started, training), (50, accounting.ended, training)]
    for at, event, job in sorted([*events, (50 - late, accounting.started, estimation)], key=lambda event: event[0]):
        clock.now = 1000 + at
        event(job)
    assert f"first estimation began {told} the last training ended" in accounting.report()
