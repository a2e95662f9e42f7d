"""Targets keep the order of rewards, have no scale, and no measurement rules them."""

import numpy as np
import pytest

from oppertune.models.targets import relative, squashed, straightened


@pytest.mark.parametrize("seed", range(4))
def test_order_is_kept_and_the_scale_is_one(seed):
    rewards = np.random.default_rng(seed).standard_t(2, size=60) * 10.0**seed
    targets = squashed(rewards)
    assert (np.argsort(targets) == np.argsort(rewards)).all()
    assert targets.mean() == pytest.approx(0.0, abs=1e-12)
    assert targets.std() == pytest.approx(1.0)


def test_powers_of_two_change_nothing_at_all():
    rewards = np.random.default_rng(1).normal(size=30)
    for power in (-1000, -10, 11, 900):
        assert (squashed(np.ldexp(rewards, power)) == squashed(rewards)).all()


def test_a_failure_does_not_set_the_scale():
    rewards = np.append(np.linspace(90.0, 110.0, 30), -1e6)
    targets = squashed(rewards)
    assert targets[:-1].max() - targets[:-1].min() > 0.5


@pytest.mark.parametrize("rewards", [[3.0], [0.0, 0.0], [1e300] * 5, [0.1 + 0.2, 0.3, 0.3]])
def test_equal_rewards_say_nothing(rewards):
    assert (squashed(np.array(rewards)) == 0.0).all()


def test_huge_and_mostly_equal_rewards_stay_finite():
    assert np.isfinite(squashed(np.array([1.7e308, -1.7e308, 0.0, 1e-300]))).all()
    assert squashed(np.array([0.0] + [-1.0] * 30)).argmax() == 0


def test_a_settled_search_does_not_blow_up_its_noise():
    rng = np.random.default_rng(0)
    early, late = np.linspace(30.0, 95.0, 15), 100.0 + rng.normal(size=60)
    targets = squashed(np.concatenate([early, late]))
    assert targets[15:].std() < 0.2


def test_times_over_decades_are_compared_as_ratios():
    times = np.random.default_rng(0).lognormal(0.0, 2.0, size=50)
    assert straightened(-times) == pytest.approx(-np.log(times))
    assert straightened(times) is times


@pytest.mark.parametrize(
    "rewards",
    [
        -np.linspace(1.0, 9.0, 20),
        np.linspace(-80.0, 5.0, 20),
        np.zeros(3),
        -np.linspace(1.0, 99.0, 30),
        np.array([-1e308, -1.7e308]),
    ],
)
def test_other_rewards_stay(rewards):
    assert straightened(rewards) is rewards


def test_costs_of_any_size_stay_finite():
    assert np.isfinite(straightened(-np.array([1e-300, 1.0, 1e300, 1.7e308]))).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_factor_becomes_a_constant(sign):
    rewards = sign * np.array([3.0, 1.0, 20.0])
    assert (np.argsort(relative(rewards)) == np.argsort(rewards)).all()
    differences = relative(7.0 * rewards) - relative(rewards)
    assert differences == pytest.approx(np.full(3, sign * np.log(7.0)))


def test_rewards_of_both_signs_have_no_proportion():
    assert (relative(np.array([-1.0, 0.0, 2.0])) == [-1.0, 0.0, 2.0]).all()
