"""A search with a floor keeps to it more than one without; a search without one is what it was."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from oppertune.algorithms.auto import Auto
from oppertune.algorithms.bayesian_optimization import BayesianOptimization
from oppertune.core.space import Constraint
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Inputs
from oppertune.models.safety import Floor, level_of
from oppertune.testing.landscapes import system_like

CASES = json.loads((Path(__file__).parents[2] / "cases/search/unguarded.json").read_text(encoding="utf-8"))
KNOBS = (Real("x", 0.3, 0.0, 1.0), Integer("n", 4, 0, 16), Categorical("mode", "a", ("a", "b", "c")))


def made(parameters=KNOBS, **options):
    return BayesianOptimization(
        parameters, **{"max_regression": 0.2, "n_candidates": 120, "random_seed": 1, **options}
    )


def play(algorithm, reward, rounds):
    """Let it search; return what it tried."""
    tried = []
    for _ in range(rounds):
        values, request = algorithm.predict()
        tried.append(values)
        algorithm.set_reward(reward(values), request_id=request)
    return tried


def cliff(values):
    """Better with x, until everything breaks."""
    return 100.0 * (1.0 + values["x"]) if values["x"] < 0.6 else 1.0


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['parameters']} parameters")
def test_without_a_floor_the_search_is_what_it_was(case):
    """The proposals were recorded before there was a floor."""
    landscape = system_like(case["parameters"], case["seed"], "none")
    algorithm = BayesianOptimization(landscape.parameters, budget=30, random_seed=case["seed"])
    tried = play(algorithm, landscape.noise_free, len(case["proposals"]))
    for values, before in zip(tried, case["proposals"], strict=True):
        for name, value in before.items():
            assert values[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value)


def test_it_begins_with_the_parameters_own_values_until_their_level_is_known():
    algorithm = made()
    first, second = algorithm.predict(fresh=True), algorithm.predict(fresh=True)
    own = {p.name: p.val for p in KNOBS}
    assert first.prediction == second.prediction == own
    algorithm.set_reward(100.0, request_id=first.request_id)
    algorithm.set_reward(101.0, request_id=second.request_id)
    assert algorithm.predict().prediction != own


def test_fewer_trials_fall_and_the_search_still_gets_there():
    fell, free_fell = 0, 0
    for seed in range(3):
        kept = play(made(random_seed=seed), cliff, 25)
        free = play(made(random_seed=seed, max_regression=None), cliff, 25)
        fell += sum(cliff(values) < 80.0 for values in kept)
        free_fell += sum(cliff(values) < 80.0 for values in free)
        assert max(map(cliff, kept)) > 145.0
    assert fell < 0.5 * free_fell


def test_the_floor_is_that_of_the_performance_where_one_is_told():
    """The reward rises all the way; the performance breaks down beyond 0.6."""
    algorithm = made(random_seed=3)
    tried = []
    for _ in range(25):
        values, request = algorithm.predict()
        tried.append(values["x"])
        told = {"performance": cliff(values) / 130.0}
        algorithm.set_reward(values["x"], request_id=request, reward_data=told)
    blind = [values["x"] for values in play(made(random_seed=3), lambda values: values["x"], 25)]
    assert sum(x >= 0.6 for x in tried) < 0.5 * sum(x >= 0.6 for x in blind)


@pytest.mark.parametrize("level", [100.0, 0.0, -50.0])
def test_levels_of_any_sign_have_a_floor(level):
    algorithm = made()
    tried = play(algorithm, lambda values: level + 10.0 * values["x"], 12)
    assert len({tuple(values.values()) for values in tried}) > 6


def test_failures_teach_where_not_to_go():
    algorithm = made(random_seed=2)
    failed = 0
    for _ in range(25):
        values, request = algorithm.predict()
        if values["mode"] == "c":
            failed += 1
            algorithm.set_reward(0.0, request_id=request, reward_data={"failed": True})
        else:
            algorithm.set_reward(100.0 + values["x"], request_id=request)
    assert 0 < failed <= 5


def test_saved_and_loaded_it_goes_on_the_same_way():
    algorithm = made(budget=30)
    rng = np.random.default_rng(4)
    play(algorithm, lambda values: cliff(values) * float(rng.normal(1.0, 0.02)), 12)
    again = BayesianOptimization.loads(algorithm.dumps())
    assert play(again, cliff, 3) == play(algorithm, cliff, 3)


def test_predicting_changes_nothing_that_was_learnt():
    algorithm = made()
    play(algorithm, cliff, 8)
    before = algorithm.learnt_fingerprint()
    algorithm.predict(fresh=True)
    assert algorithm.learnt_fingerprint() == before


def test_constraints_hold_within_the_region_too():
    knobs = (Integer("low", 10, 0, 100), Integer("high", 60, 0, 100))
    holds = Constraint.parse("low < high", ["low", "high"])
    algorithm = made(knobs, constraints=[holds])
    for values in play(algorithm, lambda values: 100.0 + values["low"] - values["high"], 12):
        assert values["low"] < values["high"]


def test_near_the_end_only_what_holds_is_repeated():
    algorithm = made(budget=25)
    tried = play(algorithm, cliff, 25)
    assert all(cliff(values) >= 80.0 for values in tried[-3:])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, math.nan])
def test_a_floor_that_makes_no_sense_is_refused(share):
    with pytest.raises(InvalidArgumentError, match="max_regression must lie between 0 and 1"):
        made(max_regression=share)


def test_auto_takes_the_search_that_can():
    for budget in (30, 900, 5000):
        auto = Auto(KNOBS, budget=budget, max_regression=0.1, random_seed=1)
        assert auto.choice == "bayesian_optimization"
        assert auto.chosen._floor.max_regression == 0.1
    assert Auto(KNOBS, budget=30).chosen._floor is None


@pytest.mark.parametrize("told", [None, {}, {"performance": math.nan}, {"performance": True}, {"other": 3.0}])
def test_without_a_performance_the_reward_is_the_level(told):
    assert level_of(0.5, told) == 0.5
    assert level_of(0.5, {"performance": 0.9}) == 0.9


def test_every_fall_makes_the_region_smaller():
    inputs = Inputs(KNOBS)
    rows = inputs.draw(np.random.default_rng(0), 400)
    sizes = []
    floor = Floor(50, 0.2)
    for x in (0.3, 0.32, 0.28, 0.9, 0.85, 0.8):
        floor.add(inputs, {"x": x, "n": 4, "mode": "a"}, 100.0 if x < 0.5 else 1.0, None)
        sizes.append(int((floor.region(inputs).margins(rows)[0] == 0.0).sum()))
    assert sizes[2] > sizes[3] >= sizes[5]
