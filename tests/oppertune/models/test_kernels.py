"""The kernel is the formula of its docstring, and its gradient is that of its values."""

import numpy as np
import pytest

from oppertune.models.kernels import MixedKernel, quadratic_forms, squared_distances

SIZES = np.array([0, 3, 0, 2, 0])
THETA = np.array([-0.5, 0.3, 0.8, -1.0, 0.1])


def rows(n, seed=0):
    X = np.random.default_rng(seed).random((n, 5))
    for j in (1, 3):
        X[:, j] = (np.floor(X[:, j] * SIZES[j]) + 0.5) / SIZES[j]
    return X


def by_the_formula(a, b):
    r2 = sum((a[j] - b[j]) ** 2 / np.exp(THETA[j]) ** 2 for j in (0, 2, 4))
    h = sum(np.exp(THETA[j]) * (a[j] != b[j]) for j in (1, 3))
    r = np.sqrt(5 * r2)
    return (1 + r + r**2 / 3) * np.exp(-r) * np.exp(-h)


def test_values_are_those_of_the_formula():
    kernel = MixedKernel(SIZES)
    A, B = rows(7), rows(4, seed=1)
    expected = [[by_the_formula(a, b) for b in B] for a in A]
    assert kernel(THETA, kernel.split(A), kernel.split(B)) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    "sizes", [SIZES, np.array([0, 0]), np.array([2, 3])], ids=["mixed", "numbers", "names"]
)
def test_the_gradient_is_that_of_the_values(sizes):
    kernel = MixedKernel(sizes)
    rng = np.random.default_rng(3)
    X = kernel.split(rng.random((9, len(sizes))))
    W = rng.normal(size=(9, 9))
    W += W.T
    theta = rng.normal(size=len(sizes))
    found = kernel.gradient(theta, X, kernel.with_slope(theta, X), W)
    steps = 1e-6 * np.eye(len(sizes))
    numeric = [((W * (kernel(theta + e, X, X) - kernel(theta - e, X, X))).sum()) / 2e-6 for e in steps]
    assert found == pytest.approx(np.array(numeric), rel=1e-6, abs=1e-8)


def test_no_columns_make_everything_alike():
    kernel = MixedKernel(np.array([], dtype=np.int64))
    X = kernel.split(np.zeros((3, 0)))
    assert (kernel(np.zeros(0), X, X) == 1.0).all()


def test_sums_of_squares_are_those_of_loops():
    rng = np.random.default_rng(0)
    A, B, W = rng.random((4, 3)), rng.random((5, 3)), rng.random((4, 4))
    W += W.T
    assert squared_distances(A, B) == pytest.approx(((A[:, None] - B[None]) ** 2).sum(2))
    loops = [(W * (A[:, None, j] - A[None, :, j]) ** 2).sum() for j in range(3)]
    assert quadratic_forms(W, A) == pytest.approx(np.array(loops))
