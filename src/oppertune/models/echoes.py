"""Whether measuring the same again would tell anything; where results are computed or replayed it does not.

A real benchmark never says the same number twice. A simulator, a compiler's output or a table of recorded
results does, also for configurations that differ in nothing that counts, and there a repetition is wasted.
Such echoes are told from coincidences: the coarser the numbers are, the more of them it takes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

_LEAST = 5
_ROWS_MEASURED_AGAIN = 3.0
"""What one row that repeated its own reward counts, in echoes of neighbours."""
_NEEDED, _PER_COINCIDENCE = 2.0, 5.0
_OPEN, _NEVER = 0.5, -1e9
_REACHES = np.geomspace(0.005, 5.0, 31)


class Echoes(NamedTuple):
    """What repeats itself among measurements that are free of noise.

    Attributes:
        is_new: per measurement whether it said something new.
        reach: the distance at which a configuration is another one with probability 1 - 1/e; 0 where only
            equal configurations repeated each other.
    """

    is_new: npt.NDArray[np.bool_]
    reach: float

    def log_fresh(self, gaps: Array) -> Array:
        """The logarithm of the probability of saying something new, by the distance to what was measured.

        What was measured itself, or is almost sure to repeat it, is out of the question, and the more so the
        nearer it is.
        """
        fresh = _fresh(gaps, self.reach) if self.reach else np.where(gaps > 1e-9, 1.0, 0.0)
        return np.where(fresh > _OPEN, np.log(np.maximum(fresh, _OPEN)), _NEVER * (1.0 - fresh))


def distances(A: Array, B: Array, is_category: npt.NDArray[np.bool_]) -> Array:
    """The sum of the columns' differences from each row of ``A`` to each of ``B``; 1 for other categories."""
    from scipy.spatial.distance import cdist

    total = np.zeros((len(A), len(B)))
    if not is_category.all():
        total += cdist(A[:, ~is_category], B[:, ~is_category], "cityblock")
    if is_category.any():
        total += is_category.sum() * cdist(A[:, is_category], B[:, is_category], "hamming")
    return total


def echoes_among(rows: Array, rewards: Array, is_category: npt.NDArray[np.bool_]) -> Echoes | None:
    """The echoes, or None where there is noise or no telling.

    An echo is a reward equal to that of the nearest earlier row. One row that was measured twice with two
    results refutes everything.

    Args:
        rows: as measured, the oldest first.
        rewards: one for each row.
        is_category: per column.
    """
    n = len(rewards)
    levels = np.unique(rewards)
    if len(levels) < _LEAST or len(levels) == n:
        return None
    earlier = np.tri(n, k=-1, dtype=bool)
    gaps = np.where(earlier, distances(rows, rows, is_category), np.inf)
    nearest = gaps.min(1)
    same = rewards[:, None] == rewards[None, :]
    if (~same & (gaps <= 1e-9)).any():
        return None
    echo = (same & earlier & (gaps <= nearest[:, None] + 1e-9)).any(1)
    again = nearest <= 1e-9
    # Two draws from a normal distribution, rounded to a grid of this step, are equal with this probability.
    low, high = np.quantile(levels, (0.25, 0.75))
    chance = 0.38 * float(np.diff(levels).min()) / float(high - low)
    weight = _ROWS_MEASURED_AGAIN * again.sum() + (echo & ~again).sum()
    if weight < _NEEDED + _PER_COINCIDENCE * chance * n:
        return None
    return Echoes(~echo, _reach(nearest[1:][~again[1:]], echo[1:][~again[1:]]))


def _reach(gaps: Array, echo: npt.NDArray[np.bool_]) -> float:
    """The likeliest one, if P(echo) = exp(-(gap / reach)^2)."""
    if not echo.any():
        return 0.0
    fresh = np.clip(_fresh(gaps[None, :], _REACHES[:, None]), 1e-6, 1.0 - 1e-6)
    likelihood = np.where(echo, np.log1p(-fresh), np.log(fresh)).sum(1)
    return float(_REACHES[int(likelihood.argmax())])


def _fresh(gaps: Array, reach: float | Array) -> Array:
    fresh: Array = -np.expm1(-((gaps / reach) ** 2))
    return fresh
