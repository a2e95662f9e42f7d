"""What a policy sees of a context: numbers, by themselves or measured by those that were seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from oppertune.algorithms._networks import Array
from oppertune.core.state import stateful

TEXT_COLUMNS = 12

_LARGEST = 1e100


@stateful
class RunningNormaliser:
    """Mean and variance of the features seen so far (Welford, 1962), to measure features by."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.squares = np.zeros(size)

    def update(self, features: Array) -> None:
        """Take one row in, shape (size,)."""
        self.count += 1
        before = features - self.mean
        self.mean = self.mean + before / self.count
        self.squares = self.squares + before * (features - self.mean)

    def normalise(self, features: Array) -> Array:
        """The features in standard deviations from their mean, clipped to +-10, shape (size,)."""
        variance = self.squares / self.count if self.count > 1 else np.ones_like(self.mean)
        result: Array = np.clip((features - self.mean) / np.sqrt(variance + 1e-8), -10.0, 10.0)
        return result


def feature_names(data: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names of what can be observed of a context: its numbers and texts."""
    return tuple(name for name, value in (data or {}).items() if isinstance(value, int | float | str))


def numbers_of(data: Mapping[str, Any] | None, names: Sequence[str], *, texts: bool = True) -> Array:
    """Features as numbers, shape (names,); what is missing counts as 0.

    A number stays as it is, a text is a number in [-1, 1] that is its own, or 0 with ``texts=False``.
    """
    found = data or {}
    return np.array([_number(found.get(name, 0.0), texts) for name in names], dtype=np.float64)


def _number(value: object, texts: bool) -> float:
    if texts and isinstance(value, str):
        return crc32(value.encode()) / 0x7FFFFFFF - 1.0
    return min(max(float(value), -_LARGEST), _LARGEST) if isinstance(value, int | float) else 0.0


def signs_of(data: Mapping[str, Any] | None, names: Sequence[str]) -> Array:
    """The texts among some features as one sum of signs, shape (TEXT_COLUMNS,).

    Each text has signs of its own, so that any two of them lie far apart, however many there will be
    (Weinberger et al., "Feature hashing for large scale multitask learning", 2009).
    """
    total = np.zeros(TEXT_COLUMNS)
    for name in names:
        value = (data or {}).get(name)
        if isinstance(value, str):
            bits = crc32(f"{name}={value}".encode())
            total += np.array([1.0 if bits >> k & 1 else -1.0 for k in range(TEXT_COLUMNS)])
    return total
