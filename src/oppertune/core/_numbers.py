"""Checks that whatever is passed for a number is one, so that all parameters refuse the same things."""

from __future__ import annotations

import math
from numbers import Integral
from numbers import Real as RealNumber

from oppertune.errors import InvalidParameterError, InvalidTypeError


def number(what: str, value: object) -> int | float:
    """A finite builtin number. Raises InvalidTypeError or InvalidParameterError."""
    kind = type(value)
    if kind is int:
        return value  # type: ignore[return-value]
    if kind is not float:
        # bool is an int to Python and a mistake to us; numpy's scalars are registered as numbers.
        if isinstance(value, bool) or not isinstance(value, RealNumber):
            raise InvalidTypeError(f"{what} must be a number, not {value!r} of type {kind.__name__}")
        value = int(value) if isinstance(value, Integral) else float(value)
    if not math.isfinite(value):  # type: ignore[arg-type]
        raise InvalidParameterError(f"{what} must be finite, not {value!r}")
    return value  # type: ignore[return-value]


def integer(what: str, value: object) -> int:
    """A builtin int; 5.0 counts as 5. Raises InvalidTypeError or InvalidParameterError."""
    given = number(what, value)
    if isinstance(given, float) and not given.is_integer():
        raise InvalidTypeError(f"{what} must be a whole number, not {given!r}")
    return int(given)


def real(what: str, value: object) -> float:
    """A builtin float. Raises InvalidTypeError or InvalidParameterError."""
    return float(number(what, value))


def decimals(value: float) -> int:
    """How many digits after the point the shortest spelling of a number has."""
    mantissa, _, exponent = repr(value).partition("e")
    fraction = mantissa.partition(".")[2].rstrip("0")
    return max(0, len(fraction) - int(exponent or 0))
