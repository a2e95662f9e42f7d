"""The whole loop on a fake kernel: every end is a result, and every end leaves the host as it was."""

from __future__ import annotations

import errno
import json
import os
import signal
from itertools import pairwise

import pytest

from oppertune.algorithms.all import create_tuning_instance
from support_core import (
    DIRTY_RATIO,
    SWAPPINESS,
    Fixture,
    Listed,
    Scripted,
    dirty_pair,
    flat,
    make_experiment,
    refusal,
)
from tactician.errors import BenchmarkError
from tactician.events import Learned, RunFinished, RunStarted, TrialFinished, Verified
from tactician.experiment import Budget, Verification
from tactician.outcomes import Measurement, Outcome, Score
from tactician.ports import Place
from tactician.results import exit_status
from tactician.simulated.host import SimulatedBenchmark
from tactician.simulated.surfaces import Surface, gaussian
from tactician.testing.contract import example_result
from tactician.tuner import Replayed, Tuner, choose_candidate

THERE = {SWAPPINESS: 0, DIRTY_RATIO: 40}
ELSEWHERE = {SWAPPINESS: 100, DIRTY_RATIO: 10}
SWAP = Place("/proc/sys/vm/swappiness")


def tuner_of(fixture, search=None, **options):
    return Tuner(fixture.session, search or Listed([THERE, ELSEWHERE]), undo="all is put back", **options)


def run(search=None, replayed=(), **changes):
    fixture = Fixture(**changes)
    fixture.result = tuner_of(fixture, search, replayed=replayed).run()
    return fixture


def better(configuration, number):
    """THERE is twice as good; the last digit keeps runs apart."""
    return (200.0 if configuration == THERE else 100.0) + number % 3


def test_a_run_tunes_verifies_restores_and_reports():
    fixture = run(benchmark=Scripted(better))
    result = fixture.result
    assert (result["success"], result["restored"], result["stopped_because"]) == (True, True, "budget")
    assert (result["trials"], result["failed_trials"]) == (5, 0)
    assert result["candidate"] == result["best_config"] == THERE
    assert result["improvement"] == pytest.approx(100.0, rel=0.1)
    assert result["significant"]
    assert exit_status(result) == 0
    assert fixture.kernel.shown() == fixture.start
    assert fixture.released == [True]
    assert isinstance(fixture.events[0], RunStarted)
    assert isinstance(fixture.events[-1], RunFinished)
    assert fixture.events[-1].result == result


def test_a_result_is_as_documented_and_json():
    result = run(benchmark=Scripted(better)).result
    assert set(result) == set(example_result("r", {}, {}))
    json.dumps(result, allow_nan=False)


def test_every_reward_goes_to_its_own_request():
    search = Listed([THERE, ELSEWHERE])
    fixture = run(search, benchmark=Scripted(better))
    finished = fixture.of(TrialFinished)
    assert search.rewards == [(event.request_id, event.outcome.score.reward) for event in finished]


def test_a_failed_trial_earns_nothing_and_is_data():
    search = Listed([THERE, ELSEWHERE])
    bench = Scripted(lambda configuration, run: "broken" if configuration == THERE else 100.0)
    result = run(search, benchmark=bench).result
    assert result["failed_trials"] == 3
    assert [reward for _, reward in search.rewards][::2] == [0.0, 0.0, 0.0]
    assert result["stopped_because"] == "budget"


def test_three_failures_in_a_row_stop_the_run_restored():
    bench = Scripted(lambda configuration, run: 100.0 if run <= 3 else "broken")
    fixture = run(benchmark=bench, experiment=make_experiment(budget=Budget(trials=30)))
    assert fixture.result["stopped_because"] == "failures"
    assert (fixture.result["trials"], fixture.result["failed_trials"]) == (3, 3)
    assert exit_status(fixture.result) == 3
    assert fixture.result["restored"]
    assert fixture.kernel.shown() == fixture.start
    assert fixture.of(Verified) == []


def test_without_a_baseline_nothing_is_tried_and_the_error_passes():
    fixture = Fixture(benchmark=Scripted(lambda configuration, run: "exit status 1"))
    with pytest.raises(BenchmarkError):
        tuner_of(fixture).run()
    assert fixture.released == [True]
    assert fixture.of(RunFinished)[0].result["stopped_because"] == "error"
    assert exit_status(fixture.of(RunFinished)[0].result) == 1
    assert fixture.kernel.shown() == fixture.start


