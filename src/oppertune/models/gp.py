"""An exact Gaussian process with learnt noise, the model of rewards behind search and analysis.

The covariance of two measurements is

    (s^2 k_x + k_a + o) k_z + c + sigma^2 [same measurement]

with k_x over the configuration as a whole, k_a the sum of what each parameter does by itself
(:mod:`oppertune.models.additive`), k_z over the context (1 where there is none) and constants o (an offset
per context) and c (an unknown mean). Hyperparameters maximise the posterior (MAP): log marginal likelihood
(Rasmussen and Williams, 2006, eqs. 5.8 and 5.9) plus Gaussian priors over their logarithms. The prior of the
length scales grows with the square root of the dimension, so that a model of many parameters does not begin
with all of them relevant (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian optimization performs great in high
dimensions", ICML 2024). Repeated measurements are merged into their mean, which changes no number (Binois,
Gramacy and Ludkovski, "Practical heteroscedastic Gaussian process modeling", 2018, eq. 6).

One fit costs O(n^3) in the number of distinct configurations; callers bound n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oppertune.models.additive import AdditiveKernel
from oppertune.models.inputs import Array
from oppertune.models.kernels import MixedKernel

MEAN_VARIANCE = 1.0
OFFSET_VARIANCE = 0.5
_JITTER = 1e-8
_BOUNDS = {
    "scale": (-5.0, 5.0),
    "penalty": (-6.0, 4.0),
    "context": (-6.0, 4.0),
    "effect": (-9.0, 3.0),
    "smoothness": (-3.0, 1.0),
    "signal": (-5.0, 5.0),
    "noise": (-12.0, 2.0),
}


class Prior(NamedTuple):
    """Means and standard deviations of the logarithms of the hyperparameters.

    Attributes:
        scale: of a length scale where there is one dimension; log sqrt(d) is added for d.
        penalty: of a category's penalty.
        context: of the penalty of a context's category, lower since contexts have much in common.
        effect: of the variance of what a parameter does by itself; shared among d parameters.
        smoothness: of the length scale of these effects, one for all.
        signal: of s^2.
        noise: of sigma^2.
    """

    scale: tuple[float, float] = (math.log(0.2), 0.7)
    penalty: tuple[float, float] = (math.log(0.5), 1.0)
    context: tuple[float, float] = (math.log(0.15), 1.0)
    effect: tuple[float, float] = (math.log(0.5), 1.5)
    smoothness: tuple[float, float] = (math.log(0.3), 0.5)
    signal: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (math.log(0.02), 1.0)


class Measurements(NamedTuple):
    """Distinct rows with what was measured there.

    Attributes:
        X: distinct rows.
        y: mean target per row.
        counts: measurements per row.
        within: sum of squared deviations from the means.
    """

    X: Array
    y: Array
    counts: Array
    within: float

    @classmethod
    def merged(cls, X: Array, y: Array) -> Measurements:
        """Equal rows become one."""
        rows, first, inverse = np.unique(X, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.ravel()
        counts = np.bincount(inverse).astype(np.float64)
        means = np.bincount(inverse, y) / counts
        within = float(((y - means[inverse]) ** 2).sum())
        order = np.argsort(first)  # as they came
        return cls(rows[order], means[order], counts[order], within)


class _Split(NamedTuple):
    """Rows as the kernels take them: configurations, contexts, and functions of single columns."""

    x: tuple[Array, Array]
    z: tuple[Array, Array]
    functions: Array


class GaussianProcess:
    """The prior over functions of some columns, and how to learn its hyperparameters.

    A vector ``theta`` of hyperparameters holds logarithms: per column a length scale or penalty, per column
    that is no context the variance of its effect, the length scale of the effects, s^2 and sigma^2.

    Args:
        sizes: per column the number of categories, 0 for numbers.
        n_context: so many columns, the last ones, describe the context.
        prior: over the hyperparameters.
    """

    def __init__(self, sizes: npt.NDArray[np.int64], n_context: int = 0, prior: Prior | None = None) -> None:
        prior = prior or Prior()
        self._d = len(sizes) - n_context
        self._x = MixedKernel(sizes[: self._d])
        self._z = MixedKernel(sizes[self._d :])
        self._offset = OFFSET_VARIANCE if n_context else 0.0
        growth = 0.5 * math.log(max(self._d, 1))
        self._effects = AdditiveKernel(sizes[: self._d])
        self._n_columns = len(sizes)
        kinds = ["penalty" if size else "scale" for size in sizes[: self._d]]
        kinds += ["context" if size else "scale" for size in sizes[self._d :]]
        kinds += ["effect"] * self._d + ["smoothness", "signal", "noise"]
        self.prior_mean = np.array([getattr(prior, kind)[0] for kind in kinds])
        self.prior_mean[: self._d] += np.where(sizes[: self._d] == 0, growth, -growth)
        self.prior_mean[self._n_columns : -3] -= 2.0 * growth
        self.prior_std = np.array([getattr(prior, kind)[1] for kind in kinds])
        self.bounds = [_BOUNDS[kind] for kind in kinds]

    def fit(self, data: Measurements, starts: Sequence[Array] = (), max_iterations: int = 30) -> Array:
        """The hyperparameters of the highest posterior density that L-BFGS finds.

        Args:
            data: what was measured.
            starts: where to search from; the mean of the prior where there are none.
            max_iterations: per start.
        """
        from scipy.optimize import minimize

        split = self._split(data.X)
        results = [
            minimize(
                lambda theta: self._objective(theta, data, split),
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=self.bounds,
                options={"maxiter": max_iterations},
            )
            for start in starts or [self.prior_mean]
        ]
        theta: Array = min(results, key=lambda result: float(result.fun)).x
        return theta

    def split(self, X: Array) -> tuple[Array, Array]:
        """The numbers among the parameters' columns, and the categories one-hot."""
        return self._x.split(X[:, : self._d])

    def _split(self, X: Array) -> _Split:
        x = X[:, : self._d]
        return _Split(self._x.split(x), self._z.split(X[:, self._d :]), self._effects.features(x))

    def objective(self, theta: Array, data: Measurements) -> tuple[float, Array]:
        """The negative log posterior density of ``theta``, up to a constant, and its gradient."""
        split = self._split(data.X)
        return self._objective(theta, data, split)

    def _objective(self, theta: Array, data: Measurements, split: _Split) -> tuple[float, Array]:
        n, total = len(data.y), float(data.counts.sum())
        signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
        of_x, of_z = slice(self._d), slice(self._d, self._n_columns)
        of_effects = slice(self._n_columns, -3)
        kx, kz = self._x.with_slope(theta[of_x], split.x), self._z.with_slope(theta[of_z], split.z)
        F = split.functions
        own = (F * self._weights(theta)) @ F.T + self._offset
        shared = signal * kx.K * kz.K
        K = shared + own * kz.K + MEAN_VARIANCE
        K.flat[:: n + 1] += noise / data.counts + _JITTER
        L = _cholesky(K)
        inverse = _inverse(L)
        alpha = inverse @ data.y
        off = (theta - self.prior_mean) / self.prior_std
        value = (
            0.5 * float(data.y @ alpha)
            + float(np.log(np.diag(L)).sum())
            + 0.5 * (total - n) * theta[-1]
            + 0.5 * data.within / noise
            + 0.5 * float(off @ off)
        )
        # R&W eq. 5.9: the derivative is tr(M dK) with M = (K^-1 - alpha alpha^T) / 2.
        M = 0.5 * (inverse - np.outer(alpha, alpha))
        gradient = off / self.prior_std
        gradient[of_x] += self._x.gradient(theta[of_x], split.x, kx, signal * M * kz.K)
        if len(self._z.sizes):
            gradient[of_z] += self._z.gradient(theta[of_z], split.z, kz, M * (signal * kx.K + own))
        by_effects, by_length = self._effects.gradient(theta[of_effects], math.exp(theta[-3]), F, M * kz.K)
        gradient[of_effects] += by_effects
        gradient[-3] += by_length
        gradient[-2] += float((M * shared).sum())
        gradient[-1] += float((np.diag(M) * noise / data.counts).sum())
        gradient[-1] += 0.5 * (total - n) - 0.5 * data.within / noise
        return value, gradient

    def covariance(self, theta: Array, A: Array, B: Array) -> Array:
        """The covariance of the noise-free function between two sets of rows."""
        a, b = self._split(A), self._split(B)
        K = math.exp(theta[-2]) * self._x(theta[: self._d], a.x, b.x)
        K += (a.functions * self._weights(theta)) @ b.functions.T
        if len(self._z.sizes):
            K += self._offset
            K *= self._z(theta[self._d : self._n_columns], a.z, b.z)
        return K + MEAN_VARIANCE

    def variance(self, theta: Array, X: Array) -> Array:
        """The prior variance of the noise-free function at each row."""
        functions = self._effects.features(X[:, : self._d])
        own: Array = (functions * functions) @ self._weights(theta)
        return own + math.exp(theta[-2]) + self._offset + MEAN_VARIANCE

    def _weights(self, theta: Array) -> Array:
        return self._effects.weights(theta[self._n_columns : -3], math.exp(theta[-3]))


