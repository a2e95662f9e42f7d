"""Where results repeat themselves no measurement is wasted on a configuration that is known."""

import numpy as np
import pytest

from oppertune.algorithms.bayesian_optimization import BayesianOptimization
from oppertune.algorithms.bayesian_optimization.candidates import everything, neighbours
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.models.inputs import Inputs

FLAGS = tuple(Integer(f"flag{i}", 0, 0, 1) for i in range(8))


def surface(seed):
    """What 256 combinations of flags give: three flags count, and each combination has a share of its own."""
    own = np.random.default_rng(seed).normal(size=(2,) * 8)

    def reward(values):
        bits = tuple(int(values[p.name]) for p in FLAGS)
        return 4.0 * bits[0] - 3.0 * bits[1] + 2.0 * bits[0] * bits[2] + 0.3 * float(own[bits])

    return reward, [reward(bits_of(b)) for b in range(256)]


def bits_of(number):
    return {p.name: number >> i & 1 for i, p in enumerate(FLAGS)}


def searched(parameters, reward, rounds, **options):
    algorithm = BayesianOptimization(parameters, random_seed=0, **options)
    tried = []
    for _ in range(rounds):
        values, _ = algorithm.predict()
        tried.append(tuple(values.values()))
        algorithm.set_reward(reward(values))
    return algorithm, tried


def test_one_repetition_is_enough_and_the_best_is_found_and_kept():
    reward, everything_there_is = surface(3)
    algorithm, tried = searched(FLAGS, reward, 80, budget=80)
    assert len(tried) - len(set(tried)) == 1
    assert reward(algorithm.recommend()) == max(everything_there_is)


def test_with_noise_configurations_are_measured_again():
    reward, _ = surface(3)
    rng = np.random.default_rng(0)
    _, tried = searched(FLAGS, lambda values: reward(values) + rng.normal(), 60, budget=60)
    assert len(tried) - len(set(tried)) > 5


def test_a_space_that_was_measured_whole_is_no_error():
    _, tried = searched(FLAGS[:3], lambda v: float(v["flag0"] * 2 + v["flag1"] + 0.3 * v["flag2"]), 20)
    assert len(set(tried)) == 8


def test_what_means_the_same_is_passed_over():
    parameters = [Real(f"x{i}", 0.5, 0.0, 1.0) for i in range(2)]

    def reward(values):  # a table of 400 rows, the nearest of which is meant
        x, y = (round(float(v) * 20.0) for v in values.values())
        return -((x - 13.3) ** 2) - (y - 4.2) ** 2

    _, tried = searched(parameters, reward, 60)
    cells = [(round(x * 20.0), round(y * 20.0)) for x, y in tried]
    assert len(set(cells[30:])) > 14


def test_constraints_hold():
    reward, _ = surface(5)
    options = {"constraints": ["flag0 <= flag1"]}
    _, tried = searched(FLAGS, reward, 40, **options)
    assert all(values[0] <= values[1] for values in tried)


MIXED = Inputs(
    [
        Categorical("mode", "a", ("a", "b", "c")),
        Integer("few", 4, 0, 8, step=4, special=(-1,)),
        Integer("many", 100, 0, 1000),
        Real("any", 0.5, 0.0, 1.0),
    ]
)


def test_everything_is_every_configuration_once():
    inputs = Inputs(MIXED.parameters[:2])
    rows = everything(inputs, 12)
    seen = {tuple(inputs.decode(row).values()) for row in rows}
    assert len(rows) == len(seen) == 12 == inputs.combinations
    assert everything(inputs, 11) is None
    assert everything(MIXED, 10**9) is None


def test_neighbours_differ_in_one_column_and_reach_every_value_of_a_few():
    centre = MIXED.encode([{"mode": "b", "few": 4, "many": 500, "any": 0.3}])
    found = [MIXED.decode(row) for row in neighbours(MIXED, centre)]
    home = MIXED.decode(centre[0])
    assert all(sum(values[name] != home[name] for name in home) <= 1 for values in found)
    assert {values["mode"] for values in found} == {"a", "b", "c"}
    assert {values["few"] for values in found} == {-1, 0, 4, 8}
    assert {499, 501, 502, 498} <= {values["many"] for values in found}
    assert {values["any"] for values in found} == {0.3}


@pytest.mark.parametrize("row", [0, 1])
def test_neighbours_are_on_the_grid(row):
    centres = MIXED.draw(np.random.default_rng(row), 2)
    found = neighbours(MIXED, centres)
    assert np.allclose(found, MIXED.snap(found))
    assert not Space(MIXED.parameters).is_restricted
