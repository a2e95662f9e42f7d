"""A space in the three words that every optimiser has, so that each adapter translates once and all alike.

A parameter becomes a :class:`Choice`, a whole :class:`Number` or a real one, logarithmic or not. Numbers on
a grid that is neither the integers nor logarithmic become their position on the grid, 0, 1, ..., n: no peer
sees values that the system does not take, and none has to be rounded behind its back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oppertune.core.values import Categorical, Integer, Parameter, Real, Value

Point = dict[str, Value]
"""A value for each dimension, by name, in the dimension's own terms."""


@dataclass(frozen=True)
class Choice:
    """One of a few names without order."""

    name: str
    options: tuple[str, ...]
    start: str


@dataclass(frozen=True)
class Number:
    """A number between two bounds, both included.

    Attributes:
        name: of the parameter.
        low: smallest.
        high: largest.
        start: the default configuration's.
        whole: whether only whole numbers are meant.
        log: whether ratios count rather than differences.
    """

    name: str
    low: float
    high: float
    start: float
    whole: bool
    log: bool


Dimension = Choice | Number


def dimension_of(parameter: Parameter) -> Dimension:
    if isinstance(parameter, Categorical):
        return Choice(parameter.name, tuple(parameter.categories), parameter.val)
    if on_positions(parameter):
        last = parameter.steps or 0
        return Number(parameter.name, 0, last, parameter.index(parameter.val), whole=True, log=False)
    whole = isinstance(parameter, Integer)
    return Number(parameter.name, parameter.min, parameter.max, parameter.val, whole, parameter.log)


def on_positions(parameter: Integer | Real) -> bool:
    """Whether the optimiser sees positions on the grid instead of values."""
    if parameter.log or parameter.step is None:
        return False
    return isinstance(parameter, Real) or parameter.step != 1


class Space:
    """Parameters and their dimensions, and the way between configurations and points."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.dimensions = tuple(dimension_of(p) for p in parameters)

    @property
    def start(self) -> Point:
        """The default configuration's point."""
        return {d.name: d.start for d in self.dimensions}

    def values(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """The configuration of a point; what lies outside the bounds by rounding is clipped."""
        found: dict[str, Value] = {}
        for parameter, dimension in zip(self.parameters, self.dimensions, strict=True):
            value = point[parameter.name]
            if isinstance(dimension, Choice) or isinstance(parameter, Categorical):
                found[parameter.name] = str(value)
                continue
            number = min(max(float(value), dimension.low), dimension.high)
            if on_positions(parameter):
                found[parameter.name] = parameter.at(round(number))
            else:
                found[parameter.name] = parameter.cast(round(number) if dimension.whole else number)
        return found
