"""The one place where values become what algorithms compute with, and back again.

Two encodings are kept apart. The *unit* encoding maps every parameter to [0, 1] and knows about logarithmic
scales; surrogates and policies use it. Special values own parts of it, as wide as their probabilities, and
the range has the rest (:class:`oppertune.core._specials.Shares`). The *inside* encoding is the simpler one of
the bandit papers: a grid becomes 0, 1, ..., n, a continuous range becomes [0, 1], categories stay as they
are, and what has special values is seen in the unit encoding.
"""

from __future__ import annotations

import math

from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.errors import InvalidParameterError


def to_unit(parameter: Parameter, value: Value) -> float:
    """The position of an allowed value in [0, 1].

    Grids go to k/n, so that the way back is exact up to 2**52 grid points; category i of k goes to the middle
    of its share, (i + 1/2)/k; with ``log=True`` the position is log(v/min) / log(max/min). Constants go to 0.

    Raises:
        InvalidParameterError: the value is not allowed.
        InvalidTypeError: the value is of the wrong type.
    """
    if isinstance(parameter, Categorical):
        return (parameter.encoded_value(parameter.cast(value)) + 0.5) / parameter.n_categories
    number = parameter.cast(value)
    shares = parameter.shares
    if shares is None:
        return _position(parameter, number)
    middle = shares.middle_of(number)
    if middle is not None:
        return middle
    return shares.low + (shares.high - shares.low) * _position(parameter, number)


def _position(parameter: Integer | Real, number: float) -> float:
    """Where a number lies in its range, between 0 and 1."""
    if parameter.min == parameter.max:
        return 0.0
    if parameter.log:
        return min(1.0, math.log(number / parameter.min) / math.log(parameter.max / parameter.min))
    if isinstance(parameter, Integer):
        return parameter.index(number) / parameter.steps
    if parameter.step is not None:
        return parameter.index(number) / (parameter.steps or 1)
    return (number - parameter.min) / (parameter.max - parameter.min)


def from_unit(parameter: Parameter, position: float) -> Value:
    """The allowed value at a position, which is clipped to [0, 1] first.

    Raises:
        InvalidParameterError: the position is NaN.
    """
    if math.isnan(position):
        raise InvalidParameterError(f"{parameter.name}: a position must be a number, not NaN")
    position = min(max(position, 0.0), 1.0)
    if isinstance(parameter, Categorical):
        return parameter.categories[min(int(position * parameter.n_categories), parameter.n_categories - 1)]
    shares = parameter.shares
    if shares is None:
        return _number_at(parameter, position)
    special: Value | None = shares.special_at(position)
    if special is not None:
        return special
    return _number_at(parameter, min(max((position - shares.low) / (shares.high - shares.low), 0.0), 1.0))


def _number_at(parameter: Integer | Real, position: float) -> Value:
    """The number at a position of its range, which lies between 0 and 1."""
    if parameter.log:
        if position in (0.0, 1.0):
            return parameter.max if position else parameter.min
        ratio = math.log(parameter.max / parameter.min)
        return _in_range(parameter, parameter.min * math.exp(position * ratio))
    if isinstance(parameter, Integer):
        return parameter.at(round(position * parameter.steps))
    if parameter.step is not None:
        return parameter.at(round(position * (parameter.steps or 0)))
    # The two ends are written so that both come out exactly.
    number = parameter.min * (1.0 - position) + parameter.max * position
    return min(max(number, parameter.min), parameter.max)


def to_inside(parameter: Parameter) -> Parameter:
    """The same parameter as the algorithms of the papers see it, under the same name.

    Integers and stepped reals become ``Integer(0 .. n)`` on grid positions, continuous and logarithmic ones
    ``Real(0 .. 1)``, and so do those with special values; categoricals stay.
    """
    if isinstance(parameter, Categorical):
        return parameter
    if parameter.is_constant:
        return Integer(parameter.name, val=0, min=0, max=0)
    if _seen_as_unit(parameter):
        return Real(parameter.name, val=to_unit(parameter, parameter.val), min=0.0, max=1.0)
    made = Integer(parameter.name, val=parameter.index(parameter.val), min=0, max=parameter.steps or 0)
    # The original's parameters round what they cast, and its algorithms rely on that.
    object.__setattr__(made, "_rounds", True)
    return made


def _seen_as_unit(parameter: Integer | Real) -> bool:
    continuous = isinstance(parameter, Real) and parameter.step is None
    return continuous or parameter.log or bool(parameter.special)


def _in_range(parameter: Integer | Real, number: float) -> Value:
    """The allowed number of the range next to this one, even where a special value lies nearer."""
    if isinstance(parameter, Integer) or parameter.step is not None:
        return parameter.at(parameter.index(number))
    return min(max(float(number), parameter.min), parameter.max)


def from_inside(parameter: Parameter, inside: Value) -> Value:
    """The outside value of an inside one; what lies outside the bounds is clipped.

    Raises:
        InvalidParameterError: an unknown category, NaN or infinite.
        InvalidTypeError: a name for a number or the reverse.
    """
    if isinstance(parameter, Categorical):
        return parameter.cast(inside)
    if isinstance(inside, str):
        raise InvalidParameterError(f"{parameter.name}: {inside!r} is not a number")
    if not math.isfinite(inside):
        raise InvalidParameterError(f"{parameter.name}: {inside!r} is not finite")
    if parameter.log or parameter.special:
        return from_unit(parameter, float(inside))
    if isinstance(parameter, Integer):
        return parameter.at(min(max(round(inside), 0), parameter.steps))
    if parameter.step is not None:
        return parameter.at(min(max(round(inside), 0), parameter.steps or 0))
    span = parameter.max - parameter.min
    return min(max(float(inside * span + parameter.min), parameter.min), parameter.max)
