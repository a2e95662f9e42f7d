"""The estimator's densities are densities, and what is good is looked for where it was found."""

import numpy as np
import pytest

from oppertune.algorithms.all import get_algorithm_class
from oppertune.algorithms.tpe import TPE, ParzenMixture, n_good
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Inputs
from oppertune.testing.contract import AlgorithmContract
from oppertune.testing.landscapes import quadratic

SPACE = (Real("x", 0.2, 0.0, 1.0), Categorical("c", "a", ("a", "b", "c")))


class TestTPEObeysTheContract(AlgorithmContract):
    def make(self, parameters, **kwargs):
        return TPE(parameters, n_startup=5, **kwargs)


def test_it_has_its_old_name_as_well():
    assert get_algorithm_class("tpe") is get_algorithm_class("hopt") is TPE


def test_the_good_share_grows_and_ends():
    assert [n_good(n, 0.1) for n in (1, 10, 11, 100, 250, 1000)] == [1, 1, 2, 10, 25, 25]


@pytest.mark.parametrize("n", [0, 1, 6])
def test_the_mixture_sums_to_one(n):
    inputs = Inputs(SPACE)
    mixture = ParzenMixture(inputs, inputs.draw(np.random.default_rng(n), n))
    x = (np.arange(2000) + 0.5) / 2000
    total = 0.0
    for c in range(3):
        rows = np.column_stack([x, np.full(2000, (c + 0.5) / 3)])
        total += np.exp(mixture.log_density(rows)).mean()
    assert total == pytest.approx(1.0, abs=1e-3)


def test_draws_follow_the_density():
    inputs = Inputs(SPACE)
    rows = inputs.encode([{"x": 0.9, "c": "b"}] * 4)
    mixture = ParzenMixture(inputs, rows)
    drawn = mixture.sample(np.random.default_rng(0), 6000)
    x = (np.arange(2000) + 0.5) / 2000
    for c in range(3):
        cells = np.column_stack([x, np.full(2000, (c + 0.5) / 3)])
        density = np.exp(mixture.log_density(cells))
        for upper in (False, True):
            of_cell = (drawn[:, 1] == cells[0, 1]) & ((drawn[:, 0] > 0.7) == upper)
            expected = (density * ((x > 0.7) == upper)).mean()
            assert of_cell.mean() == pytest.approx(expected, abs=0.03)


def test_it_finds_a_smooth_optimum():
    for seed in range(2):
        landscape = quadratic(2, seed)
        algorithm = TPE(landscape.parameters, random_seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(80):
            prediction, _ = algorithm.predict()
            algorithm.set_reward(landscape.sample(prediction, rng))
        assert landscape.regret(algorithm.recommend()) < 0.06


def test_only_the_order_of_rewards_matters():
    sequences = []
    for transform in (lambda r: r, lambda r: 1e6 * r**3 - 5.0):
        algorithm = TPE(SPACE, random_seed=1, n_startup=4)
        made = []
        for _ in range(25):
            made.append(algorithm.predict().prediction)
            algorithm.set_reward(transform(made[-1]["x"] + (made[-1]["c"] == "b")))
        sequences.append(made)
    assert sequences[0] == sequences[1]


def test_the_parameters_own_values_come_first_and_parallel_ones_differ():
    algorithm = TPE(SPACE, random_seed=2)
    predictions = [algorithm.predict(fresh=True).prediction for _ in range(6)]
    assert predictions[0] == {"x": 0.2, "c": "a"}
    assert len({tuple(p.values()) for p in predictions}) == 6


def test_huge_grids_and_long_runs_are_no_burden():
    algorithm = TPE([Integer("n", 1, 1, 2**40, log=True)], random_seed=3, window=16)
    for i in range(80):
        algorithm.predict()
        algorithm.set_reward(float(i))
    assert len(algorithm._window) <= 18


@pytest.mark.parametrize(
    "options",
    [
        {"n_startup": 0},
        {"n_candidates": 0},
        {"gamma": 0.0},
        {"gamma": 1.0},
        {"prior_weight": 0.0},
        {"window": 2},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidArgumentError):
        TPE(SPACE, **options)
