"""Looks at every interval of a running trial and says when the rest of it would not be worth its seconds.

A trial ends early for one of two reasons. It is *surely worse* than the incumbent: of the error allowed, a
fifth goes to the run's own mean (it holds at all looks together) and the rest to the difference between runs
of equal configurations, which is mostly what makes a bad run of a good one. Or it is *long enough*: behind,
and known as well as a whole run would know it, which claims nothing. A run that is still getting better is
not ended, nor one that is nearly over: waiting costs seconds only, and cannot add an error.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

from tactician.experiment import Pacing
from tactician.pacing.bounds import margin
from tactician.pacing.reference import WITHIN, Reference

_LEAST_BATCHES = 3
_LEAST_FOR_MEAN = 4
_NEARLY_OVER = 0.8
_RISING = 2.0


class Look(NamedTuple):
    """What was known of a trial when it was ended.

    Attributes:
        worse: it is surely worse than the incumbent; otherwise it was long enough.
        value: the estimate, on the metric's scale.
        bound: the best value that its own noise leaves possible.
        mean: of the intervals.
        seconds: into the benchmark.
    """

    worse: bool
    value: float
    bound: float
    mean: float
    seconds: float


class Watcher:
    """One per run: called with every interval, answers whether the run may end.

    Args:
        reference: what is to be beaten.
        stability: of the system since the run began.
        pacing: what may end it, with which error.

    Attributes:
        look: what was known when it answered yes; None before.
    """

    def __init__(self, reference: Reference, stability: Callable[[], float], pacing: Pacing) -> None:
        self.reference = reference
        self.pacing = pacing
        self._stability = stability
        self._open: list[float] = []
        self._batches: list[float] = []
        self._last_s = -math.inf
        self.look: Look | None = None

    def __call__(self, seconds: float, value: float) -> bool:
        """Take one interval; True when enough was seen."""
        if seconds < self._last_s:  # another run of the tool began
            self._open.clear()
            self._batches.clear()
        self._last_s = seconds
        if seconds <= self.reference.warmup_s:
            return False
        self._open.append(value)
        if len(self._open) < self.reference.batches.size:
            return False
        self._batches.append(statistics.fmean(self._open))
        self._open.clear()
        return self._enough(seconds)

    def _enough(self, seconds: float) -> bool:
        known, batches = self.reference, self._batches
        count = len(batches)
        if count < _LEAST_BATCHES or seconds > _NEARLY_OVER * known.length_s:
            return False
        mean, deviation = statistics.fmean(batches), statistics.stdev(batches) * known.batches.inflation
        if not (mean > 0.0 and math.isfinite(deviation)):
            return False
        rise = self._rise(mean)
        half = margin(count, deviation, WITHIN * self.pacing.error)
        bound = mean + rise + half if known.maximize else mean + rise - half
        worse = self.pacing.abort_trials and self._worse(bound)
        if not worse and not self._long_enough(mean + rise, deviation):
            return False
        shown = bound if math.isfinite(bound) else mean
        self.look = Look(worse, mean * known.scale, shown * known.scale, mean, seconds)
        return True

    def _worse(self, bound: float) -> bool:
        known = self.reference
        if not math.isfinite(bound) or (not known.maximize and bound <= 0.0):
            return False
        return known.surely_worse(known.performance(bound), self._stability())

    def _long_enough(self, mean: float, deviation: float) -> bool:
        known, count = self.reference, len(self._batches)
        if not self.pacing.adaptive_length or count < _LEAST_FOR_MEAN:
            return False
        noise = deviation / math.sqrt(count) / mean
        return known.long_enough(known.performance(mean), self._stability(), noise)

    def _rise(self, mean: float) -> float:
        """How much better the last batch would be if the batches went on getting better as they do; else 0.0.

        Only a slope that is hardly chance counts. To take it into account can only delay an end.
        """
        batches, known = self._batches, self.reference
        count = len(batches)
        middle = (count - 1) / 2.0
        steps = count * (count**2 - 1) / 12.0
        slope = sum((index - middle) * (value - mean) for index, value in enumerate(batches)) / steps
        left = sum((value - mean - slope * (index - middle)) ** 2 for index, value in enumerate(batches))
        clear = slope**2 * steps > _RISING**2 * left / (count - 2)
        if not clear or (slope > 0.0) != known.maximize:
            return 0.0
        in_all = max(
            count, round(count * (known.length_s - known.warmup_s) / (self._last_s - known.warmup_s))
        )
        return slope * (in_all - 1 - middle)
