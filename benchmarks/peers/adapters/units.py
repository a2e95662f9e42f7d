"""Dimensions as shares of the unit interval, for the peers that know nothing but vectors of numbers."""

from __future__ import annotations

import math

from oppertune.core.values import Value
from peers.space import Choice, Dimension


def value_at(dimension: Dimension, position: float) -> Value:
    """The value at a position, which is clipped to [0, 1] first.

    Options and whole numbers without ``log`` have shares of equal width.
    """
    position = min(max(float(position), 0.0), 1.0)
    if isinstance(dimension, Choice):
        return dimension.options[_share(position, len(dimension.options))]
    if dimension.log:
        number = dimension.low * math.exp(position * math.log(dimension.high / dimension.low))
        return round(number) if dimension.whole else min(max(number, dimension.low), dimension.high)
    if dimension.whole:
        return int(dimension.low) + _share(position, int(dimension.high) - int(dimension.low) + 1)
    return dimension.low * (1.0 - position) + dimension.high * position


def position_of(dimension: Dimension, value: Value) -> float:
    """A position that :func:`value_at` leads back from."""
    if isinstance(dimension, Choice):
        return (dimension.options.index(str(value)) + 0.5) / len(dimension.options)
    number = float(value)
    if dimension.low == dimension.high:
        return 0.5
    if dimension.log:
        return math.log(number / dimension.low) / math.log(dimension.high / dimension.low)
    if dimension.whole:
        return (number - dimension.low + 0.5) / (dimension.high - dimension.low + 1.0)
    return (number - dimension.low) / (dimension.high - dimension.low)


def _share(position: float, count: int) -> int:
    return min(int(position * count), count - 1)
