"""A run ends early where more trials would change nothing, says so, and wastes no verification on nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.algorithms.all import create_tuning_instance
from oppertune.prospects import Prospects
from support_core import DIRTY_RATIO, SWAPPINESS, Fixture, Scripted, flat, make_experiment
from tactician import stopping
from tactician.errors import PreflightError
from tactician.events import (
    BaselineMeasured,
    Notice,
    PowerAssessed,
    RunFinished,
    TrialFinished,
    TrialStarted,
    VerificationStarted,
)
from tactician.experiment import Budget, RewardWeights, Verification
from tactician.options import Options
from tactician.simulated.host import SimulatedBenchmark
from tactician.simulated.surfaces import Surface, gaussian
from tactician.stopping import Ending, ending_of, is_due, least_trials, look_ahead, unexplored
from tactician.tuner import Replayed, Tuner
from tactician.wiring import check


def tuned(benchmark=None, replayed=(), **changes):
    """A whole run of a random search with 40 trials."""
    experiment = make_experiment(**{"budget": Budget(trials=40), **changes})
    fixture = Fixture(experiment, benchmark or flat(0.02, seed=4))
    parameters = [entry.parameter for entry in experiment.parameters]
    search = create_tuning_instance("uniform_random", parameters, {"random_seed": 4})
    fixture.result = Tuner(fixture.session, search, undo="", replayed=replayed).run()
    return fixture


def sloping(seed=1):
    """Up to +100 % by one parameter."""
    return SimulatedBenchmark(
        Surface(lambda values: 100.0 + values[DIRTY_RATIO], gaussian(0.02)), random_seed=seed
    )


@given(st.integers(1, 60))
def test_looks_come_late_enough_and_less_and_less_often(parameters):
    looks = [trials for trials in range(1, 500) if is_due(trials, parameters)]
    assert looks[0] == least_trials(parameters) >= min(14, 6 + parameters)
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert gaps == sorted(gaps)
    assert len(looks) < 45


def test_where_nothing_has_an_effect_the_run_ends_and_verifies_nothing():
    fixture = tuned()
    result = fixture.result
    assert result["stopped_because"] == "decided"
    assert result["success"]
    assert result["trials"] < 40
    assert result["candidate"] is None
    assert (result["significant"], result["improvement"], result["verdicts"]) == (False, 0.0, [])
    assert fixture.of(VerificationStarted) == []
    said = f"nothing here is worth more than {result['power']['worthwhile_improvement']:.2g} %"
    assert result["decision"] == f"{said}: stopping after {result['trials']} of 40 trials"
    assert [event.text for event in fixture.of(Notice)] == [result["decision"]]
    assert fixture.kernel.shown() == fixture.start


def test_it_can_be_switched_off():
    result = tuned(stop_early=False).result
    assert (result["stopped_because"], result["trials"], result["decision"]) == ("budget", 40, None)


def test_a_gain_is_searched_for_and_verified():
    result = tuned(sloping()).result
    assert result["significant"]
    assert result["candidate"][DIRTY_RATIO] > 60
    assert result["trials"] >= least_trials(2)


def test_too_small_a_budget_is_spent_and_its_candidate_verified():
    fixture = tuned(budget=Budget(trials=least_trials(2) - 1))
    assert fixture.result["stopped_because"] == "budget"
    assert fixture.result["decision"] is None


def test_a_spent_budget_with_nothing_to_gain_is_not_verified(monkeypatch):
    monkeypatch.setattr(stopping, "WIDEST_GAP", 0.5)
    fixture = tuned(budget=Budget(trials=least_trials(2)))
    assert fixture.result["stopped_because"] == "budget"
    assert "there is nothing to verify" in fixture.result["decision"]
    assert fixture.of(VerificationStarted) == []


def test_a_resumed_run_ends_where_the_whole_one_did():
    whole = tuned()
    trials = whole.of(TrialFinished)
    replayed = [Replayed(event.outcome, event.request_id, event.context) for event in trials]
    again = tuned(replayed=replayed)
    assert again.of(TrialStarted) == []
    assert again.result["decision"] == whole.result["decision"]


def test_a_search_for_stability_is_not_ended_by_the_metric():
    assert tuned(reward=RewardWeights(0.0, 1.0)).result["decision"] is None


def measured(fixture, trials):
    fixture.session.start()
    for number in range(trials):
        fixture.session.trial({SWAPPINESS: 15 * number, DIRTY_RATIO: 1 + 89 * number // max(1, trials - 1)})
    session = fixture.session
    return session.experiment, session.baseline, session.baselines, session.trials


@pytest.mark.parametrize(
    ("over_default", "over_best", "expected"),
    [
        (0.0, 0.0, Ending(True, 0.0, 0.02)),
        (0.04, 0.5, Ending(True, 0.04, 0.02)),
        (0.5, 0.01, Ending(False, 0.01, 0.02)),
        (0.5, 0.3, None),
    ],
)
def test_the_chances_decide(monkeypatch, over_default, over_best, expected):
    found = Prospects(over_default, over_best, {}, 0.1)
    monkeypatch.setattr(stopping, "look_ahead", lambda *given: found)
    fixture = Fixture(make_experiment(budget=Budget(trials=40)))
    assert ending_of(*measured(fixture, 14), 0.02) == expected
    assert ending_of(*measured(Fixture(make_experiment(budget=Budget(trials=40))), 13), 0.02) is None


def test_what_was_never_looked_into_is_found_and_filled(monkeypatch):
    fixture = Fixture(make_experiment(budget=Budget(trials=40)))
    experiment, baseline, _, trials = measured(fixture, 14)
    assert unexplored(experiment, baseline, trials) is None
    low = [o for o in trials if o.configuration[DIRTY_RATIO] <= 60]
    gap = unexplored(experiment, baseline, low)
    assert gap is not None
    assert gap[DIRTY_RATIO] > 60
    highest = max(o.configuration[DIRTY_RATIO] for o in low)
    assert gap[DIRTY_RATIO] > highest


def test_a_metric_that_is_zero_or_negative_is_judged_too():
    bench = Scripted(lambda values, run: -5.0 + (run % 3) / 10.0)
    found = look_ahead(*measured(Fixture(make_experiment(budget=Budget(trials=40)), bench), 14), 0.05)
    assert found is not None
    assert 0.0 <= found.over_default <= 1.0


def test_one_baseline_run_is_too_little_to_judge_by():
    experiment = make_experiment(budget=Budget(trials=7), baseline_runs=1)
    assert look_ahead(*measured(Fixture(experiment), 7), 0.02) is None


@pytest.mark.parametrize(
    ("ending", "budget", "said"),
    [
        (Ending(True, 0.0, 0.02), 60, "nothing here is worth more than 2 %: stopping after 14 of 60 trials"),
        (Ending(True, 0.0, 0.034), None, "nothing here is worth more than 3.4 %: stopping after 14 trials"),
        (Ending(True, 0.0, .05, True), 14, "nothing here is worth more than 5 %; there is nothing to verify"),
        (
            Ending(False, 0.0, 0.02), 60,
            "more trials would gain less than 2 % over the best so far: stopping after 14 of 60 trials",
        ),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_decided(ending, budget, said):
    assert ending.sentence(14, budget) == said


# -- what can be proven, before the first trial --------------------------------------------------------------


def test_what_can_be_proven_is_said_before_the_first_trial_and_kept_in_the_result():
    fixture = tuned(budget=Budget(trials=3))
    kinds = [type(event) for event in fixture.events]
    assert kinds.index(PowerAssessed) > kinds.index(BaselineMeasured)
    assert kinds.index(PowerAssessed) < kinds.index(TrialStarted)
    (event,) = fixture.of(PowerAssessed)
    for key in ("noise", "provable_improvement", "worthwhile_improvement", "baseline_runs"):
        assert fixture.result["power"][key] == event.found[key]
    assert event.found["baseline_runs"] == 3
    assert event.seconds_left == pytest.approx(3 * (1 + 1 / 8) * 10.0 + 3 * 6 * 10.0)


def test_a_target_that_cannot_be_proven_is_refused_before_any_trial_with_the_rounds_that_would_do():
    fixture = Fixture(make_experiment(target_improvement=0.005), flat(0.05))
    with pytest.raises(PreflightError, match=r'"verification": \{"rounds": \d+\} would do|cannot be proven'):
        Tuner(fixture.session, None, undo="").run()
    assert fixture.of(TrialStarted) == []
    assert 3 < len(fixture.of(BaselineMeasured)) <= 8
    assert fixture.of(RunFinished)[0].result["power"]["target_improvement"] == 0.5
    assert fixture.released == [True]
    assert fixture.kernel.shown() == fixture.start


def test_a_target_that_can_be_proven_is_no_obstacle():
    assert tuned(target_improvement=0.9, budget=Budget(trials=3)).result["trials"] == 3


def test_a_target_that_no_benchmark_could_prove_is_refused_before_anything():
    experiment = make_experiment(target_improvement=0.1, verification=Verification(rounds=3))
    with pytest.raises(PreflightError, match="3 rounds of verification; 4 are the least"):
        check(experiment, Options())
    check(make_experiment(target_improvement=0.1, verification=Verification(rounds=4)), Options())
    check(make_experiment(verification=Verification(rounds=3)), Options())
