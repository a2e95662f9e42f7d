"""Short looks: a quarter of a run tells most bad configurations, where a benchmark's length can be chosen.

Short runs are compared with short runs. Every trial and every baseline begins with one, so that the
incumbent's is there to compare with and the scatter between short runs is measured, not assumed. Where
the baseline itself comes out differently in a short run, length matters to this benchmark and short looks
would mislead: they are switched off.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from tactician.outcomes import Outcome
from tactician.pacing.bounds import many_to_one
from tactician.pacing.reference import LEAST_BASELINES
from tactician.pacing.series import SHORT

LEAST_SECONDS = 1.0
"""A short look is at least so long; a benchmark has to start, too."""

_ERROR = 0.05
_WORTH = 0.02


def objection(baselines: Sequence[Outcome]) -> str:
    """Why short looks at these baselines are no guide to whole runs; empty if they are one, or too few.

    The difference is told from noise by a paired t-test; below 2 % it is let pass, as every comparison is
    made among short runs anyway.
    """
    ratios = []
    for outcome in baselines:
        measurement = outcome.measurement
        if measurement is None or SHORT not in measurement.metrics:
            continue
        short, whole = measurement.metrics[SHORT], measurement.value
        if not (short > 0.0 and whole > 0.0):
            return "a metric that is not positive cannot be compared across lengths"
        ratios.append(math.log(short / whole))
    if len(ratios) < LEAST_BASELINES:
        return ""
    mean, freedom = statistics.fmean(ratios), len(ratios) - 1
    # The constant's unit is a run; that of a mean is a difference of equals, smaller by the root of two.
    quantile = many_to_one(1, freedom, _ERROR / 2.0) / math.sqrt(2.0)
    half = quantile * statistics.stdev(ratios) / math.sqrt(len(ratios))
    if abs(mean) > max(half, math.log1p(_WORTH)):
        return f"the baseline differs by {100.0 * math.expm1(mean):+.1f} % in a short run"
    return ""
