"""Where a run's warm-up ends, because caches that are still filling are not what is being compared.

MSER (White 1997, "An effective truncation heuristic for bias reduction in simulation output"): cut where
the standard error of the mean of what remains is smallest. The rule sees one run and nothing else, neither
which configuration it is nor which direction is better, and it is the same for baselines, trials and
verification; so it can favour none of them, and runs of equal configurations stay exchangeable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEAST_INTERVALS = 10
"""With fewer, a cut would be a guess."""

_CLEAR = 3.0


def warmup_length(values: Sequence[float]) -> int | None:
    """Return how many intervals at the beginning are warm-up.

    A cut is made where the beginning differs from the rest by more than three standard errors, correlation
    considered; MSER alone also cuts a little off runs that need no cut, which would only add noise.

    Args:
        values: of equal intervals, in order.

    Returns:
        0 for none; None where the run does not settle within its first half.
    """
    count = len(values)
    if count < LEAST_INTERVALS:
        return 0
    series = np.asarray(values, dtype=np.float64)
    series = (series - series.mean()) / (float(np.abs(series).max()) or 1.0)
    remaining = np.arange(count, 0, -1)
    sums = np.cumsum(series[::-1])[::-1]
    squares = np.cumsum(series[::-1] ** 2)[::-1]
    scatter = np.maximum(squares - sums**2 / remaining, 0.0)
    standard_errors = scatter / remaining**2
    half = count // 2
    cut = int(np.argmin(standard_errors[: half + 1]))
    # The last few alone would always look steady.
    later = int(np.argmin(standard_errors[: count - max(5, count // 10) + 1]))
    if later > half and (cut == half or _differs(series[cut:], half - cut)):
        return None
    return cut if cut > 0 and _differs(series, cut) else 0


def _differs(series: np.ndarray[tuple[int], np.dtype[np.float64]], cut: int) -> bool:
    """Whether the intervals before the cut are off by more than chance explains."""
    head, tail = series[:cut], series[cut:]
    deviation = float(tail.std(ddof=1)) or 1e-12
    known = max(0.0, correlation(tail.tolist()))
    standard_error = deviation * math.sqrt(
        (1.0 / len(head) + 1.0 / len(tail)) * (1.0 + known) / (1.0 - known)
    )
    return abs(float(head.mean() - tail.mean())) > _CLEAR * standard_error


def correlation(values: Sequence[float]) -> float:
    """Return the correlation of neighbours, corrected for the bias of short series; 0.0 where unknown."""
    count = len(values)
    if count < 4:
        return 0.0
    series = np.asarray(values, dtype=np.float64)
    centred = series - series.mean()
    square = float(centred @ centred)
    if square <= 0.0:
        return 0.0
    raw = float(centred[1:] @ centred[:-1]) / square
    return min(0.99, max(-0.99, raw + (1.0 + 3.0 * raw) / count))  # Marriott and Pope 1954
