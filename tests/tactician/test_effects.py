"""What is said of single parameters is what the trials can tell, and nothing beyond."""

from __future__ import annotations

import random

import numpy as np

from oppertune.core.values import Integer
from support_core import Fixture, Scripted, make_experiment
from tactician.effects import effects_of
from tactician.experiment import Budget, TunedParameter

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
