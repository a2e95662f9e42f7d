"""Where things still work: cliffs recognised among rewards, and the probability not to fall off one.

What lies beyond a cliff (memory ran out, connections were refused) says nothing about how good its neighbours
are, so it is kept out of the model of rewards and told to a classifier instead: a Gaussian process with a
logistic likelihood by Laplace's approximation (Rasmussen and Williams, 2006, algorithms 3.1 and 3.2). Its
kernel is linear, since limits are limits of sums, plus a smooth part for what is no sum. Contexts move a
limit and leave its slope: each has a constant of its own.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array
from oppertune.models.kernels import MixedKernel, squared_distances

_ITERATIONS = 20
_PRIOR_MEAN = 1.0
_OF_A_KIND = 80
_CONSTANT, _OTHER_CATEGORY, _FAR = 0.5, 3.0, 0.3
"""Of contexts: the variance of their constants, a share of the linear part's; and how little of them contexts
share that differ in a category, or by that much of a number's range."""
_LEAST_FALL = 1.8
"""On the logarithm, that is to a sixth."""

Flags = npt.NDArray[np.bool_]


Scales: TypeAlias = tuple[float, float]
"""Variances of the classifier's latent function: of its linear part and of its smooth part."""

DEFAULT_SCALES: Scales = (30.0, 4.0)
NO_COLUMNS = np.zeros(0, dtype=np.int64)
_CHOICE: tuple[Scales, ...] = (DEFAULT_SCALES, (300.0, 4.0))


def fallen(rewards: Array, failed: Flags | None = None) -> Flags:
    """Which rewards lie beyond a gap so wide that what is below cannot be more of the same.

    Among rewards of one sign that is a gap of at least a factor of 6 and nearly as wide (on the logarithm) as
    the range of at least three rewards above it; where signs are mixed it must be three times as wide as the
    range of at least five rewards above it.

    Args:
        rewards: finite numbers.
        failed: those known to stand for a failure; only the others are compared.
    """
    if failed is not None and failed.any():
        below = failed.copy()
        below[~failed] = fallen(rewards[~failed])
        return below
    # Equal rewards say once what there is to say.
    distinct, which = np.unique(rewards, return_inverse=True)
    return _fallen(distinct)[which.ravel()]


def _fallen(rewards: Array) -> Flags:
    """The same for rewards that all differ."""
    n = len(rewards)
    below = np.zeros(n, dtype=bool)
    if n < 3:
        return below
    one_sign = bool(np.all(rewards > 0.0) or np.all(rewards < 0.0))
    # An eighth, so that differences of the largest floats stay finite.
    values = np.sign(rewards) * np.log(np.abs(rewards)) if one_sign else rewards / 8.0
    order = np.argsort(-values)
    ranked = values[order]
    gaps, above = ranked[:-1] - ranked[1:], ranked[0] - ranked[:-1]
    if one_sign:
        wide = (gaps > _LEAST_FALL) & (gaps > 0.8 * above) & (np.arange(n - 1) >= 2)
    else:
        wide = (gaps > 3.0 * above) & (np.arange(n - 1) >= 4)
    if wide.any():
        below[order[int(np.argmax(wide)) + 1 :]] = True
    return below


