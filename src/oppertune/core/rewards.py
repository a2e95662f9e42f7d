"""Rewards of any scale made comparable, and the memory of which configuration earned what."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Any

from oppertune.core.values import Value

CLIP = 5.0
"""Standardised rewards lie within so many robust standard deviations."""

_MAD_TO_SIGMA = 1.4826


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    # Halved before they are added, so that the sum of two huge rewards is no infinity.
    return ordered[middle] if len(ordered) % 2 else ordered[middle - 1] / 2 + ordered[middle] / 2


class RobustScaler:
    """A running standardisation by the median and the median absolute deviation (MAD).

    z = (r - median) / (1.4826 MAD), clipped to [-5, 5]; 1.4826 makes the MAD a standard deviation for
    Gaussian rewards (Hampel, 1974). Where more than half of the window is one and the same number the mean
    absolute deviation takes the MAD's place, and where all of it is, z = 0.

    Args:
        window: so many of the last rewards count; the cost of one is proportional to it.
    """

    def __init__(self, window: int = 101) -> None:
        self._recent: deque[float] = deque(maxlen=window)
        self._ordered: list[float] = []

    def standardise(self, reward: float) -> float:
        """Take one more reward in and return it standardised, without unit."""
        if len(self._recent) == self._recent.maxlen:
            self._ordered.pop(bisect_left(self._ordered, self._recent[0]))
        self._recent.append(reward)
        insort(self._ordered, reward)
        center = _median(self._ordered)
        # In halves throughout: the distance of two finite numbers may be infinite.
        distances = sorted(abs(r / 2 - center / 2) for r in self._ordered)
        spread = _MAD_TO_SIGMA * _median(distances) or sum(d / len(distances) for d in distances)
        if spread == 0:
            return 0.0
        return min(max((reward / 2 - center / 2) / spread, -CLIP), CLIP)

    def get_state(self) -> dict[str, Any]:
        """The window, oldest first."""
        return {"window": self._recent.maxlen, "recent": list(self._recent)}

    def set_state(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`get_state`."""
        self._recent = deque(state["recent"], maxlen=state["window"])
        self._ordered = sorted(self._recent)


class RewardTable:
    """Mean rewards by configuration, judged so that a lucky measurement does not win by noise alone.

    The score of a configuration with n rewards of mean m is its posterior mean less one posterior standard
    deviation, (n m + k M) / (n + k) - sigma / sqrt(n + k), with M the mean of all rewards, sigma^2 the noise
    variance, and k = sigma^2 / tau^2, where tau^2 is the variance between configurations. Both variances are
    estimated by the method of moments (one-way analysis of variance; Morris, 1983). While nothing was
    repeated the order is that of the means.

    Args:
        limit: so many configurations are kept; beyond twice as many the worst are dropped.
    """

    top: tuple[tuple[Value, ...], float] | None = None
    """The highest single reward so far and the configuration that earned it, however lucky."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        # By configuration: n, mean, and sum of squares about the mean.
        self._rows: dict[tuple[Value, ...], list[float]] = {}
        self._count = 0
        self._mean = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, configuration: tuple[Value, ...], reward: float) -> None:
        """Take one reward in (Welford's update)."""
        self._count += 1
        self._mean += reward / self._count - self._mean / self._count
        if self.top is None or reward > self.top[1]:
            self.top = (configuration, reward)
        row = self._rows.get(configuration)
        if row is None:
            self._rows[configuration] = [1.0, reward, 0.0]
            if len(self._rows) > 2 * self._limit:
                self._drop_the_worst()
            return
        row[0] += 1.0
        before = row[1]
        row[1] += reward / row[0] - before / row[0]
        row[2] += (reward - before) * (reward - row[1])

    def best(self) -> tuple[Value, ...] | None:
        """The configuration with the highest score; the earlier one of equals. None before any reward."""
        return self._by_score()[0] if self._rows else None

    def _by_score(self) -> list[tuple[Value, ...]]:
        """All configurations, best first."""
        k, sigma = self._variances()

        def score(configuration: tuple[Value, ...]) -> float:
            n, mean, _ = self._rows[configuration]
            return mean * (n / (n + k)) + self._mean * (k / (n + k)) - sigma / math.sqrt(n + k)

        return sorted(self._rows, key=score, reverse=True)

    def _variances(self) -> tuple[float, float]:
        """``k``, between 0.01 and 100, and ``sigma``; 1 and 0 while they cannot be known."""
        rows = list(self._rows.values())
        degrees = sum(n - 1 for n, _, _ in rows)
        if degrees == 0 or len(rows) < 2:
            return 1.0, 0.0
        noise = sum(squares for _, _, squares in rows) / degrees
        total = sum(n for n, _, _ in rows)
        center = sum(mean * (n / total) for n, mean, _ in rows)
        # Weighted by n, so that a lone sample far out does not look like a difference between configurations.
        between = sum(n * (mean - center) * (mean - center) for n, mean, _ in rows) - (len(rows) - 1) * noise
        between /= total - sum(n * n for n, _, _ in rows) / total
        if not math.isfinite(noise) or not math.isfinite(between):
            return 1.0, 0.0
        if noise == 0.0:
            return 0.01, 0.0
        return min(max(noise / max(between, 0.01 * noise), 0.01), 100.0), math.sqrt(noise)

    def _drop_the_worst(self) -> None:
        kept = set(self._by_score()[: self._limit])
        self._rows = {
            configuration: row for configuration, row in self._rows.items() if configuration in kept
        }
