"""What every prediction needs of every parameter, prepared once, with a short way for what is usual."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from oppertune.core.encoding import from_inside
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value

Reader = Callable[[Any], Value]

_LARGEST_TABLE = 256


def nearest_reader(parameter: Parameter) -> Reader:
    """The ``nearest`` of a parameter."""
    slowly: Reader = parameter.nearest
    if isinstance(parameter, Categorical):
        return _category_reader(parameter, slowly)
    low, high = parameter.min, parameter.max
    if isinstance(parameter, Integer):
        step = parameter.step

        def read_integer(value: Any) -> Value:
            if type(value) is int and low <= value <= high and not (value - low) % step:
                return value
            return slowly(value)

        return read_integer
    if parameter.step is not None:
        spelled = frozenset(_table(parameter))

        def read_step(value: Any) -> Value:
            return value if type(value) is float and value in spelled else slowly(value)

        return read_step

    def read_real(value: Any) -> Value:
        return value if type(value) is float and low <= value <= high else slowly(value)

    return read_real


def outside_reader(parameter: Parameter) -> Reader:
    """:func:`~oppertune.core.encoding.from_inside` for one parameter."""

    def slowly(inside: Any) -> Value:
        return from_inside(parameter, inside)

    if isinstance(parameter, Categorical):
        return _category_reader(parameter, slowly)
    if parameter.log or parameter.special:
        return slowly
    low, high = parameter.min, parameter.max
    if isinstance(parameter, Integer):
        step, steps = parameter.step, parameter.steps

        def read_integer(inside: Any) -> Value:
            if type(inside) is int and 0 <= inside <= steps:
                return low + step * inside
            return slowly(inside)

        return read_integer
    if parameter.step is not None:
        table = _table(parameter)
        top = len(table) - 1

        def read_step(inside: Any) -> Value:
            return table[inside] if type(inside) is int and 0 <= inside <= top else slowly(inside)

        return read_step
    span = high - low

    def read_real(inside: Any) -> Value:
        # NaN fails the comparison and is refused by the slow way.
        number = inside * span + low if type(inside) is float else math.nan
        return number if low <= number <= high else slowly(inside)

    return read_real


def _category_reader(parameter: Categorical, slowly: Reader) -> Reader:
    known = frozenset(parameter.categories)

    def read_category(value: Any) -> Value:
        return value if type(value) is str and value in known else slowly(value)

    return read_category


def _table(parameter: Real) -> list[float]:
    """Every value of a short grid; none of a long one."""
    steps = parameter.steps or 0
    return [parameter.at(i) for i in range(steps + 1)] if steps < _LARGEST_TABLE else []
