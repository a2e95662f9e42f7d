"""Bounds for looking all the time: they hold as often as they say, and they are good for something."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tactician.pacing.bounds import batching, many_to_one, margin

PATHS, LENGTH = 1500, 60


def tolerated(error: float, count: int) -> float:
    """A rate that is exceeded with a probability of about 0.1 % where the error is as stated."""
    return error + 3.1 * math.sqrt(error * (1.0 - error) / count)


@pytest.mark.parametrize("error", [0.2, 0.05])
def test_the_mean_of_a_watched_run_leaves_its_bound_as_seldom_as_stated(error: float) -> None:
    """Over all looks together: a bound for one look at a time would fail far more often."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((PATHS, LENGTH))
    counts = np.arange(1, LENGTH + 1)
    means = np.cumsum(values, axis=1) / counts
    failed = np.zeros(PATHS, dtype=bool)
    for count in range(2, LENGTH + 1):
        deviations = values[:, :count].std(axis=1, ddof=1)
        failed |= np.abs(means[:, count - 1]) > deviations * margin(count, 1.0, error)
    assert failed.mean() <= tolerated(error, PATHS)


def test_the_bound_narrows_to_something_useful() -> None:
    assert math.isinf(margin(1, 1.0, 0.05))
    widths = [margin(count, 1.0, 0.05) for count in range(3, 61)]
    assert all(later < earlier for earlier, later in itertools.pairwise(widths))
    assert widths[-1] < 0.6


@given(st.integers(2, 500), st.floats(0.0, 1e6), st.floats(1e-6, 0.5))
def test_the_bound_scales_with_the_noise(count: int, deviation: float, error: float) -> None:
    unit = margin(count, 1.0, error)
    if math.isfinite(unit):
        assert margin(count, deviation, error) == pytest.approx(deviation * unit, rel=1e-9)
        assert margin(count, deviation, error / 2.0) >= margin(count, deviation, error)


@pytest.mark.parametrize(
    ("others", "freedom", "error", "constant"),
    [(1, 2, 0.025, 4.303), (1, 10, 0.05, 1.812), (3, 10, 0.05, 2.34), (9, 20, 0.05, 2.60)],
)
def test_the_constant_is_the_one_in_dunnetts_table(
    others: int, freedom: int, error: float, constant: float
) -> None:
    assert many_to_one(others, freedom, error) / math.sqrt(2.0) == pytest.approx(constant, rel=0.004)


@settings(max_examples=15)
@given(st.integers(1, 60), st.integers(2, 30), st.sampled_from([0.01, 0.04, 0.05]))
def test_more_rivals_and_less_knowledge_ask_for_more_distance(
    others: int, freedom: int, error: float
) -> None:
    constant = many_to_one(others, freedom, error)
    assert many_to_one(others + 1, freedom, error) > constant
    assert many_to_one(others, freedom + 1, error) < constant
    assert many_to_one(others, freedom, error * 2.0) < constant


@given(st.floats(-1.0, 1.0))
def test_correlated_intervals_are_batched_and_the_rest_is_paid_for(correlation: float) -> None:
    size, inflation = batching(correlation)
    assert 1 <= size <= 8
    assert inflation >= 1.0
    if correlation <= 0.0:
        assert (size, inflation) == (1, 1.0)
