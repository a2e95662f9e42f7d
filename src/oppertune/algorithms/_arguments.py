"""Checks of constructors' arguments that several algorithms share, so that they refuse in the same words."""

from __future__ import annotations

import math

from oppertune.errors import InvalidArgumentError


def positive(what: str, value: float, *, zero: bool = False) -> float:
    """A finite number above 0, or from 0 on. Raises InvalidArgumentError."""
    if not 0 <= value < math.inf or (value == 0 and not zero):
        raise InvalidArgumentError(f"{what} must be {'at least 0' if zero else 'positive'}, not {value}")
    return float(value)


def share(what: str, value: float) -> float:
    """A number from 0 to 1. Raises InvalidArgumentError."""
    if not 0 <= value <= 1:
        raise InvalidArgumentError(f"{what} must lie in [0, 1], not {value}")
    return float(value)


def count(what: str, value: object, least: int = 1) -> int:
    """A whole number from ``least`` on. Raises InvalidArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgumentError(f"{what} must be a whole number from {least}, not {value!r}")
    return value
