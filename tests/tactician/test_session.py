"""Budget, failures, baseline, observers: what trials have in common exists once and is counted right."""

from __future__ import annotations

import pytest

from support_core import (
    DIRTY_RATIO,
    SWAPPINESS,
    Fixture,
    Scripted,
    integer,
    make_experiment,
)
from tactician.errors import BenchmarkError, MisuseError, PreflightError
from tactician.events import BaselineMeasured, Notice, TrialFinished, TrialStarted, Verified
from tactician.experiment import Budget, Verification
from tactician.outcomes import Measurement, Outcome
from tactician.session import DRIFT_EVERY, Session

THERE = {SWAPPINESS: 0, DIRTY_RATIO: 40}


def steady(value=100.0):
    return Scripted(lambda configuration, run: value)


class Seconds:
    """A clock that the benchmark moves."""

    def __init__(self, per_run):
        self.now = 1000.0
        self.per_run = per_run

    def __call__(self):
        return self.now

    def benchmark(self, value=100.0):
        def answer(configuration, run):
            self.now += self.per_run
            return value

        return Scripted(answer)


def test_a_budget_of_trials_is_spent_exactly():
    fixture = Fixture(make_experiment(budget=Budget(trials=3)), steady())
    session = fixture.session
    session.start()
    for number in range(3):
        assert session.exhausted is None, number
        session.trial(THERE)
    assert session.exhausted == "budget"
    with pytest.raises(MisuseError, match="budget"):
        session.trial(THERE)
    assert len(fixture.of(TrialFinished)) == 3


def test_after_the_budgets_seconds_no_trial_begins():
    clock = Seconds(10.0)
    experiment = make_experiment(budget=Budget(trials=None, seconds=35.0))
    session = Fixture(experiment, clock.benchmark(), clock=clock).session
    session.start()
    while session.exhausted is None:
        session.trial(THERE)
    assert len(session.trials) == 4


def test_the_baseline_does_not_count_against_the_budget():
    """The budget is for trials, baselines and verification apart."""
    clock = Seconds(10.0)
    experiment = make_experiment(budget=Budget(trials=None, seconds=20.0), baseline_runs=3)
    session = Fixture(experiment, clock.benchmark(), clock=clock).session
    session.start()
    assert session.exhausted is None


def test_the_first_of_two_limits_ends_the_session():
    clock = Seconds(10.0)
    experiment = make_experiment(budget=Budget(trials=2, seconds=1e6))
    session = Fixture(experiment, clock.benchmark(), clock=clock).session
    session.start()
    while session.exhausted is None:
        session.trial(THERE)
    assert len(session.trials) == 2


def test_three_failures_in_a_row_end_the_session():
    bench = Scripted(lambda configuration, run: 100.0 if run <= 3 else "broken")
    session = Fixture(make_experiment(budget=Budget(trials=30)), bench).session
    session.start()
    for _ in range(3):
        assert session.exhausted is None
        assert not session.trial(THERE).ok
    assert session.exhausted == "failures"


def test_a_good_trial_between_failures_resets_their_count():
    bad = {4, 5, 7, 8, 10, 11}
    bench = Scripted(lambda configuration, run: "broken" if run in bad else 100.0)
    session = Fixture(make_experiment(budget=Budget(trials=8)), bench).session
    session.start()
    while session.exhausted is None:
        session.trial(THERE)
    assert session.exhausted == "budget"
    assert [outcome.ok for outcome in session.trials] == [False, False, True] * 2 + [False, False]


def test_a_refused_configuration_counts_as_a_failure_and_runs_nothing():
    session = (fixture := Fixture(benchmark=steady())).session
    session.start()
    for _ in range(3):
        session.trial({**THERE, SWAPPINESS: -1})
    assert session.exhausted == "failures"
    assert fixture.benchmark.runs == 3


def test_without_a_baseline_there_is_no_run():
    fixture = Fixture(benchmark=Scripted(lambda configuration, run: "exit status 7"))
    with pytest.raises(BenchmarkError, match="exit status 7") as caught:
        fixture.session.start()
    assert "tail of exit status 7" in str(caught.value)
    assert fixture.benchmark.runs == 3


def test_a_program_that_does_not_exist_is_tried_once():
    fixture = Fixture(benchmark=Scripted(lambda configuration, run: "not found", tool_absent=True))
    with pytest.raises(PreflightError, match="benchmark_command: not found"):
        fixture.session.start()
    assert fixture.benchmark.runs == 1


def test_one_good_baseline_run_is_enough():
    bench = Scripted(lambda configuration, run: 90.0 if run == 2 else "broken")
    fixture = Fixture(benchmark=bench)
    fixture.session.start()
    assert fixture.session.baseline_value == 90.0
    assert len(fixture.of(BaselineMeasured)) == 3


def test_the_baseline_follows_the_machine():
    bench = Scripted(lambda configuration, run: 100.0 if run <= 3 else 50.0)
    fixture = Fixture(make_experiment(budget=Budget(trials=3 * DRIFT_EVERY)), bench)
    session = fixture.session
    session.start()
    while session.exhausted is None:
        session.trial(THERE)
    drifts = [event for event in fixture.of(BaselineMeasured) if event.drift_check]
    assert len(drifts) == 2
    assert session.baseline_value == 50.0