class Success:
    """The probability of success at any row, after some rows have succeeded and some have failed.

    Args:
        X: rows in [0, 1], with the columns of their contexts after their own.
        succeeded: per row.
        scales: of the kernel.
        context_sizes: per column of the context the number of categories, 0 for numbers.

    Attributes:
        evidence: the logarithm of the approximate marginal likelihood (eq. 3.32).
    """

    def __init__(
        self,
        X: Array,
        succeeded: Flags,
        scales: Scales = DEFAULT_SCALES,
        context_sizes: npt.NDArray[np.int64] = NO_COLUMNS,
    ) -> None:
        from scipy.linalg import cho_solve

        self._alike = MixedKernel(context_sizes)
        self._constants = np.log(np.where(context_sizes, _OTHER_CATEGORY, _FAR))
        self._d = X.shape[1] - len(context_sizes)
        self._X, self._Z = X[:, : self._d], self._alike.split(X[:, self._d :])
        self._linear, self._smooth = scales
        y = np.where(succeeded, 1.0, -1.0)
        K = self._kernel(X)
        K.flat[:: len(K) + 1] += 1e-6
        a = latent = np.zeros(len(y))
        for _ in range(_ITERATIONS):  # Newton's method, algorithm 3.1
            p, root, L = _curvature(latent, K)
            b = root * root * latent + 0.5 * (y + 1.0) - p
            a = b - root * cho_solve((L, True), root * (K @ b), check_finite=False)
            step = K @ a - latent
            latent = latent + step
            if float(np.max(np.abs(step))) < 1e-3:
                break
        p, self._root, self._L = _curvature(latent, K)
        self._slope = 0.5 * (y + 1.0) - p
        self.evidence = float(
            -np.logaddexp(0.0, -y * (latent + _PRIOR_MEAN)).sum()
            - 0.5 * latent @ a
            - np.log(np.diag(self._L)).sum()
        )

    def probability(self, X: Array) -> Array:
        """Per row, averaged over what the latent function may be (eq. 3.25 by MacKay's approximation)."""
        from scipy.linalg import solve_triangular

        K = self._kernel(X)
        V = solve_triangular(self._L, self._root[:, None] * K, lower=True, check_finite=False)
        x = X[:, : self._d]
        own = self._smooth + self._linear * (4.0 + ((x - 0.5) ** 2).sum(1) * _steepness(x))
        if len(self._constants):
            own = own + _CONSTANT * self._linear
        variance = np.maximum(own - (V * V).sum(0), 0.0)
        return _logistic((_PRIOR_MEAN + self._slope @ K) / np.sqrt(1.0 + math.pi / 8.0 * variance))

    def _kernel(self, X: Array) -> Array:
        """Between the rows at hand and others."""
        x = X[:, : self._d]
        linear = 4.0 + _steepness(x) * (self._X - 0.5) @ (x - 0.5).T
        if len(self._constants):
            linear += _CONSTANT * self._alike(self._constants, self._Z, self._alike.split(X[:, self._d :]))
        length = 0.3 * math.sqrt(self._d)
        smooth = np.exp(-0.5 * squared_distances(self._X / length, x / length))
        kernel: Array = self._linear * linear + self._smooth * smooth
        return kernel


def telling(succeeded: Flags) -> npt.NDArray[np.int64]:
    """The rows that a classifier is fitted to: the newest of either kind, which bounds what it costs."""
    kinds = (np.flatnonzero(succeeded)[-_OF_A_KIND:], np.flatnonzero(~succeeded)[-_OF_A_KIND:])
    return np.sort(np.concatenate(kinds))


def best_scales(X: Array, succeeded: Flags, context_sizes: npt.NDArray[np.int64] = NO_COLUMNS) -> Scales:
    """Those of the highest evidence: how sharp the edge is."""
    return max(_CHOICE, key=lambda scales: Success(X, succeeded, scales, context_sizes).evidence)


def _steepness(X: Array) -> float:
    """Of the linear part, so that its variance over uniform rows does not depend on their dimension."""
    return 12.0 / float(X.shape[1])


def _logistic(x: Array) -> Array:
    value: Array = 1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0)))
    return value


def _curvature(latent: Array, K: Array) -> tuple[Array, Array, Array]:
    """Probabilities, W^(1/2), and the lower factor of I + W^(1/2) K W^(1/2)."""
    p = _logistic(latent + _PRIOR_MEAN)
    root: Array = np.sqrt(np.maximum(p * (1.0 - p), 1e-10))
    L: Array = np.asarray(np.linalg.cholesky(np.eye(len(p)) + root[:, None] * K * root), dtype=np.float64)
    return p, root, L
