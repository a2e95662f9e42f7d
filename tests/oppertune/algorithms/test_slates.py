"""The contextual semi-bandit learns what is best in each context, at any scale, in bounded memory."""

import numpy as np
import pytest

from oppertune.algorithms.exponential_weights_slates import ExponentialWeightsSlates
from oppertune.algorithms.slates import Slates
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.testing.contract import AlgorithmContract

PARAMETERS = (
    Categorical("a", "0", ("0", "1", "2")),
    Categorical("b", "0", ("0", "1", "2", "3")),
    Integer("n", val=5, min=0, max=10),
)
BEST = {"light": ("0", "3", 2), "heavy": ("2", "1", 9), "mixed": ("1", "0", 5)}


def truth(workload, prediction):
    """1 at the workload's best configuration."""
    a, b, n = BEST[workload]
    return 0.5 * (prediction["a"] == a) + 0.5 * (prediction["b"] == b) - abs(prediction["n"] - n) / 10


def run(algorithm, seed, rounds=1200, told=True, scale=1.0, shift=0.0):
    """The mean true reward of the last quarter."""
    rng = np.random.default_rng(seed)
    earned = []
    for _ in range(rounds):
        workload = list(BEST)[rng.integers(3)]
        load, host = float(rng.random()), f"host{rng.integers(5)}"
        context = {"workload": workload, "load": 1e9 * load, "host": host}
        prediction, request_id = algorithm.predict(context if told else None)
        earned.append(truth(workload, prediction))
        reward = earned[-1] + load + 0.2 * float(rng.normal())
        algorithm.set_reward(scale * reward + shift, request_id=request_id)
    return float(np.mean(earned[-rounds // 4 :]))


def test_it_learns_the_best_of_each_context():
    told = np.mean([run(Slates(PARAMETERS, random_seed=s), s) for s in range(2)])
    untold = np.mean([run(Slates(PARAMETERS, random_seed=s), s, told=False) for s in range(2)])
    assert told > 0.8
    assert told > untold + 0.4


def test_it_beats_the_bandit_that_looks_at_no_context():
    categories = PARAMETERS[:2]

    def hits(algorithm, seed):
        rng = np.random.default_rng(seed)
        right = []
        for _ in range(800):
            workload = ("light", "heavy")[rng.integers(2)]
            prediction, request_id = algorithm.predict({"workload": workload})
            right.append((prediction["a"], prediction["b"]) == BEST[workload][:2])
            reward = sum(prediction[p.name] == b for p, b in zip(categories, BEST[workload], strict=False))
            algorithm.set_reward(float(reward), request_id=request_id)
        return np.mean(right[-200:])

    assert hits(Slates(categories, random_seed=0), 0) > 0.85
    assert hits(ExponentialWeightsSlates(categories, random_seed=0), 0) < 0.6


def test_a_number_in_the_context_turns_the_choice():
    parameters = [Categorical("mode", "small", ("small", "large"))]
    algorithm = Slates(parameters, random_seed=3)
    rng = np.random.default_rng(3)
    right = []
    for _ in range(800):
        size = float(rng.uniform(0.0, 1e6))
        prediction, request_id = algorithm.predict({"size": size})
        better = "large" if size > 5e5 else "small"
        right.append(prediction["mode"] == better)
        algorithm.set_reward(float(right[-1]), request_id=request_id)
    assert np.mean(right[-300:]) > 0.85


@pytest.mark.parametrize(("scale", "shift"), [(1500.0, 1e4), (0.002, -1.0)])
def test_rewards_of_any_scale(scale, shift):
    assert run(Slates(PARAMETERS, random_seed=1), 1, scale=scale, shift=shift) > 0.8


def test_it_follows_a_world_that_changes():
    parameters = [Categorical("mode", "0", ("0", "1", "2"))]
    algorithm = Slates(parameters, random_seed=4, drift=1e-2)
    right = []
    for t in range(2000):
        prediction, _ = algorithm.predict()
        right.append(prediction["mode"] == ("0" if t < 600 else "2"))
        algorithm.set_reward(float(right[-1]))
    assert np.mean(right[400:600]) > 0.9
    assert np.mean(right[-400:]) > 0.8


def test_what_is_tried_of_a_number():
    algorithm = Slates(
        [
            Real("x", val=0.33, min=0.0, max=1.0),
            Real("s", val=0.3, min=0.1, max=0.5, step=0.1),
            Integer("n", val=1024, min=1, max=1024, log=True),
            Integer("automatic", val=-1, min=10, max=20, special=[-1]),
        ],
        n_discretized_values=6,
    )
    assert algorithm.slots["x"] == (0.0, 0.2, 0.33, 0.4, 0.6, 0.8, 1.0)
    assert algorithm.slots["s"] == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert algorithm.slots["n"] == (1, 4, 16, 64, 256, 1024)
    assert {-1, 20} <= set(algorithm.slots["automatic"])


def test_memory_does_not_grow_with_what_contexts_hold():
    algorithm = Slates(PARAMETERS, n_features=8, random_seed=0)
    rng = np.random.default_rng(0)
    sizes = []
    for i in range(300):
        context = {"user": f"u{i}", f"key{i}": float(rng.normal()), "flag": bool(i % 2), "list": [i, None]}
        _, request_id = algorithm.predict(context)
        algorithm.set_reward(float(i), request_id=request_id)
        sizes.append(len(algorithm._features._columns) + len(algorithm._features._moments))
    assert sizes[-1] == sizes[20]
    assert np.isfinite(algorithm._w).all()


def test_features_without_sense_do_no_harm():
    algorithm = Slates(PARAMETERS, random_seed=0)
    for value in (1e308, -1e308, 0, 10**400, "", None):
        for _ in range(5):
            _, request_id = algorithm.predict({"f": value})
            algorithm.set_reward(1e300, request_id=request_id)
    assert np.isfinite(algorithm._w).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_discretized_values": 1},
        {"gamma": 0.0},
        {"gamma": float("nan")},
        {"n_features": 0},
        {"drift": -1e-3},
        {"drift": float("nan")},
    ],
)
def test_options_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        Slates(PARAMETERS, **wrong)


def test_without_features_there_is_the_constant_alone():
    assert run(Slates(PARAMETERS, n_features=1, random_seed=0), 0, rounds=50) > -1.0


class TestContract(AlgorithmContract):
    def make(self, parameters, **kwargs):
        return Slates(parameters, **kwargs)