@pytest.mark.parametrize("broken", [Listed([THERE], learner_throws=True)])
def test_a_learner_that_throws_loses_no_measurement_and_the_run_ends_as_an_error(broken):
    fixture = Fixture(benchmark=Scripted(better))
    tuner = tuner_of(fixture, broken)
    try:
        result = tuner.run()
    except ArithmeticError:
        result = None
    assert [event.outcome.ok for event in fixture.of(TrialFinished)] == [True]
    assert fixture.kernel.shown() == fixture.start
    assert fixture.released == [True]
    (finished,) = fixture.of(RunFinished)
    assert finished.result["stopped_because"] == "error"
    assert "the learner broke" in finished.result["error"]
    assert exit_status(finished.result) == 1
    assert result in (None, finished.result)


def one_way_kernel():
    """Takes any swappiness but the original one, from the third visit on."""
    kernel = dirty_pair()

    def one_way(kernel, text):
        if text == "60":
            raise refusal(errno.EPERM)
        kernel[SWAP.path] = text

    kernel.reactions[SWAP] = one_way
    return kernel


def test_a_host_that_cannot_be_restored_is_reported_with_its_command_and_keeps_its_journal():
    fixture = run(kernel=one_way_kernel(), benchmark=Scripted(better))
    result = fixture.result
    assert exit_status(result) == 4
    assert (result["success"], result["restored"]) == (False, False)
    assert [entry["path"] for entry in result["not_restored"]] == [SWAP.path]
    assert "sysctl -w vm.swappiness=60" in result["not_restored"][0]["message"]
    assert fixture.released == [False]
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", [2, 5, 12])
def test_a_signal_ends_the_run_restored(number, when):
    """In a baseline, in a trial, in the verification."""

    def answer(configuration, run):
        if run == when:
            os.kill(os.getpid(), number)
        return better(configuration, run)

    fixture = run(benchmark=Scripted(answer))
    assert fixture.result["stopped_because"] == "interrupted"
    assert exit_status(fixture.result) == 130
    assert not fixture.result["success"]
    assert fixture.result["improvement"] == 0.0
    assert fixture.kernel.shown() == fixture.start
    assert fixture.released == [True]


def test_a_surface_without_effect_never_gives_an_improvement():
    candidates = 0
    for seed in range(12):
        search = create_tuning_instance(
            "uniform_random", [t.parameter for t in make_experiment().parameters], {"random_seed": seed}
        )
        fixture = run(
            search,
            benchmark=flat(0.05, seed),
            experiment=make_experiment(budget=Budget(trials=8), random_seed=seed),
        )
        candidates += fixture.result["candidate"] is not None
        assert fixture.result["significant"] or fixture.result["improvement"] == 0.0
        assert (
            sum(event.verdict.significant for event in fixture.of(Verified)) == fixture.result["significant"]
        )
        if not fixture.result["significant"]:
            assert fixture.result["best_config"] == fixture.original
    assert candidates > 0


def test_an_improvement_is_the_verifications_and_never_the_best_trials():
    """The trials shine, the verification shows nothing."""
    bench = Scripted(lambda configuration, run: (300.0 if 3 < run <= 8 else 100.0) + run % 3)
    result = run(benchmark=bench).result
    assert result["candidate"] is not None
    assert result["improvement"] == 0.0
    assert not result["significant"]


# -- resuming -----------------------------------------------------------------------------------------------


def ppo(experiment):
    return create_tuning_instance(
        "ppo",
        [tuned.parameter for tuned in experiment.parameters],
        {
            "random_seed": 7, "n_steps": 4, "batch_size": 4, "n_epochs": 2, "net_arch": (8, 8),
            "state_features": experiment.state_metrics, "normalize_rewards": True,
        },
    )  # fmt: skip


def by_configuration(configuration, number):
    return 100.0 + configuration[SWAPPINESS] / 10.0 + configuration[DIRTY_RATIO] / 100.0


class Calm:
    """The same system figures at every run, so that a resumed context is the same too."""

    def start(self):
        pass

    def stop(self):
        return {"cpu_utilization": 0.5, "io_wait": 0.01}


def test_a_resumed_run_predicts_what_the_uninterrupted_one_did():
    experiment = make_experiment(
        budget=Budget(trials=None, seconds=20.0), verification=Verification(rounds=6)
    )

    def fixture(trials):
        changed = make_experiment(budget=Budget(trials=trials), max_failures=3, stop_early=False)
        return Fixture(changed, Scripted(by_configuration), monitor=Calm())

    def tried(made):
        return [event.outcome.configuration for event in made.of(TrialFinished) if event.request_id]

    whole = fixture(20 + 3)
    tuner_of(whole, ppo(experiment)).run()
    assert len(tried(whole)) == 20
    first = whole.of(TrialFinished)[:10]
    replayed = [Replayed(event.outcome, event.request_id, event.context) for event in first]
    second = fixture(20 + 3)
    search = ppo(experiment)
    tuner_of(second, search, replayed=replayed).run()
    assert tried(second) == tried(whole)[10:]
    assert second.of(RunStarted)[0].resumed_trials == 10
    assert second.of(RunFinished)[0].result["trials"] == whole.of(RunFinished)[0].result["trials"]
    steps = [event.gradient_steps for event in second.of(Learned)]
    assert all(one < other for one, other in pairwise(steps))