def test_a_declared_start_is_the_baseline_and_is_taken_back():
    experiment = make_experiment((integer(SWAPPINESS, 0, 200, start=100), integer(DIRTY_RATIO, 1, 90)))
    seen = []
    fixture = Fixture(experiment)
    fixture.bench.benchmark = Scripted(lambda c, run: seen.append(fixture.kernel.shown()) or 100.0)
    fixture.session.start()
    assert fixture.session.baseline == {SWAPPINESS: 100, DIRTY_RATIO: 20}
    assert {shown["/proc/sys/vm/swappiness"] for shown in seen} == {"100"}
    assert fixture.kernel.shown() == fixture.start


def test_calls_out_of_order_are_misuse():
    session = Fixture(benchmark=steady()).session
    with pytest.raises(MisuseError, match="trial"):
        session.trial(THERE)
    session.start()
    session.close()
    with pytest.raises(MisuseError, match="trial"):
        session.trial(THERE)


def test_closing_tears_down_and_releases_once():
    fixture = Fixture(benchmark=(bench := steady()))
    fixture.session.start()
    fixture.session.close()
    fixture.session.close()
    fixture.session.abandon()
    assert fixture.released == [True]
    assert bench.log.count(("teardown",)) == 1


def test_closing_what_never_began_tears_nothing_down():
    fixture = Fixture(benchmark=(bench := steady()))
    fixture.session.close()
    assert bench.log == []
    assert fixture.released == [True]


def test_abandoning_says_that_the_host_is_not_restored():
    fixture = Fixture(benchmark=steady())
    fixture.session.start()
    fixture.session.abandon()
    fixture.session.close()
    assert fixture.released == [False]


def test_an_observer_that_throws_is_dropped_with_a_word_and_the_others_stay():
    calls = []

    def broken(event):
        calls.append(event)
        raise RuntimeError("disk on fire")

    fixture = Fixture(benchmark=steady(), observers=[broken])
    fixture.session.start()
    assert len(calls) == 1
    assert len(fixture.of(BaselineMeasured)) == 3
    (word,) = [event for event in fixture.of(Notice) if event.warning]
    assert "disk on fire" in word.text
    assert word.text in fixture.session.notices


def test_when_every_observer_throws_the_run_goes_on():
    def broken(event):
        raise RuntimeError("no")

    def broken_too(event):
        raise RuntimeError("neither")

    fixture = Fixture(benchmark=steady(), observers=[broken, broken_too])
    fixture.session.start()
    assert fixture.session.trial(THERE).ok


def test_best_is_said_of_each_new_best_and_of_no_other():
    values = iter([100.0] * 3 + [110.0, 105.0, 120.0, 120.0])
    fixture = Fixture(benchmark=Scripted(lambda configuration, run: next(values)))
    fixture.bench.monitor.stop = dict
    fixture.session.start()
    for _ in range(4):
        fixture.session.trial(THERE)
    assert [event.best for event in fixture.of(TrialFinished)] == [True, False, True, False]


def test_the_context_holds_the_state_metrics_of_the_last_run_in_order():
    experiment = make_experiment(state_metrics=("io_wait", "unheard_of"))
    fixture = Fixture(experiment, steady())
    fixture.session.start()
    context = fixture.session.context()
    assert list(context) == ["io_wait", "unheard_of"]
    assert context["unheard_of"] == 0.0


def test_a_resumed_session_counts_what_was_spent_and_measures_one_baseline_more():
    clock = Seconds(1.0)
    experiment = make_experiment(budget=Budget(trials=None, seconds=100.0))
    fixture = Fixture(experiment, clock.benchmark(), clock=clock)
    measurement = Measurement(100.0, "1/s", True, {}, {}, 1.0)
    fixture.session.resume([Outcome.measured(THERE, measurement, None)], 99.5)
    fixture.session.start()
    assert fixture.session.benchmark_seconds == pytest.approx(99.5 + 1.0)
    assert [event.drift_check for event in fixture.of(BaselineMeasured)] == [True]
    fixture.session.trial(THERE)
    assert fixture.session.exhausted == "budget"


def test_seconds_left_are_never_negative_and_shrink():
    clock = Seconds(10.0)
    experiment = make_experiment(budget=Budget(trials=5, seconds=None))
    fixture = Fixture(experiment, clock.benchmark(), clock=clock)
    fixture.session.start()
    while fixture.session.exhausted is None:
        fixture.session.trial(THERE)
    left = [event.seconds_left for event in fixture.of(TrialStarted)]
    assert all(seconds is not None and seconds >= 0 for seconds in left)
    assert left == sorted(left, reverse=True)


def test_a_verification_measures_both_arms_and_a_control_and_restores():
    experiment = make_experiment(verification=Verification(rounds=8))
    bench = Scripted(lambda configuration, run: 100.0 * (2.0 if configuration == THERE else 1.0) + run % 3)
    fixture = Fixture(experiment, bench)
    session: Session = fixture.session
    session.start()
    verdict = session.verify(THERE, session.baseline, "original", 8)
    assert verdict.significant
    assert verdict.improvement == pytest.approx(100.0, rel=0.1)
    assert verdict.runs == 3 * verdict.rounds == bench.runs - 3
    assert fixture.of(Verified)[0].verdict == verdict
    assert fixture.kernel.shown() == fixture.start
