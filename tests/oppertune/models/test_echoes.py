"""Echoes are found where results are computed, and never where they are measured with noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.models.echoes import distances, echoes_among

NUMBERS = np.zeros(3, dtype=bool)


def rows_and_truth(seed, n=20):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, 3))
    return rng, rows, rows @ [3.0, -1.0, 0.5]


def test_distances_count_a_category_that_differs_as_one():
    A = np.array([[0.1, 0.25], [0.6, 0.75]])
    found = distances(A, A, np.array([False, True]))
    assert found == pytest.approx(np.array([[0.0, 1.5], [1.5, 0.0]]))


@given(st.integers(0, 10_000))
def test_a_row_with_two_results_refutes_everything(seed):
    _, rows, truth = rows_and_truth(seed)
    rows[[5, 9, 12]] = rows[0]
    truth[[5, 9]] = truth[0]
    truth[12] = truth[0] + 1e-9
    assert echoes_among(rows, truth, NUMBERS) is None


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_coarse_numbers_alone_are_no_echoes(seed, levels):
    rng = np.random.default_rng(seed)
    rows, rewards = rng.random((40, 3)), np.round(levels / 6.0 * rng.normal(size=40))
    assert echoes_among(rows, rewards, NUMBERS) is None


def test_one_row_measured_again_with_its_own_result_is_enough():
    _, rows, truth = rows_and_truth(1)
    assert echoes_among(rows, truth, NUMBERS) is None
    rows[7], truth[7] = rows[2], truth[2]
    echoes = echoes_among(rows, truth, NUMBERS)
    assert np.flatnonzero(~echoes.is_new).tolist() == [7]
    assert echoes.log_fresh(np.array([1e-6, 0.5])).tolist() == [0.0, 0.0]
    assert echoes.log_fresh(np.zeros(1))[0] < -1e6


def test_neighbours_that_mean_the_same_say_how_far_to_go():
    _, rows, _ = rows_and_truth(2, 200)
    cells = np.round(rows * 4.0)
    echoes = echoes_among(rows, cells @ [1.0, np.pi, np.e], NUMBERS)
    assert (~echoes.is_new).sum() > 10
    assert 0.05 < echoes.reach < 0.5
    fresh = np.exp(echoes.log_fresh(np.array([0.0, 0.02, 0.2, 2.0])))
    assert (np.diff(fresh) >= 0.0).all()
    assert fresh[1] < 0.2
    assert fresh[3] > 0.99


@pytest.mark.parametrize("n", [0, 1, 4])
def test_few_measurements_say_nothing(n):
    assert echoes_among(np.zeros((n, 3)), np.zeros(n), NUMBERS) is None


def test_a_constant_system_says_nothing():
    assert echoes_among(np.random.default_rng(0).random((30, 3)), np.ones(30), NUMBERS) is None
