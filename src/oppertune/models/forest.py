"""A forest of regression trees: a second opinion where options combine as no smooth model expects.

Each tree is grown on a bootstrap sample (Breiman, "Random forests", 2001). A node is split by the best of one
random threshold per column (Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006); for options that
are on or off that is the best split there is. What trees disagree about is uncertain (Hutter, Hoos and
Leyton-Brown, "Sequential model-based optimization for general algorithm configuration", LION 2011).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

TREES = 30
_LEAST_STD = 1e-3

_Tree = tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64], Array]
"""Per node the column, the threshold, the first of its two children (0 at leaves), and the mean target."""


class Forest:
    """Trees grown on some rows and their targets.

    Args:
        X: rows, numbers as they are and categories one-hot.
        y: targets.
        rng: draws samples and thresholds.
    """

    def __init__(self, X: Array, y: Array, rng: np.random.Generator) -> None:
        n = len(y)
        trees = []
        for _ in range(TREES):
            drawn = rng.integers(n, size=n)
            trees.append(_grown(X[drawn], y[drawn], rng))
        starts = np.cumsum([0, *(len(tree[0]) for tree in trees)])
        self._roots = starts[:-1]
        self._column, self._threshold, children, self._mean = (
            np.concatenate(parts) for parts in zip(*trees, strict=True)
        )
        shift = np.repeat(self._roots, np.diff(starts))
        self._child = np.where(children > 0, children + shift, 0)

    def predict(self, X: Array) -> tuple[Array, Array]:
        """The mean of the trees and their standard deviation, at each row."""
        at = np.tile(self._roots, (len(X), 1))
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


def _grown(X: Array, y: Array, rng: np.random.Generator) -> _Tree:
    """One tree, split until nothing differs."""
    columns, thresholds, children, means = [0], [0.0], [0], [0.0]
    todo = [(0, np.arange(len(y)))]
    while todo:
        node, rows = todo.pop()
        part = y[rows]
        means[node] = float(part.mean())
        if len(rows) < 2 or float(np.ptp(part)) == 0.0:
            continue
        values = X[rows]
        low, high = values.min(0), values.max(0)
        thresholds_here = low + (high - low) * rng.random(len(low))
        right = values > thresholds_here
        k = right.sum(0)
        sums = (part - means[node]) @ right
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = sums * sums * (1.0 / k + 1.0 / (len(rows) - k))
        gain[(k == 0) | (k == len(rows))] = -1.0
        best = int(gain.argmax())
        if gain[best] < 0.0:
            continue
        first = len(columns)
        columns[node], thresholds[node], children[node] = best, float(thresholds_here[best]), first
        for rest in (rows[~right[:, best]], rows[right[:, best]]):
            todo.append((len(columns), rest))
            columns.append(0)
            thresholds.append(0.0)
            children.append(0)
            means.append(0.0)
    return np.array(columns), np.array(thresholds), np.array(children), np.array(means)
