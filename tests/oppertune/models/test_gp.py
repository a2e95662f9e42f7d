"""The process against plain numpy, its gradient against finite differences, and what it learns."""

import numpy as np
import pytest

from oppertune.models.gp import MEAN_VARIANCE, GaussianProcess, Measurements, Posterior, Prior

SIZES = np.array([0, 3, 0, 0, 2, 0, 3])


def mixed_data(n=40, repeats=8, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n, len(sizes)))
    for j in np.flatnonzero(sizes):
        X[:, j] = (np.floor(X[:, j] * sizes[j]) + 0.5) / sizes[j]
    X = np.vstack([X, X[:repeats]])
    return X, rng.normal(size=len(X))


@pytest.mark.parametrize("n_context", [0, 2])
def test_the_gradient_of_the_objective_is_right(n_context):
    model = GaussianProcess(SIZES, n_context)
    data = Measurements.merged(*mixed_data())
    theta = model.prior_mean + np.random.default_rng(1).normal(size=len(model.prior_mean)) * 0.5
    _, gradient = model.objective(theta, data)
    steps = 1e-5 * np.eye(len(theta))
    numeric = [
        (model.objective(theta + e, data)[0] - model.objective(theta - e, data)[0]) / 2e-5 for e in steps
    ]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-6)


def dense(model, theta, X, y):
    """Log marginal likelihood and the covariance, measurement by measurement, as in the book."""
    K = model.covariance(theta, X, X) + np.exp(theta[-1]) * np.eye(len(X))
    _, logdet = np.linalg.slogdet(K)
    return -0.5 * y @ np.linalg.solve(K, y) - 0.5 * logdet, K


def test_merging_repeated_measurements_changes_no_number():
    X, y = mixed_data()
    model = GaussianProcess(SIZES)
    data = Measurements.merged(X, y)
    assert len(data.X) == 40
    assert data.counts.sum() == 48
    low, high = model.prior_mean, model.prior_mean + 0.3
    off = [0.5 * float((((t - model.prior_mean) / model.prior_std) ** 2).sum()) for t in (low, high)]
    merged = [-(model.objective(t, data)[0] - o) for t, o in zip((low, high), off, strict=True)]
    plain = [dense(model, t, X, y)[0] for t in (low, high)]
    assert merged[1] - merged[0] == pytest.approx(plain[1] - plain[0], rel=1e-5)
    Z, _ = mixed_data(5, 0, seed=9)
    mean, std = Posterior(model, low, data).predict(Z)
    _, K = dense(model, low, X, y)
    cross = model.covariance(low, X, Z)
    assert mean == pytest.approx(cross.T @ np.linalg.solve(K, y), rel=1e-5, abs=1e-6)
    variance = model.variance(low, Z) - (cross * np.linalg.solve(K, cross)).sum(0)
    assert std == pytest.approx(np.sqrt(variance), rel=1e-5)
    assert Posterior(model, low, data).mean(Z) == pytest.approx(mean)


def test_what_is_learnt_tells_relevant_from_irrelevant_and_finds_the_noise():
    rng = np.random.default_rng(2)
    X = rng.random((80, 4))
    X[:, 3] = (np.floor(X[:, 3] * 2) + 0.5) / 2
    y = np.sin(6 * X[:, 0]) * (1.0 + 0.8 * (X[:, 3] > 0.5)) + 0.1 * rng.normal(size=80)
    model = GaussianProcess(np.array([0, 0, 0, 2]))
    theta = model.fit(Measurements.merged(X, y))
    scales, effects = theta[:3], theta[4:7]
    assert all(scales[0] < other - 1.0 for other in scales[1:])
    assert all(effects[0] > other + 1.0 for other in effects[1:])
    assert np.exp(0.5 * theta[-1]) == pytest.approx(0.1, rel=0.4)
    again = model.fit(Measurements.merged(X, y), [theta, model.prior_mean])
    data = Measurements.merged(X, y)
    assert model.objective(again, data)[0] <= model.objective(theta, data)[0] + 1e-6


def test_the_prior_of_the_length_scales_grows_with_the_dimension():
    few, many = (GaussianProcess(np.zeros(d, dtype=np.int64)).prior_mean[0] for d in (1, 16))
    assert many - few == pytest.approx(np.log(4.0))
    assert GaussianProcess(np.array([0]), prior=Prior(scale=(1.5, 1.0))).prior_mean[0] == 1.5


def test_imagined_measurements_leave_the_mean_and_narrow_the_rest():
    X, y = mixed_data()
    model = GaussianProcess(SIZES)
    posterior = Posterior(model, model.prior_mean, Measurements.merged(X, y))
    Z, _ = mixed_data(3, 0, seed=5)
    mean, std = posterior.predict(Z)
    later_mean, later_std = posterior.imagining(Z).predict(Z)
    assert later_mean == pytest.approx(mean, abs=1e-6)
    assert (later_std < 0.5 * std).all()


def test_samples_have_the_mean_and_the_spread_of_the_posterior():
    X, y = mixed_data(12, 0)
    model = GaussianProcess(SIZES)
    posterior = Posterior(model, model.prior_mean, Measurements.merged(X, y))
    Z, _ = mixed_data(6, 0, seed=5)
    mean, std = posterior.predict(Z)
    drawn = posterior.sample(Z, 4000, np.random.default_rng(0))
    assert drawn.mean(0) == pytest.approx(mean, abs=0.1)
    assert drawn.std(0) == pytest.approx(std, rel=0.1)


def test_far_from_everything_the_prior_is_left():
    model = GaussianProcess(np.array([0]))
    data = Measurements.merged(np.zeros((2, 1)), np.zeros(2))
    theta = np.array([np.log(0.01), -9.0, 0.0, 0.0, np.log(1e-4)])
    mean, std = Posterior(model, theta, data).predict(np.ones((1, 1)))
    assert mean == pytest.approx([0.0], abs=1e-6)
    # What two measurements say about the unknown mean is all that is known there.
    assert 1.0 < std[0] ** 2 <= 1.0 + MEAN_VARIANCE


def test_equal_rows_without_noise_do_not_break_it():
    X = np.vstack([np.full((5, 2), 0.5), np.full((5, 2), 0.5 + 1e-12)])
    model = GaussianProcess(np.array([0, 0]))
    data = Measurements(X, np.zeros(10), np.ones(10), 0.0)
    theta = np.array([5.0, 5.0, 0.0, 0.0, 0.0, 5.0, -12.0])
    mean, std = Posterior(model, theta, data).predict(X[:1])
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
