"""What is kept of a run's interval values, as plain numbers beside its other metrics.

The history stores these numbers with every measurement, so a run that is resumed can go on comparing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import NamedTuple

from tactician.pacing.warmup import correlation, warmup_length

MEAN = "progress_mean"
HEAD = "progress_head"
CORRELATION = "progress_correlation"
LENGTH = "progress_seconds"
WARMUP = "warmup_seconds"
SHORT = "short_look"
ENDED = "ended_after_seconds"
"""The names under which a measurement's metrics hold what was seen of it on the way."""

LEAST = 4
"""Fewer intervals than this say nothing worth keeping."""

CUT = "the beginning of a run was warm-up and does not count (metrics: warmup_seconds)"
SHORTENED = "it did not run for its whole length, as its noise was small against that between runs"
UNSETTLED = "runs do not settle within their first half: nothing was cut, a longer run would say more"


class Kept(NamedTuple):
    """A run in a few numbers.

    Attributes:
        metrics: by the names of this module; empty where there were too few intervals.
        factor: what the run's metric is to be multiplied by so that its warm-up does not count.
        note: what to tell of it; empty for nothing.
    """

    metrics: Mapping[str, float]
    factor: float = 1.0
    note: str = ""


class Series:
    """Collects the interval values of one run as they come."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.values: list[float] = []

    def add(self, seconds: float, value: float) -> None:
        """Take the value of the interval that ended so many seconds after the beginning.

        Seconds that go back mean that another run of the tool began; only the last one counts.
        """
        if self.seconds and seconds < self.seconds[-1]:
            self.seconds.clear()
            self.values.clear()
        self.seconds.append(seconds)
        self.values.append(value)

    def kept(self, *, cut: bool) -> Kept:
        """Return the run's numbers.

        Args:
            cut: whether warm-up is looked for.
        """
        values = self.values
        if len(values) < LEAST:
            return Kept({})
        found = warmup_length(values) if cut else 0
        length = found or 0
        rest = values[length:]
        mean, whole = statistics.fmean(rest), statistics.fmean(values)
        if not (math.isfinite(mean) and math.isfinite(whole)):
            return Kept({})
        metrics = {
            MEAN: mean,
            HEAD: statistics.fmean(rest[: max(1, len(rest) // 2)]),
            CORRELATION: correlation(rest),
            LENGTH: self.seconds[-1],
            WARMUP: self.seconds[length - 1] if length else 0.0,
        }
        if found is None:
            return Kept(metrics, note=UNSETTLED)
        comparable = length > 0 and mean * whole > 0.0
        return Kept(metrics, mean / whole if comparable else 1.0, CUT if comparable else "")
