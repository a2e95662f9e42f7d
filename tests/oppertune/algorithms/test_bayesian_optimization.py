"""The searcher obeys the contract, starts where it should, and finds what blind search does not."""

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from oppertune.algorithms.bayesian_optimization import BayesianOptimization
from oppertune.algorithms.bayesian_optimization.candidates import fill_space, perturbed
from oppertune.algorithms.bayesian_optimization.race import laps
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.models.acquisition import log_expected_improvement
from oppertune.models.inputs import Inputs
from oppertune.testing.contract import AlgorithmContract
from oppertune.testing.landscapes import quadratic, system_like

MIXED = (
    Real("x", 0.2, 0.0, 1.0),
    Integer("n", 4, 0, 16, special=(-1,)),
    Categorical("mode", "a", ("a", "b", "c")),
)


class TestBayesianOptimizationObeysTheContract(AlgorithmContract):
    def make(self, parameters, **kwargs):
        return BayesianOptimization(parameters, n_candidates=40, window=10, **kwargs)


def searched(landscape, rounds, cls=BayesianOptimization, seed=0):
    algorithm = cls(landscape.parameters, random_seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(landscape.sample(prediction, rng))
    return landscape.regret(algorithm.recommend())


def test_a_smooth_optimum_is_found():
    assert searched(quadratic(2, 1), 25) < 0.01
    assert searched(quadratic(5, 1, "gaussian3"), 40) < 0.15


def test_it_beats_blind_search_where_systems_are_noisy():
    logs = []
    for seed in range(6):
        landscape = system_like(3, 20 + seed, "gaussian3")
        ours, blind = (searched(landscape, 30, cls, seed) for cls in (BayesianOptimization, UniformRandom))
        logs.append(math.log((ours + 0.02) / (blind + 0.02)))
    assert math.exp(statistics.mean(logs)) < 0.8


def test_the_parameters_own_values_come_first_and_the_rest_differs():
    algorithm = BayesianOptimization(MIXED, random_seed=1)
    predictions = [algorithm.predict(fresh=True).prediction for _ in range(8)]
    assert predictions[0] == {"x": 0.2, "n": 4, "mode": "a"}
    assert len({tuple(p.values()) for p in predictions}) == 8


def test_parallel_predictions_of_the_model_differ():
    algorithm = BayesianOptimization(MIXED[:1], random_seed=1)
    for _ in range(10):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(-((prediction["x"] - 0.7) ** 2))
    parallel = sorted(algorithm.predict(fresh=True).prediction["x"] for _ in range(4))
    assert min(b - a for a, b in pairwise(parallel)) > 1e-4


def test_each_context_gets_its_own_optimum_and_they_help_one_another():
    algorithm = BayesianOptimization(MIXED[:1], random_seed=2)
    optima = {"one": 0.3, "two": 0.8}
    for i in range(44):
        who = "one" if i % 2 else "two"
        prediction, request_id = algorithm.predict({"who": who})
        loss = (prediction["x"] - optima[who]) ** 2
        algorithm.set_reward((1.0 if who == "one" else 3.0) - loss, request_id=request_id)
    for who, best in optima.items():
        assert algorithm.recommend({"who": who})["x"] == pytest.approx(best, abs=0.1)
    assert 0.3 < algorithm.recommend()["x"] < 0.8


def test_the_luckiest_measurement_is_not_what_is_recommended():
    better = []
    for seed in range(4):
        algorithm = BayesianOptimization([Real("x", 0.1, 0.0, 1.0)], n_candidates=80, random_seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(25):
            prediction, _ = algorithm.predict()
            algorithm.set_reward(-abs(prediction["x"] - 0.7) + 0.3 * rng.normal())
        recommended, luckiest = algorithm.recommend(), algorithm.best
        better.append(abs(luckiest["x"] - 0.7) - abs(recommended["x"] - 0.7))
    assert statistics.mean(better) > 0.0


def test_special_values_are_searched():
    algorithm = BayesianOptimization([Integer("n", 50, 0, 100, special=(-1,))], random_seed=4)
    for _ in range(20):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(5.0 if prediction["n"] == -1 else prediction["n"] / 100)
    assert algorithm.recommend() == {"n": -1}


def test_what_holds_between_parameters_is_searched_and_not_only_repaired():
    parameters = (Integer("low", 10, 0, 100), Integer("high", 90, 0, 100))
    algorithm = BayesianOptimization(parameters, constraints=["low + 5 <= high"], random_seed=5)
    for _ in range(25):
        prediction, _ = algorithm.predict()
        assert prediction["low"] + 5 <= prediction["high"]
        algorithm.set_reward(-abs(prediction["low"] - 40) - abs(prediction["high"] - 45))
    best = algorithm.recommend()
    assert abs(best["low"] - 40) + abs(best["high"] - 45) <= 10


def test_normalising_makes_no_difference():
    sequences = []
    for normalize in (False, True):
        algorithm = BayesianOptimization(MIXED, random_seed=6, normalize_rewards=normalize)
        made = []
        for _ in range(12):
            made.append(algorithm.predict().prediction)
            algorithm.set_reward(made[-1]["x"] * 1500)
        sequences.append(made)
    assert sequences[0] == sequences[1]


def test_memory_is_bounded():
    algorithm = BayesianOptimization(MIXED[1:2], window=8, n_candidates=20, random_seed=7)
    for i in range(60):
        algorithm.predict()
        algorithm.set_reward(float(i % 7))
    assert len(algorithm._surrogate.window) <= 9


@pytest.mark.parametrize("options", [{"n_initial": 0}, {"n_candidates": 0}, {"window": 3}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidArgumentError):
        BayesianOptimization(MIXED, **options)


@pytest.mark.parametrize("z", [-40.0, -5.0, -1.0001, -1.0, -0.9999, 0.0, 3.0])
def test_log_expected_improvement_is_the_integral(z):
    std, best = 0.5, 1.0
    mean = best + z * std
    found = float(log_expected_improvement(np.array([mean]), np.array([std]), best)[0])
    # Relative to the density at the bound, so that the integral does not underflow.
    at = norm.logpdf(best, mean, std)
    integral, _ = quad(
        lambda f: (f - best) * math.exp(norm.logpdf(f, mean, std) - at), best, best + 12 * std, epsabs=0
    )
    assert found == pytest.approx(at + math.log(integral), rel=1e-6)


def test_log_expected_improvement_falls_on_and_on():
    z = -np.logspace(-2, 7, 200)
    values = log_expected_improvement(z, np.ones_like(z), 0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_candidates_stay_on_the_grid_and_move():
    inputs = Inputs(MIXED)
    rng = np.random.default_rng(0)
    centre = inputs.encode([{"x": 0.0, "n": 16, "mode": "b"}])
    rows = perturbed(inputs, centre, np.full(3, 0.05), 300, 0.4, rng)
    assert (inputs.snap(rows) == rows).all()
    assert (rows != centre).any(axis=1).mean() > 0.5
    assert len({inputs.decode(row)["mode"] for row in rows}) == 3


def test_the_start_fills_the_space():
    parameters = (Real("x", 0.1, 0.0, 1.0), Real("y", 0.1, 0.0, 1.0))
    inputs = Inputs(parameters)
    rng = np.random.default_rng(0)
    taken = np.full((1, 2), 0.1)
    for _ in range(4):
        taken = np.vstack([taken, fill_space(inputs, Space(parameters), taken, rng)])
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(taken) for b in taken[:i]]
    assert min(gaps) > 0.4
    assert fill_space(inputs, Space(parameters), np.zeros((0, 2)), rng).shape == (2,)


def test_a_failure_teaches_where_and_not_how_well():
    """Whatever number stands for a failure, the search goes the same way."""
    recommended = []
    for stand_in in (0.0, -1e9):
        algorithm = BayesianOptimization([Real("x", 0.2, 0.0, 1.0)], random_seed=0)
        failures = longest = streak = 0
        for _ in range(30):
            prediction, request_id = algorithm.predict()
            failed = prediction["x"] > 0.7
            failures += failed
            streak = streak + 1 if failed else 0
            longest = max(longest, streak)
            reward = stand_in if failed else prediction["x"]
            algorithm.set_reward(reward, request_id=request_id, reward_data={"failed": failed})
        assert failures < 20
        assert longest <= 2
        recommended.append(algorithm.recommend()["x"])
    assert recommended[0] == recommended[1]
    assert 0.6 < recommended[0] <= 0.7


def test_where_everything_fails_it_goes_on():
    algorithm = BayesianOptimization(MIXED, random_seed=0)
    for _ in range(12):
        _, request_id = algorithm.predict()
        algorithm.set_reward(0.0, request_id=request_id, reward_data={"failed": True})
    assert algorithm.recommend() == {"x": 0.2, "n": 4, "mode": "a"}


def test_a_budget_ends_with_a_race_of_the_best():
    landscape = system_like(3, 5, "gaussian10")
    algorithm = BayesianOptimization(landscape.parameters, random_seed=0, budget=80)
    rng = np.random.default_rng(0)
    tried = []
    for _ in range(80):
        prediction, _ = algorithm.predict()
        tried.append(tuple(prediction.values()))
        algorithm.set_reward(landscape.sample(prediction, rng))
    before, race = tried[:76], tried[76:]
    assert all(values in before for values in race)
    assert len(set(race)) > 1
    assert laps(80) == 4
    assert laps(None) == laps(39) == 0
    with pytest.raises(InvalidArgumentError):
        BayesianOptimization(MIXED, budget=0)


def test_the_race_of_a_context_leaves_out_what_fell_there():
    """Above 0.5 the busy load falls and the calm one is at its best, so the races part."""
    algorithm = BayesianOptimization(MIXED[:1], n_candidates=80, budget=40, random_seed=3)
    played = []
    for i in range(40):
        who = ("calm", "busy")[i % 2]
        prediction, request_id = algorithm.predict({"load": who})
        x = prediction["x"]
        played.append((who, x))
        reward = 0.01 if who == "busy" and x > 0.5 else 1.0 + x
        algorithm.set_reward(reward, request_id=request_id)
    before, race = played[: -laps(40)], played[-laps(40) :]
    assert {x for _, x in race} <= {x for _, x in before}
    assert all(x <= 0.5 for who, x in race if who == "busy")
    assert all(x > 0.5 for who, x in race if who == "calm")


def test_what_mostly_falls_is_not_recommended_for_its_one_success():
    algorithm = BayesianOptimization([Integer("n", 0, 0, 3)], random_seed=0)
    surrogate, inputs = algorithm._surrogate, Inputs(algorithm.params)
    for n, reward in [(0, 3.1), (1, 3.2), (0, 3.3), (1, 3.1), (2, 3.4)] * 2 + [(2, 0.3)] * 6:
        surrogate.add(inputs, {"n": n}, reward)
    assert algorithm.recommend()["n"] != 2