def test_a_resumed_run_does_not_measure_again_what_was_measured():
    experiment = make_experiment(budget=Budget(trials=5))
    first = run(experiment=experiment, benchmark=Scripted(better))
    replayed = [Replayed(e.outcome, e.request_id, e.context) for e in first.of(TrialFinished)]
    again = run(experiment=experiment, benchmark=Scripted(better), replayed=replayed)
    assert again.of(TrialFinished) == []
    assert again.result["trials"] == 5
    assert again.result["candidate"] == THERE


# -- the winner ---------------------------------------------------------------------------------------------


def tried(configuration, reward, performance=1.2):
    measurement = Measurement(100.0 * performance, "1/s", True, {}, {}, 1.0)
    return Outcome.measured(configuration, measurement, Score(performance, 1.0, reward))


def test_the_candidate_has_the_best_mean_reward():
    assert choose_candidate([tried(THERE, 1.1), tried(ELSEWHERE, 1.3)]) == ELSEWHERE


def test_one_lucky_run_does_not_beat_many_good_ones():
    lucky = [tried(ELSEWHERE, 1.32)]
    good = [tried(THERE, reward) for reward in (1.30, 1.31, 1.29, 1.30)]
    others = [tried({SWAPPINESS: n, DIRTY_RATIO: 5}, 0.9) for n in range(6)]
    assert choose_candidate([*lucky, *good, *others]) == THERE


def test_a_configuration_that_ever_failed_is_no_candidate():
    trials = [tried(ELSEWHERE, 2.0), Outcome.failed(ELSEWHERE, "crash"), tried(THERE, 1.1)]
    assert choose_candidate(trials) == THERE


def test_where_nothing_beats_the_baseline_there_is_no_candidate():
    assert choose_candidate([tried(THERE, 1.2, performance=0.99)]) is None
    assert choose_candidate([Outcome.failed(THERE, "crash")]) is None
    assert choose_candidate([]) is None


def test_rewards_of_zero_and_below_are_rewards():
    assert choose_candidate([tried(THERE, -1.0), tried(ELSEWHERE, 0.0)]) == ELSEWHERE


def test_the_noise_free_winner_is_found_on_a_simulated_surface():
    surface = Surface(lambda c: 100.0 + c[DIRTY_RATIO], gaussian(0.001))
    grid = [{SWAPPINESS: 60, DIRTY_RATIO: value} for value in (5, 30, 60, 90, 45)]
    fixture = run(Listed(grid), benchmark=SimulatedBenchmark(surface, random_seed=1))
    assert fixture.result["candidate"] == grid[3]
    assert fixture.result["significant"]


class Racing(Listed):
    """A search that tells its best few apart by itself."""

    races = True

    def __init__(self, configurations, recommended):
        super().__init__(configurations)
        self.recommended = recommended

    def recommend(self):
        return dict(self.recommended)


def test_a_search_that_races_has_the_whole_budget_and_the_last_word():
    fixture = Fixture(
        benchmark=Scripted(lambda configuration, run: 150.0), experiment=make_experiment(budget=Budget(14))
    )
    search = Racing([ELSEWHERE, THERE], recommended=THERE)
    result = tuner_of(fixture, search).run()
    assert len(search.rewards) == result["trials"] == 14
    fixture = Fixture(
        benchmark=Scripted(
            lambda configuration, run: 220.0 if configuration == ELSEWHERE else better(configuration, run)
        ),
        experiment=make_experiment(budget=Budget(14)),
    )
    result = tuner_of(fixture, Racing([ELSEWHERE, THERE], recommended=THERE)).run()
    assert result["candidate"] == THERE


def test_a_search_that_recommends_the_baseline_has_found_nothing():
    fixture = Fixture(benchmark=Scripted(better), experiment=make_experiment(budget=Budget(14)))
    fixture_start = dict(fixture.session.baseline)
    result = tuner_of(fixture, Racing([ELSEWHERE, THERE], recommended=fixture_start)).run()
    assert result["candidate"] is None
    assert not result["significant"]


def test_the_baseline_is_not_measured_again_as_the_first_trial():
    fixture = Fixture(benchmark=Scripted(better))
    start = dict(fixture.session.baseline)
    search = Listed([start, THERE])
    result = tuner_of(fixture, search).run()
    tried = [dict(event.outcome.configuration) for event in fixture.of(TrialFinished)]
    assert tried[0] == THERE
    assert len(tried) == result["trials"] == 5
    told = [reward for _, reward in search.rewards]
    assert told[0] == pytest.approx(1.0, abs=0.02)
    assert len(told) == 6
