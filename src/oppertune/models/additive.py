"""What each parameter does by itself: a sum of functions of one column each, learnt from few measurements.

The kernel is sum_j a_j k(x_j, x'_j). For a number k is a Matern-5/2 on [0, 1] with reflecting ends, written
as its cosine series (Solin and Sarkka, "Hilbert space methods for reduced-rank Gaussian process regression",
2020): k(x, x') = sum_m s_m 2 cos(pi m x) cos(pi m x') with s_m proportional to (5 / l^2 + (pi m)^2)^-3 and
sum_m s_m = 1. For a category it is [c = c']. So a matrix product stands where else there would be one kernel
matrix per column, and many columns cost little.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

FREQUENCIES = 10
_M = np.arange(1, FREQUENCIES + 1)


class AdditiveKernel:
    """The kernel over some columns. Its parameters are log a_j per column and one length l for all numbers.

    Args:
        sizes: per column the number of categories, 0 for numbers.
    """

    def __init__(self, sizes: npt.NDArray[np.int64]) -> None:
        self.sizes = sizes
        self.numbers = np.flatnonzero(sizes == 0)
        self.categories = np.flatnonzero(sizes)
        of_numbers = np.repeat(self.numbers, FREQUENCIES)
        of_categories = np.repeat(self.categories, sizes[self.categories])
        self._owner = np.concatenate([of_numbers, of_categories]).astype(np.int64)
        self._n_cosines = len(of_numbers)

    def features(self, X: Array) -> Array:
        """The cosines of the numbers, then the categories one-hot; shape (rows, functions)."""
        cosines = math.sqrt(2.0) * np.cos(np.pi * X[:, self.numbers, None] * _M)
        blocks = [cosines.reshape(len(X), -1)]
        for j in self.categories:
            k = int(self.sizes[j])
            codes = np.minimum((X[:, j] * k).astype(np.int64), k - 1)
            blocks.append((codes[:, None] == np.arange(k)).astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def weights(self, log_a: Array, length: float) -> Array:
        """The prior variance per function; with features F the kernel matrix is F diag(weights) F^T."""
        shares, _ = _spectrum(length)
        weights: Array = np.exp(log_a)[self._owner] * self._per_function(shares)
        return weights

    def gradient(self, log_a: Array, length: float, F: Array, W: Array) -> tuple[Array, float]:
        """sum_ik W_ik dK_ik by each log a_j, and by log l, for a symmetric ``W``."""
        shares, slopes = _spectrum(length)
        forms = np.exp(log_a)[self._owner] * ((W @ F) * F).sum(0)
        by_a: Array = np.bincount(
            self._owner, forms * self._per_function(shares), minlength=len(self.sizes)
        ).astype(np.float64)
        by_length = forms[: self._n_cosines] @ np.tile(slopes, len(self.numbers))
        return by_a, float(by_length)

    def _per_function(self, shares: Array) -> Array:
        """The shares of the cosines repeated for each number, and 1 for each category."""
        ones = np.ones(len(self._owner) - self._n_cosines)
        return np.concatenate([np.tile(shares, len(self.numbers)), ones])


def _spectrum(length: float) -> tuple[Array, Array]:
    """The shares s_m of the cosines, and their derivatives by log l."""
    base = 5.0 / length**2 + (np.pi * _M) ** 2
    raw = base**-3.0
    slope = 30.0 / length**2 * base**-4.0
    total = raw.sum()
    return raw / total, slope / total - raw * slope.sum() / total**2
