"""The series against the kernel it stands for, and its gradient against finite differences."""

import numpy as np
import pytest

from oppertune.models.additive import AdditiveKernel

SIZES = np.array([0, 3, 0])


def matrix(kernel, X, log_a, length):
    F = kernel.features(X)
    return (F * kernel.weights(log_a, length)) @ F.T


def rows(n, seed=0):
    X = np.random.default_rng(seed).random((n, 3))
    X[:, 1] = (np.floor(X[:, 1] * 3) + 0.5) / 3
    return X


def test_what_columns_do_adds_up():
    X, kernel = rows(12), AdditiveKernel(SIZES)
    log_a = np.log([0.5, 2.0, 1.0])
    total = matrix(kernel, X, log_a, 0.3)
    silent = -50.0
    parts = [matrix(kernel, X, np.where(np.arange(3) == j, log_a, silent), 0.3) for j in range(3)]
    assert total == pytest.approx(sum(parts), abs=1e-9)
    assert parts[1] == pytest.approx(2.0 * (X[:, None, 1] == X[None, :, 1]))


def test_the_further_the_less_alike_and_the_shorter_the_sooner():
    kernel = AdditiveKernel(np.array([0]))
    X = np.array([[0.3], [0.35], [0.45], [0.6]])
    long, short = (correlations(matrix(kernel, X, np.zeros(1), length)) for length in (0.6, 0.15))
    for row in (long, short):
        assert (np.diff(row) < 0.0).all()
    assert short[1] < long[1]


def correlations(K):
    return (K / np.sqrt(np.outer(np.diag(K), np.diag(K))))[0]


def test_the_gradient_is_right():
    X, kernel = rows(15), AdditiveKernel(SIZES)
    rng = np.random.default_rng(1)
    W = rng.normal(size=(15, 15))
    W = W + W.T
    log_a, log_length = rng.normal(size=3), np.log(0.3)

    def value(a, length):
        return float((W * matrix(kernel, X, a, np.exp(length))).sum())

    by_a, by_length = kernel.gradient(log_a, float(np.exp(log_length)), kernel.features(X), W)
    h = 1e-5
    numeric = [
        (value(log_a + h * e, log_length) - value(log_a - h * e, log_length)) / (2 * h) for e in np.eye(3)
    ]
    assert by_a == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-6)
    numeric_length = (value(log_a, log_length + h) - value(log_a, log_length - h)) / (2 * h)
    assert by_length == pytest.approx(numeric_length, rel=1e-5)


def test_it_needs_neither_numbers_nor_categories():
    for sizes in ([0, 0], [2, 3]):
        kernel = AdditiveKernel(np.array(sizes))
        K = matrix(kernel, np.full((2, 2), 0.5), np.zeros(2), 0.3)
        assert np.isfinite(K).all()
        by_a, by_length = kernel.gradient(np.zeros(2), 0.3, kernel.features(np.full((2, 2), 0.5)), np.eye(2))
        assert np.isfinite([*by_a, by_length]).all()
