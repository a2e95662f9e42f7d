"""Bounds that stay true however often one looks, because a run that is watched is looked at all the time.

Two sources of error are kept apart, since more intervals of one run tell nothing about the second:

* *Within a run* the mean of the intervals is known better as they come. :func:`margin` is the half-width of
  a confidence sequence: it holds at all times at once, so stopping when it says so is allowed. It is the
  scale-invariant mixture for normal observations of unknown variance (Lai 1976; Wang and Ramdas 2024,
  "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"); mixtures as
  such: Howard, Ramdas, McAuliffe and Sekhon 2021, for bounded values Waudby-Smith and Ramdas 2024. Intervals
  follow one another, so they are averaged in batches first, and what correlation is left widens the bound.
* *Between runs* of one configuration the means differ too. The best of many runs is the luckiest one, hence
  :func:`many_to_one`, Dunnett's constant as Hsu (1984) uses it for comparisons with the best.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

_SPREAD = 50.0
"""The mixture's variance in units of a batch's: wide, as trials worth stopping are off by many batch
deviations; the price on smaller effects is logarithmic."""

_CORRELATION = 0.3
_LARGEST_BATCH = 8
_DRAWS = 400
_NODES = 48


def margin(count: int, deviation: float, error: float) -> float:
    """Half-width of the confidence sequence for a mean after ``count`` observations.

    Args:
        count: of batch means.
        deviation: their standard deviation, by ``count - 1``.
        error: the probability that it ever fails on either side, over all counts together.

    Returns:
        In the observations' unit; infinite while so few can tell nothing.
    """
    if count < 2:
        return math.inf
    weight = 1.0 + count * _SPREAD
    edge = (math.sqrt(weight) / error) ** (2.0 / count)
    if edge >= weight:
        return math.inf
    square = (edge - 1.0) / (1.0 - edge / weight)
    return deviation * math.sqrt((count - 1) * square / count)


@functools.lru_cache(maxsize=512)
def many_to_one(others: int, freedom: int, error: float) -> float:
    """Dunnett's one-sided constant: how far the best of several equals may lie above one more.

    With equal true means, the best of ``others`` runs exceeds another run by more than this many standard
    deviations of a run with probability ``error``. (Dunnett's own unit is that of a difference; this is
    his constant times the root of two.)

    Args:
        others: how many runs the best was chosen from.
        freedom: of the standard deviation, which is estimated independently.
        error: between 0 and 1.
    """
    import numpy as np
    from scipy import special  # here, because only a run that can be stopped pays for it

    quantiles = (np.arange(_DRAWS) + 0.5) / _DRAWS
    scales = np.sqrt(2.0 * special.gammaincinv(freedom / 2.0, quantiles) / freedom)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()

    def exceeded(constant: float) -> float:
        below = special.ndtr(nodes[None, :] + constant * scales[:, None]) ** others
        return 1.0 - float((below @ weights).mean())

    low, high = 0.0, 4.0
    while exceeded(high) > error and high < 1e6:
        high *= 2.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if exceeded(middle) > error else (low, middle)
    return high


class Batching(NamedTuple):
    """How correlated intervals become nearly independent batches.

    Attributes:
        size: intervals in a batch.
        inflation: factor on the deviation for the correlation that is left between batches.
    """

    size: int
    inflation: float


def batching(correlation: float) -> Batching:
    """Return the batches for intervals of this correlation between neighbours.

    Args:
        correlation: as of an autoregression of first order; what is negative counts as none.
    """
    known = min(max(correlation, 0.0), 0.95)
    size = 1
    while size < _LARGEST_BATCH and _between_batches(known, size) > _CORRELATION:
        size += 1
    left = _between_batches(known, size)
    return Batching(size, math.sqrt((1.0 + left) / (1.0 - left)))


def _between_batches(correlation: float, size: int) -> float:
    """Correlation of neighbouring batch means of an autoregression of first order."""
    power = correlation**size
    variance = size * (1.0 - correlation**2) - 2.0 * correlation * (1.0 - power)
    return correlation * (1.0 - power) ** 2 / variance
