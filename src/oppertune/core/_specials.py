"""Values that stand beside a range, such as -1 for "automatic", and the share of attention each one gets.

Algorithms that know nothing of special values still reach them: each owns a part of the unit interval as wide
as its probability. Special values above the range lie at the upper end, all others at the lower one, and the
range has what is left between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from oppertune.core._numbers import real
from oppertune.errors import InvalidParameterError, InvalidTypeError

USUAL_PROBABILITY = 0.1
"""What a special value gets that names no probability, unless there are more than five of them."""


def read_specials(
    name: str, given: object, convert: Callable[[str, object], Any]
) -> tuple[tuple[Any, float], ...]:
    """Pairs of value and probability from pairs, from a mapping, or from values alone.

    Raises:
        InvalidTypeError: neither of them.
        InvalidParameterError: a value twice, a probability out of (0, 1), or nothing left for the range.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidTypeError(f"{name}: special must be values or (value, probability) pairs, not {given!r}")
    items = list(given.items()) if isinstance(given, Mapping) else list(given)
    usual = min(USUAL_PROBABILITY, 0.5 / max(len(items), 1))
    pairs = []
    for item in items:
        value, probability = item if isinstance(item, list | tuple) and len(item) == 2 else (item, usual)
        pairs.append(
            (
                convert(f"{name}: a special value", value),
                real(f"{name}: the probability of {value!r}", probability),
            )
        )
    values = [value for value, _ in pairs]
    if len(set(values)) < len(values):
        raise InvalidParameterError(f"{name}: special values must differ from one another, {values=}")
    if not all(0 < probability < 1 for _, probability in pairs):
        raise InvalidParameterError(f"{name}: the probability of a special value lies in (0, 1), {pairs=}")
    if sum(probability for _, probability in pairs) >= 1:
        raise InvalidParameterError(f"{name}: special values leave no probability for the range, {pairs=}")
    return tuple(pairs)


class Shares(NamedTuple):
    """Who owns which part of the unit interval.

    Attributes:
        parts: (start, end, value) of each special value, from left to right.
        low: where the range starts.
        high: where the range ends.
    """

    parts: tuple[tuple[float, float, Any], ...]
    low: float
    high: float

    def special_at(self, position: float) -> Any | None:
        """The special value that owns a position, None where the range does."""
        if self.low <= position <= self.high:
            return None
        for start, end, value in self.parts:
            if start <= position < end or (position >= end == 1.0):
                return value
        return None

    def middle_of(self, value: object) -> float | None:
        """The middle of a special value's part, None if it is none."""
        for start, end, special in self.parts:
            if special == value:
                return (start + end) / 2
        return None


def shares_of(pairs: tuple[tuple[Any, float], ...], maximum: float) -> Shares:
    """Divide the unit interval among special values and a range that ends at ``maximum``."""
    parts = []
    low = 0.0
    for value, probability in pairs:
        if value <= maximum:
            parts.append((low, low + probability, value))
            low += probability
    above = [(value, probability) for value, probability in pairs if value > maximum]
    start = high = 1.0 - sum(probability for _, probability in above)
    for i, (value, probability) in enumerate(above):
        end = 1.0 if i == len(above) - 1 else start + probability
        parts.append((start, end, value))
        start = end
    return Shares(tuple(parts), low, high)
