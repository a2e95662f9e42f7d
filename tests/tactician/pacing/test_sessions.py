"""Whole sessions on a simulated machine: who is ended early, at what price, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support_core import Fixture, integer, make_experiment
from tactician.experiment import Budget, Pacing, Workload
from tactician.outcomes import Outcome
from tactician.pacing.series import CUT, ENDED, SHORT, UNSETTLED
from tactician.simulated.host import SimulatedBenchmark
from tactician.simulated.intervals import Intervals
from tactician.simulated.surfaces import Surface, gaussian

SECONDS, TRIALS = 30.0, 12
USUAL = Intervals(count=30)
STREAMED, SHORT_LOOKS = "streamed", "short looks"
BAD = 30
"""From this swappiness on the simulated machine is half as good."""


def session(
    way: str,
    seed: int,
    *,
    truth: Callable[[Any], float] = lambda values: 100.0,
    intervals: Intervals = USUAL,
    between: float = 0.03,
    maximize: bool = True,
    **pacing: Any,
) -> Fixture:
    experiment = make_experiment(
        (integer("vm.swappiness", 0, 200), integer("vm.dirty_ratio", 1, 90)),
        budget=Budget(trials=TRIALS),
        pacing=Pacing(**pacing),
    )
    if way == SHORT_LOOKS:
        experiment = type(experiment)(
            **{name: getattr(experiment, name) for name in experiment.__dataclass_fields__}
            | {"workload": Workload("true", duration_s=SECONDS)}
        )
    benchmark = SimulatedBenchmark(
        Surface(truth, gaussian(between)), maximize=maximize, seconds=SECONDS, random_seed=seed,
        intervals=intervals, streams=way == STREAMED,
    )  # fmt: skip
    fixture = Fixture(experiment, benchmark)
    fixture.session.start()
    return fixture


def tried(fixture: Fixture, swappiness: int, trials: int = TRIALS, *, whole: bool = False) -> list[Outcome]:
    there = {"vm.swappiness": swappiness, "vm.dirty_ratio": 20}
    return [fixture.session.trial(there, whole=whole) for _ in range(trials)]


def half_as_good(values: Any) -> float:
    return 100.0 if values["vm.swappiness"] != BAD else 50.0


@pytest.mark.parametrize(
    ("way", "intervals", "between"),
    [
        (STREAMED, Intervals(count=30), 0.03),
        (STREAMED, Intervals(count=30, deviation=0.1, correlation=0.8), 0.03),
        (STREAMED, Intervals(count=60, deviation=0.1, correlation=0.0), 0.001),
        (STREAMED, Intervals(count=60, deviation=0.02), 0.1),
        (SHORT_LOOKS, Intervals(count=30), 0.03),
    ],
)
def test_of_equals_no_more_are_aborted_than_stated(way: str, intervals: Intervals, between: float) -> None:
    """Nothing matters, and the incumbent is the luckiest of all trials so far."""
    error, runs = 0.05, 25
    aborted = 0
    for seed in range(runs):
        made = session(way, seed, intervals=intervals, between=between, adaptive_length=way != STREAMED)
        aborted += sum(outcome.status == "aborted" for outcome in tried(made, 10))
    count = runs * TRIALS
    assert aborted / count <= error + 3.1 * (error * (1.0 - error) / count) ** 0.5


@pytest.mark.parametrize("way", [STREAMED, SHORT_LOOKS])
@pytest.mark.parametrize("maximize", [True, False])
def test_a_bad_trial_is_aborted_and_its_reward_is_what_it_earned(way: str, maximize: bool) -> None:
    truth = half_as_good if maximize else lambda values: 10_000.0 / half_as_good(values)
    made = session(way, 3, truth=truth, maximize=maximize, adaptive_length=way == SHORT_LOOKS)
    good = tried(made, 10, 6)
    spent = made.session.benchmark_seconds
    outcome = tried(made, BAD, 1)[0]
    assert outcome.status == "aborted"
    assert "surely worse than the best so far" in outcome.reason
    assert outcome.fine and not outcome.ok and outcome.score is None
    estimate = outcome.estimate
    assert estimate is not None
    assert estimate.score.performance == pytest.approx(0.5, rel=0.1)
    assert outcome.reward == estimate.score.reward < max(trial.reward for trial in good)
    assert (estimate.bound >= estimate.value) is maximize or estimate.bound == estimate.value
    assert 0.0 < outcome.seconds < 0.5 * SECONDS
    assert made.session.benchmark_seconds == pytest.approx(spent + outcome.seconds)
    assert made.kernel.shown() == made.start
    assert made.session.exhausted is None


def test_aborted_trials_are_no_failures_and_no_winners() -> None:
    made = session(STREAMED, 5, truth=half_as_good)
    tried(made, 10, 4)
    outcomes = tried(made, BAD, 5)
    assert [outcome.status for outcome in outcomes] == ["aborted"] * 5
    assert made.session.exhausted is None, "five failures in a row would have ended the session"
    best = max(outcome.score.reward for outcome in made.session.trials if outcome.score)
    assert all(outcome.reward < best for outcome in outcomes)


def test_a_trial_that_is_behind_is_measured_no_longer_than_its_noise_makes_useful() -> None:
    made = session(STREAMED, 7, abort_trials=False, truth=half_as_good)
    tried(made, 10, 4)
    outcome = tried(made, BAD, 1)[0]
    assert outcome.ok and outcome.score is not None
    assert outcome.measurement.value == pytest.approx(50.0, rel=0.15)
    assert outcome.measurement.metrics[ENDED] == outcome.seconds < 0.5 * SECONDS


@pytest.mark.parametrize("way", [STREAMED, SHORT_LOOKS])
def test_what_is_to_be_compared_runs_to_its_end(way: str) -> None:
    made = session(way, 9, truth=half_as_good)
    tried(made, 10, 4)
    whole = tried(made, BAD, 1, whole=True)[0]
    assert whole.ok and whole.measurement.seconds == SECONDS
    verdict = made.session.verify(
        {"vm.swappiness": BAD, "vm.dirty_ratio": 20}, made.session.baseline, "original", 5
    )
    assert verdict.seconds == pytest.approx(verdict.runs * SECONDS)
    assert all(outcome.measurement.seconds == SECONDS for outcome in made.session.baselines)


@pytest.mark.parametrize("way", [STREAMED, SHORT_LOOKS])
def test_without_pacing_everything_runs_to_its_end(way: str) -> None:
    made = session(way, 9, truth=half_as_good, abort_trials=False, adaptive_length=False)
    assert {outcome.seconds for outcome in [*tried(made, 10, 4), *tried(made, BAD, 2)]} == {SECONDS}


def test_a_run_that_is_getting_better_is_waited_for() -> None:
    """Its caches fill; at the end it is the best."""
    made = session(STREAMED, 11)
    tried(made, 10, 3)
    pace = made.session._pacer.pace("trial", made.session.baselines, made.session.trials)
    from tactician.pacing.watching import Watcher

    assert pace.stream is not None
    rising, steady = (Watcher(pace.stream, lambda: 1.0, Pacing()) for _ in range(2))
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(24)
    assert not any(rising(float(at + 1), 40.0 + 4.0 * at + noise[at]) for at in range(16))
    assert any(steady(float(at + 1), 60.0 + noise[at]) for at in range(16))


def test_short_looks_are_given_up_where_length_matters_to_the_baseline() -> None:
    warming = Intervals(count=30, warmup_depth=0.6, warmup_intervals=6.0)
    made = session(SHORT_LOOKS, 13, intervals=warming)
    outcomes = tried(made, 10, 2)
    assert any("in a short run" in text and "whole length" in text for text in made.session.notices)
    assert all(outcome.seconds == SECONDS for outcome in outcomes)
    assert SHORT in made.session.baselines[0].measurement.metrics


def test_warm_up_is_cut_from_baselines_trials_and_verification_alike() -> None:
    warming = Intervals(count=40, deviation=0.02, warmup_depth=0.6)
    made = session(STREAMED, 15, intervals=warming, between=0.001)
    trial = tried(made, 10, 1, whole=True)[0]
    verdict = made.session.verify(trial.configuration, made.session.baseline, "original", 5)
    cut = [*made.session.baselines, trial]
    assert all(CUT in outcome.notes for outcome in cut)
    assert [outcome.measurement.value for outcome in cut] == pytest.approx([100.0] * len(cut), rel=0.03)
    assert verdict.reference_median == pytest.approx(100.0, rel=0.03)
    assert made.session.notices.count(CUT) == 1


def test_runs_that_do_not_settle_are_not_ended_early() -> None:
    slow = Intervals(count=40, deviation=0.01, warmup_depth=0.9, warmup_intervals=60.0)
    made = session(STREAMED, 17, intervals=slow, truth=half_as_good)
    assert UNSETTLED in made.session.notices
    assert tried(made, BAD, 1)[0].seconds == pytest.approx(SECONDS)
