"""Ends a benchmark that is far below the baseline, for sure, whatever it is compared with otherwise.

This is a guardrail and no part of the search: it holds where trials are not ended for being worse than the
best, and in runs that have to be whole. The bound is the one of :mod:`tactician.pacing.watching`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tactician.outcomes import Outcome
from tactician.pacing.bounds import margin
from tactician.pacing.series import MEAN, WARMUP
from tactician.ports import Watch

ERROR = 0.01
"""The probability with which a run is ended whose true mean is above the floor."""

_LEAST = 3
_TOGETHER = 2
"""Neighbouring intervals are alike, so they count in pairs."""


class FloorWatch:
    """One per run; called with every interval, answers whether the run has to end.

    Args:
        floor: the interval mean below which (above which, for what is minimized) no run may stay.
        maximize: whether more is better.
        warmup_s: so long no interval counts.
        beside: another watch that may end the run.

    Attributes:
        reason: why it was ended; empty while it was not, or by the other watch.
    """

    def __init__(self, floor: float, *, maximize: bool, warmup_s: float, beside: Watch | None = None) -> None:
        self._floor = floor
        self._maximize = maximize
        self._warmup_s = warmup_s
        self._beside = beside
        self._values: list[float] = []
        self._last_s = 0.0
        self.reason = ""

    def __call__(self, seconds: float, value: float) -> bool:
        """Take one interval; True when the run has to end."""
        if seconds < self._last_s:  # another run of the tool began
            self._values.clear()
        self._last_s = seconds
        if seconds > self._warmup_s:
            self._values.append(value)
            if self._is_below():
                mean = statistics.fmean(self._values)
                self.reason = f"far below the baseline for sure after {seconds:.3g} s: about {mean:.5g}"
                return True
        return self._beside is not None and self._beside(seconds, value)

    def _is_below(self) -> bool:
        values = self._values
        pairs = [statistics.fmean(values[at : at + _TOGETHER]) for at in range(0, len(values) - 1, _TOGETHER)]
        if len(pairs) < _LEAST:
            return False
        half = margin(len(pairs), statistics.stdev(pairs), ERROR)
        mean = statistics.fmean(pairs)
        return mean + half < self._floor if self._maximize else mean - half > self._floor


def floor_watch(share: float, baselines: Sequence[Outcome], beside: Watch | None = None) -> FloorWatch | None:
    """Return the watch for a floor at a share of the baseline's performance; None where nothing streams.

    Args:
        share: of the performance; 0 for no floor.
        baselines: as they were measured.
        beside: another watch of the same run.
    """
    found = [outcome.measurement for outcome in baselines if outcome.measurement is not None]
    means = [each.metrics[MEAN] for each in found if each.metrics.get(MEAN, 0.0) > 0.0]
    if share <= 0.0 or not means:
        return None
    usual, maximize = statistics.median(means), found[-1].maximize
    warmup_s = max(each.metrics.get(WARMUP, 0.0) for each in found)
    floor = usual * share if maximize else usual / share
    return FloorWatch(floor, maximize=maximize, warmup_s=warmup_s, beside=beside)
