"""A forest of regression trees: a second opinion where options combine as no smooth model expects.

Each tree is grown on a bootstrap sample (Breiman, "Random forests", 2001). A node is split by the best of one
random threshold per column (Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006); for options that
are on or off that is the best split there is. What trees disagree about is uncertain (Hutter, Hoos and
Leyton-Brown, "Sequential model-based optimization for general algorithm configuration", LION 2011).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

TREES = 30
_LEAST_STD = 1e-3

Indices: TypeAlias = npt.NDArray[np.int64]


class Forest:
    """Trees grown on some rows and their targets.

    Args:
        X: rows, numbers as they are and categories one-hot.
        y: targets.
        rng: draws samples and thresholds.
    """

    def __init__(self, X: Array, y: Array, rng: np.random.Generator) -> None:
        drawn = rng.integers(len(y), size=(TREES, len(y))).ravel()
        self._grow(X[drawn], y[drawn], np.repeat(np.arange(TREES), len(y)), rng)

    def _grow(self, X: Array, y: Array, node: Indices, rng: np.random.Generator) -> None:
        """Split all trees until nothing differs, a level at a time, so that few operations do for all nodes.

        Nodes are numbered as they are made, the roots first; the two children of a node follow each other.
        """
        columns, thresholds, children, means = [], [], [], []
        made = TREES
        while len(y):
            starts = np.flatnonzero(np.diff(node, prepend=-1))
            size = np.diff(starts, append=len(y))
            mean = np.add.reduceat(y, starts) / size
            own = np.repeat(np.arange(len(starts)), size)  # the node of each sample, among those of the level
            low, high = np.minimum.reduceat(X, starts), np.maximum.reduceat(X, starts)
            threshold = low + (high - low) * rng.random(low.shape)
            right = threshold[own] < X
            gain = _gains(right, y - mean[own], starts, size)
            best = gain.argmax(1)
            here = np.arange(len(starts))
            differs = np.maximum.reduceat(y, starts) > np.minimum.reduceat(y, starts)
            split = (gain[here, best] >= 0.0) & differs
            first = np.where(split, made + 2 * (np.cumsum(split) - 1), 0)
            made += 2 * int(split.sum())
            columns.append(best)
            thresholds.append(threshold[here, best])
            children.append(first)
            means.append(mean)
            child = first[own] + right[np.arange(len(y)), best[own]]
            order = np.argsort(child, kind="stable")
            order = order[split[own[order]]]
            X, y, node = X[order], y[order], child[order]
        self._column, self._child = np.concatenate(columns), np.concatenate(children)
        self._threshold, self._mean = np.concatenate(thresholds), np.concatenate(means)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """The mean of the trees and their standard deviation, at each row."""
        at = np.tile(np.arange(TREES), (len(X), 1))
        rows = np.arange(len(X))[:, None]
        while True:
            child = self._child[at]
            inner = child > 0
            if not inner.any():
                break
            right = X[rows, self._column[at]] > self._threshold[at]
            at = np.where(inner, child + right, at)
        means = self._mean[at]
        return means.mean(1), np.maximum(means.std(1), _LEAST_STD)


def _gains(right: npt.NDArray[np.bool_], y: Array, starts: Indices, size: Indices) -> Array:
    """Per node and column by how much a split lowers the sum of squares; -1 where it would part nothing.

    Args:
        right: per sample and column whether it would go to the right.
        y: per sample its deviation from the mean of its node.
        starts: the first sample of each node.
        size: samples per node.
    """
    k = np.add.reduceat(right, starts, dtype=np.int64)
    rest = size[:, None] - k
    sums = np.add.reduceat(right * y[:, None], starts)
    parts = (k > 0) & (rest > 0)
    gains: Array = np.where(parts, sums**2 * (1.0 / np.maximum(k, 1) + 1.0 / np.maximum(rest, 1)), -1.0)
    return gains
