"""Cliffs are told from slopes, and where they are is learnt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.models.success import Success, best_scales, fallen


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([100.0, 90.0, 60.0, 1.0], [3]),
        ([100.0, 90.0, 60.0, 1.0, 2.0, 80.0], [3, 4]),
        ([100.0, 90.0, 60.0, 40.0, 25.0, 15.0, 9.0, 5.0], []),
        ([100.0, 1.0, 2.0], []),  # one good reward is no reason to discard two
        ([-0.002, -0.0025, -0.003, -5.0], [3]),
        ([-1.0, -0.5, 0.5, 0.1, 0.7, -80.0], [5]),
        ([1.0, 0.0, 0.0, 0.0], []),
        ([5.0] * 6, []),
        ([1e300, -1e308, 1.7e308, 3.0, 0.0, -2.0], []),
    ],
)
def test_a_fall_is_a_gap_wider_than_what_is_above(rewards, expected):
    assert np.flatnonzero(fallen(np.array(rewards))).tolist() == expected


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_whatever_comes_at_least_three_stand(rewards):
    below = fallen(np.array(rewards))
    assert (~below).sum() >= min(3, len(rewards))
    if below.any():
        assert max(np.array(rewards)[below]) < min(np.array(rewards)[~below])


def limited_by_a_sum(n, d, seed=0):
    X = np.random.default_rng(seed).random((n, d))
    return X, X[:, :3].sum(1) < 1.9


@pytest.mark.parametrize("d", [3, 8])
def test_the_limit_of_a_sum_is_learnt(d):
    X, ok = limited_by_a_sum(80, d)
    Z, truth = limited_by_a_sum(400, d, seed=1)
    p = Success(X, ok, best_scales(X, ok)).probability(Z)
    assert ((p > 0.5) == truth).mean() > 0.88
    assert p[truth].mean() > p[~truth].mean() + 0.5


def test_one_success_and_one_failure_leave_doubt():
    p = Success(np.array([[0.2, 0.2], [0.9, 0.9]]), np.array([True, False])).probability(
        np.array([[0.2, 0.2], [0.55, 0.55], [0.9, 0.9]])
    )
    assert p[0] > p[1] > p[2]
    assert 0.2 < p[1] < 0.85


def test_a_sharp_edge_has_more_evidence_with_steeper_scales():
    x = np.linspace(0.0, 1.0, 60)[:, None]
    sharp = [Success(x, x[:, 0] < 0.5, (linear, 4.0)).evidence for linear in (3.0, 300.0)]
    assert sharp[1] > sharp[0]


def test_contexts_move_a_limit_and_leave_its_slope():
    """What five measurements of a context tell adds to the slope that the other one has shown."""
    rng = np.random.default_rng(3)
    sizes, limits = np.array([2]), np.array([1.4, 0.7])
    which = np.repeat([0, 1], [60, 5])
    X = rng.random((65, 2))
    ok = X.sum(1) < limits[which]
    told = np.column_stack([X, (which + 0.5) / 2])
    success = Success(told, ok, best_scales(told, ok, sizes), sizes)
    Z = rng.random((400, 2))
    for code, limit in enumerate(limits):
        p = success.probability(np.column_stack([Z, np.full(400, (code + 0.5) / 2)]))
        assert ((p > 0.5) == (Z.sum(1) < limit)).mean() > 0.85
    apart = Success(X[60:], ok[60:]).probability(Z)
    assert ((p > 0.5) == (Z.sum(1) < 0.7)).mean() > ((apart > 0.5) == (Z.sum(1) < 0.7)).mean()
