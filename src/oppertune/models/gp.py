"""An exact Gaussian process with learnt noise, the model of rewards behind search and analysis.

The covariance of two measurements is

    (s^2 k_x + a) k_z + c + sigma^2 [same measurement]

with k_x over the configuration, k_z over the context (1 where there is none) and constants a (an offset per
context) and c (an unknown mean). Hyperparameters maximise the posterior (MAP): log marginal likelihood
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

from oppertune.models.inputs import Array
from oppertune.models.kernels import MixedKernel

MEAN_VARIANCE = 1.0
OFFSET_VARIANCE = 0.5
_JITTER = 1e-8
_BOUNDS = {"scale": (-5.0, 5.0), "penalty": (-6.0, 4.0), "signal": (-5.0, 5.0), "noise": (-12.0, 2.0)}


class Prior(NamedTuple):
    """Means and standard deviations of the logarithms of the hyperparameters.

    Attributes:
        scale: of a length scale where there is one dimension; log sqrt(d) is added for d.
        penalty: of a category's penalty.
        signal: of s^2.
        noise: of sigma^2.
    """

    scale: tuple[float, float] = (math.log(0.2), 0.7)
    penalty: tuple[float, float] = (math.log(0.5), 1.0)
    signal: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (math.log(0.005), 1.0)


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


class GaussianProcess:
    """The prior over functions of some columns, and how to learn its hyperparameters.

    A vector ``theta`` of hyperparameters holds one logarithm per column (length scale or penalty), then
    log s^2 and log sigma^2.

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
        kinds = ["penalty" if size else "scale" for size in sizes] + ["signal", "noise"]
        self.prior_mean = np.array([getattr(prior, kind)[0] for kind in kinds])
        self.prior_mean[: self._d] += np.where(sizes[: self._d] == 0, growth, -growth)
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

        split = (self._x.split(data.X[:, : self._d]), self._z.split(data.X[:, self._d :]))
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

    def objective(self, theta: Array, data: Measurements) -> tuple[float, Array]:
        """The negative log posterior density of ``theta``, up to a constant, and its gradient."""
        split = (self._x.split(data.X[:, : self._d]), self._z.split(data.X[:, self._d :]))
        return self._objective(theta, data, split)

    def _objective(
        self, theta: Array, data: Measurements, split: tuple[tuple[Array, Array], tuple[Array, Array]]
    ) -> tuple[float, Array]:
        n, total = len(data.y), float(data.counts.sum())
        signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
        kx = self._x.with_slope(theta[: self._d], split[0])
        kz = self._z.with_slope(theta[self._d : -2], split[1])
        shared = signal * kx.K * kz.K
        K = shared + self._offset * kz.K + MEAN_VARIANCE
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
        gradient[: self._d] += self._x.gradient(theta[: self._d], split[0], kx, signal * M * kz.K)
        if len(self._z.sizes):
            outer = M * (signal * kx.K + self._offset)
            gradient[self._d : -2] += self._z.gradient(theta[self._d : -2], split[1], kz, outer)
        gradient[-2] += float((M * shared).sum())
        gradient[-1] += float((np.diag(M) * noise / data.counts).sum())
        gradient[-1] += 0.5 * (total - n) - 0.5 * data.within / noise
        return value, gradient

    def covariance(self, theta: Array, A: Array, B: Array) -> Array:
        """The covariance of the noise-free function between two sets of rows."""
        x, z = theta[: self._d], theta[self._d : -2]
        K = math.exp(theta[-2]) * self._x(x, self._x.split(A[:, : self._d]), self._x.split(B[:, : self._d]))
        if len(self._z.sizes):
            K += self._offset
            K *= self._z(z, self._z.split(A[:, self._d :]), self._z.split(B[:, self._d :]))
        return K + MEAN_VARIANCE

    def variance(self, theta: Array) -> float:
        """The prior variance of the noise-free function, the same everywhere."""
        return math.exp(theta[-2]) + self._offset + MEAN_VARIANCE


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
        variance = self.model.variance(self.theta) - (V * V).sum(0)
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
