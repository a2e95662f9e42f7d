"""How alike two configurations are: Matern-5/2 over numbers times an exponential penalty over categories.

With r^2 = sum_j (x_j - x'_j)^2 / l_j^2 over numbers and h = sum_j t_j [c_j != c'_j] over categories,

    k = (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r) exp(-h)

(Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, eq. 4.17; the categorical factor is
that of Hutter, Hoos and Leyton-Brown, LION 2011). Since [c != c'] is half the squared distance of two one-hot
rows, both sums are squared distances, and neither they nor their gradients need one matrix per dimension.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

_SQRT5 = 5.0**0.5


def squared_distances(A: Array, B: Array) -> Array:
    """The squared Euclidean distance of every row of ``A`` to every row of ``B``."""
    distances: Array = (A * A).sum(1)[:, None] + (B * B).sum(1)[None, :] - 2.0 * (A @ B.T)
    np.maximum(distances, 0.0, out=distances)
    return distances


def quadratic_forms(W: Array, X: Array) -> Array:
    """Per column j of ``X`` sum_ik W_ik (x_ij - x_kj)^2, for a symmetric ``W``."""
    forms: Array = 2.0 * (W.sum(1) @ (X * X) - (X * (W @ X)).sum(0))
    return forms


class _Value(NamedTuple):
    """A kernel matrix, and the factor that its derivatives by length scales share."""

    K: Array
    slope: Array


class MixedKernel:
    """The kernel over some columns; numbers and categories may both be absent.

    The parameters are log l_j and log t_j, in the order of the columns.

    Args:
        sizes: per column the number of categories, 0 for numbers.
    """

    def __init__(self, sizes: npt.NDArray[np.int64]) -> None:
        self.sizes = sizes
        self.numbers = np.flatnonzero(sizes == 0)
        self.categories = np.flatnonzero(sizes)
        self._owner = np.repeat(np.arange(len(self.categories)), sizes[self.categories])

    def split(self, X: Array) -> tuple[Array, Array]:
        """Numbers as they are and categories one-hot."""
        blocks = [np.zeros((len(X), 0))]
        for j in self.categories:
            k = int(self.sizes[j])
            codes = np.minimum((X[:, j] * k).astype(np.int64), k - 1)
            blocks.append((codes[:, None] == np.arange(k)).astype(np.float64))
        return X[:, self.numbers], np.concatenate(blocks, axis=1)

    def __call__(self, theta: Array, A: tuple[Array, Array], B: tuple[Array, Array]) -> Array:
        """The kernel between two sets of rows that went through :meth:`split`."""
        return self._value(theta, A, B).K

    def _value(self, theta: Array, A: tuple[Array, Array], B: tuple[Array, Array]) -> _Value:
        K = np.ones((len(A[0]), len(B[0])))
        slope = K
        if len(self.numbers):
            scale = np.exp(-theta[self.numbers])
            r2 = squared_distances(A[0] * scale, B[0] * scale)
            r = _SQRT5 * np.sqrt(r2)
            decay = np.exp(-r)
            slope = (5.0 / 3.0) * (1.0 + r) * decay
            K = (1.0 + r + (5.0 / 3.0) * r2) * decay
        if len(self.categories):
            root = np.sqrt(0.5 * np.exp(theta[self.categories]))[self._owner]
            penalty = np.exp(-squared_distances(A[1] * root, B[1] * root))
            K, slope = K * penalty, slope * penalty
        return _Value(K, slope)

    def with_slope(self, theta: Array, A: tuple[Array, Array]) -> _Value:
        """The symmetric kernel matrix and what :meth:`gradient` needs of it."""
        return self._value(theta, A, A)

    def gradient(self, theta: Array, A: tuple[Array, Array], value: _Value, W: Array) -> Array:
        """Per parameter sum_ik W_ik dK_ik / dtheta_j, for a symmetric ``W``.

        dk/dlog l_j = 5/3 (1 + sqrt(5) r) exp(-sqrt(5) r) exp(-h) (x_j - x'_j)^2 / l_j^2, and
        dk/dlog t_j = -t_j [c_j != c'_j] k.
        """
        slopes = np.zeros(len(self.sizes))
        if len(self.numbers):
            scale = np.exp(-2.0 * theta[self.numbers])
            slopes[self.numbers] = scale * quadratic_forms(W * value.slope, A[0])
        if len(self.categories):
            halves = 0.5 * quadratic_forms(W * value.K, A[1])
            totals = np.bincount(self._owner, halves, minlength=len(self.categories))
            slopes[self.categories] = -np.exp(theta[self.categories]) * totals
        return slopes