class Posterior:
    """What is expected of the noise-free function after some measurements.

    Args:
        model: the prior.
        theta: its hyperparameters.
        data: the measurements.
    """

    def __init__(self, model: GaussianProcess, theta: Array, data: Measurements) -> None:
        self.model, self.theta, self.data = model, theta, data
        K = model.covariance(theta, data.X, data.X)
        K.flat[:: len(K) + 1] += math.exp(theta[-1]) / data.counts + _JITTER
        self._L = _cholesky(K)
        self._alpha = _solve(self._L, _solve(self._L, data.y), transposed=True)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at each row (Rasmussen and Williams, eqs. 2.25 and 2.26)."""
        K = self.model.covariance(self.theta, self.data.X, X)
        V = _solve(self._L, K)
        variance = self.model.variance(self.theta, X) - (V * V).sum(0)
        return self._alpha @ K, np.sqrt(np.maximum(variance, 1e-12))

    def mean(self, X: Array) -> Array:
        """The mean alone, at a fraction of the cost."""
        mean: Array = self._alpha @ self.model.covariance(self.theta, self.data.X, X)
        return mean

    def imagining(self, X: Array) -> Posterior:
        """The posterior if each row were measured to be as expected ("kriging believer").

        Ginsbourger, Le Riche and Carraro, "Kriging is well-suited to parallelize optimization", 2010.
        """
        data = self.data
        more = Measurements(
            np.vstack([data.X, X]),
            np.concatenate([data.y, self.mean(X)]),
            np.concatenate([data.counts, np.ones(len(X))]),
            data.within,
        )
        return Posterior(self.model, self.theta, more)

    def sample(self, X: Array, n: int, rng: np.random.Generator) -> Array:
        """``n`` functions drawn from the posterior, at each row; shape (n, rows)."""
        K = self.model.covariance(self.theta, self.data.X, X)
        V = _solve(self._L, K)
        covariance = self.model.covariance(self.theta, X, X) - V.T @ V
        covariance.flat[:: len(X) + 1] += 1e-6
        drawn: Array = (self._alpha @ K)[None, :] + rng.normal(size=(n, len(X))) @ _cholesky(covariance).T
        return drawn


def _cholesky(K: Array) -> Array:
    """The lower factor, with a growing diagonal where rounding made K indefinite."""
    from scipy.linalg import LinAlgError, cholesky

    jitter = 0.0
    while True:
        try:
            L: Array = cholesky(K + jitter * np.eye(len(K)) if jitter else K, lower=True, check_finite=False)
            return L
        except LinAlgError:
            jitter = max(1e-7, 10.0 * jitter)


def _solve(L: Array, b: Array, *, transposed: bool = False) -> Array:
    from scipy.linalg import solve_triangular

    x: Array = solve_triangular(L, b, lower=True, trans=int(transposed), check_finite=False)
    return x


def _inverse(L: Array) -> Array:
    """The inverse of L L^T."""
    from scipy.linalg.lapack import dpotri

    inverse, _ = dpotri(L, lower=1)
    full: Array = np.tril(inverse) + np.tril(inverse, -1).T
    return full
