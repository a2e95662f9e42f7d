"""What happens inside a simulated run: intervals that scatter, follow one another, and warm up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Intervals:
    """A run as a sequence of equal intervals.

    Attributes:
        count: in a whole run.
        deviation: of an interval from its run, relative.
        correlation: between neighbouring intervals.
        warmup_depth: how far below its level the run begins, as a share.
        warmup_intervals: after so many the warm-up has fallen to a third.
    """

    count: int = 20
    deviation: float = 0.05
    correlation: float = 0.3
    warmup_depth: float = 0.0
    warmup_intervals: float = 2.0

    def draw(self, rng: np.random.Generator, share: float = 1.0) -> NDArray[np.float64]:
        """Return the factors by which the intervals of one run differ from the run's level."""
        count = max(1, round(self.count * share))
        steps = rng.standard_normal(count)
        fresh = math.sqrt(1.0 - self.correlation**2)
        factors = np.empty(count)
        state = steps[0]
        for index in range(count):
            state = steps[0] if index == 0 else self.correlation * state + fresh * steps[index]
            factors[index] = state
        warming = self.warmup_depth * np.exp(-np.arange(count) / self.warmup_intervals)
        return np.asarray((1.0 + self.deviation * factors) * (1.0 - warming))
