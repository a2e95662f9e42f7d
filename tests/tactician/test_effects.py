"""What is said of single parameters is what the trials can tell, and nothing beyond."""

from __future__ import annotations

import random

import numpy as np

from oppertune.core.values import Integer
from support_core import Fixture, Scripted, make_experiment
from tactician.effects import effects_of
from tactician.experiment import Budget, TunedParameter
from tactician.outcomes import Estimate, Outcome, Score

NAMES = ("strong", "idle", "other")
PARAMETERS = tuple(TunedParameter(Integer(name, 50, 0, 100), "argument", name, 50) for name in NAMES)


def effects(answer, trials, seed=1):
    experiment = make_experiment(PARAMETERS, budget=Budget(trials=trials), max_failures=1000)
    fixture = Fixture(experiment, Scripted(answer))
    session = fixture.session
    session.start()
    draw = random.Random(seed)
    for _ in range(trials):
        session.trial({name: draw.randint(0, 100) for name in NAMES})
    return effects_of(experiment, session.baselines, session.trials)


def noise(run):
    return float(np.random.default_rng(run).normal())


def test_a_parameter_that_rules_matters_and_those_without_effect_are_inert():
    found = effects(lambda values, run: 100.0 + values["strong"] + noise(run), 40)
    assert found["strong"]["verdict"] == "matters"
    assert [found[name]["verdict"] for name in ("idle", "other")] == ["inert", "inert"]
    for share in found.values():
        assert 0.0 <= share["low"] <= share["share"] <= share["high"] <= 1.0


def test_where_nothing_has_an_effect_none_is_claimed_to_matter():
    for seed in range(2):
        found = effects(lambda values, run: 100.0 + noise(run + 1000 * seed), 20, seed)  # noqa: B023
        assert all(share["verdict"] != "matters" for share in found.values())


def test_too_few_trials_say_nothing():
    assert effects(lambda values, run: 100.0 + values["strong"], 6) is None


def test_failed_trials_are_left_out():
    def answer(values, run):
        return "broken" if values["other"] > 90 else 100.0 + values["strong"] + noise(run)

    assert effects(answer, 40)["strong"]["verdict"] == "matters"


def test_an_estimate_of_a_trial_that_was_ended_early_is_no_measured_effect():
    """Trials that were all ended as surely worse say what they cost, not what a parameter does."""
    experiment = make_experiment(PARAMETERS, budget=Budget(trials=40), max_failures=1000)
    session = Fixture(experiment, Scripted(lambda values, run: 100.0 + noise(run))).session
    session.start()
    draw = random.Random(3)
    for number in range(40):
        values = {name: draw.randint(0, 100) for name in NAMES}
        if number % 2:
            session.trial(values)
        else:
            level = 10.0 + values["strong"] / 2.0
            known = Estimate(level, level, "", True, 1.0, 0.05, {}, Score(level / 100.0, 1.0, 0.5))
            session.take(Outcome.aborted(values, "surely worse", 1.0, known))
    whole = [trial for trial in session.trials if trial.estimate is None]
    assert effects_of(experiment, session.baselines, session.trials) == effects_of(
        experiment, session.baselines, whole
    )


def test_where_nearly_all_were_ended_early_nothing_is_said():
    experiment = make_experiment(PARAMETERS, budget=Budget(trials=40), max_failures=1000)
    session = Fixture(experiment, Scripted(lambda values, run: 100.0)).session
    session.start()
    for number in range(30):
        known = Estimate(50.0, 50.0, "", True, 1.0, 0.05, {}, Score(0.5, 1.0, 0.5))
        values = dict.fromkeys(NAMES, number)
        session.take(Outcome.aborted(values, "surely worse", 1.0, known))
    assert effects_of(experiment, session.baselines, session.trials) is None
