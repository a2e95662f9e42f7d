"""A better measurement never earns less, and every reward is a number that can be compared."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tactician.experiment import RewardWeights
from tactician.outcomes import Measurement
from tactician.reward import relative_performance, score, stability

VALUES = st.one_of(st.just(0.0), st.floats(1e-9, 1e12), st.floats(-1e12, -1e-9))
SYSTEM = st.dictionaries(
    st.sampled_from(["io_wait", "memory_pressure", "memory_usage", "cpu_utilization"]), st.floats(0.0, 1.0)
)


def measurement(value, maximize=True, **system):
    return Measurement(value, "1/s", maximize, {}, system, 1.0)


@given(VALUES, VALUES, VALUES, st.booleans())
def test_better_never_earns_less(one, other, baseline, maximize):
    """Also where a count to minimize reaches zero, or a metric is negative."""
    better, worse = (max(one, other), min(one, other)) if maximize else (min(one, other), max(one, other))
    gained = relative_performance(better, baseline, maximize)
    lost = relative_performance(worse, baseline, maximize)
    assert gained >= lost or math.isclose(gained, lost, rel_tol=1e-9)


@given(VALUES, st.booleans())
def test_as_before_is_one(value, maximize):
    assert relative_performance(value, value, maximize) == pytest.approx(1.0)


@given(st.floats(1e-6, 1e9), st.floats(0.01, 100.0))
def test_a_positive_metric_is_judged_by_its_ratio(baseline, factor):
    assert relative_performance(baseline * factor, baseline, True) == pytest.approx(factor)
    assert relative_performance(baseline / factor, baseline, False) == pytest.approx(factor)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.booleans())
def test_a_performance_is_finite(value, baseline, maximize):
    assume(baseline == 0 or abs(baseline) > 1e-6)
    assume(abs(value) < 1e12 * max(1.0, abs(baseline)))
    assert math.isfinite(relative_performance(value, baseline, maximize))


def test_errors_to_minimize_that_vanish_are_the_best_there_is():
    ten, one, none = (relative_performance(count, 10.0, False) for count in (10.0, 1.0, 0.0))
    assert ten < one < none


@given(SYSTEM)
def test_stability_is_a_share(system):
    assert 0.0 <= stability(system) <= 1.0


@given(SYSTEM, st.sampled_from(["io_wait", "memory_pressure"]), st.floats(0.0, 1.0))
def test_more_waiting_or_pressure_is_never_more_stable(system, name, more):
    calm = {**system, name: system.get(name, 0.0)}
    stressed = {**calm, name: min(1.0, calm[name] + more)}
    assert stability(stressed) <= stability(calm)


def test_a_calm_machine_is_stable_and_nothing_but_waiting_is_not():
    assert stability({}) == 1.0
    assert stability({"io_wait": 0.0, "memory_pressure": 0.0, "memory_usage": 0.99}) == 1.0
    assert stability({"io_wait": 1.0}) == 0.0
    assert stability({"memory_usage": 0.9}) == 1.0
    assert stability({"memory_usage": 1.0}) == pytest.approx(0.0)
    assert stability({"io_wait": 3.0, "memory_pressure": -1.0}) == 0.0


@given(st.floats(0.0, 1.0), st.floats(1.0, 1e6), st.floats(0.0, 1.0))
def test_a_reward_is_the_weighted_sum_of_both_halves(weight, value, io_wait):
    weights = RewardWeights(weight, 1.0 - weight)
    scored = score(measurement(value, io_wait=io_wait), 100.0, weights)
    assert scored.performance == pytest.approx(value / 100.0)
    assert scored.stability == pytest.approx(1.0 - io_wait)
    assert scored.reward == pytest.approx(weight * value / 100.0 + (1.0 - weight) * (1.0 - io_wait))


def test_the_seeds_halves_are_equal():
    assert RewardWeights() == RewardWeights(0.5, 0.5)
    assert score(measurement(200.0), 100.0, RewardWeights()).reward == pytest.approx(1.5)
