"""Comparisons between parameters that must always hold, in a closed grammar, so that no text can run code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oppertune.core._reading import Reader
from oppertune.core.values import Value
from oppertune.errors import InvalidConstraintError, InvalidTypeError

_OPERATOR = re.compile(r"<=|>=|==|<|>")


def _same(left: float, right: float) -> bool:
    """Equal, exactly for whole numbers, else up to rounding errors."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)


def compare(left: float, operator: str, right: float) -> bool:
    """Whether two numbers compare so; those that differ by rounding errors only count as equal."""
    if _same(left, right):
        return operator in ("<=", ">=", "==")
    if operator in ("==", "!="):
        return operator == "!="
    return left < right if operator in ("<", "<=") else left > right


@dataclass(frozen=True, slots=True)
class Side:
    """``factor * name + offset``, or the number ``offset`` where ``name`` is empty."""

    factor: int | float
    name: str
    offset: int | float

    def value(self, values: Mapping[str, Value]) -> int | float:
        """Its number under these values. Raises InvalidConstraintError."""
        if not self.name:
            return self.offset
        try:
            value = values[self.name]
        except KeyError:
            raise InvalidConstraintError(f"no value for {self.name!r}, which a constraint names") from None
        if isinstance(value, str):
            raise InvalidConstraintError(f"{self.name}={value!r} is no number, and a constraint names it")
        return self.factor * value + self.offset

    def solve(self, target: float) -> float:
        """The value of ``name`` at which this side is ``target``."""
        return (target - self.offset) / self.factor

    def __str__(self) -> str:
        if not self.name:
            return str(self.offset)
        text = self.name if self.factor == 1 else f"{self.factor} * {self.name}"
        if self.offset:
            text += f" {'+' if self.offset > 0 else '-'} {abs(self.offset)}"
        return text


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison between two sides. Made by :meth:`parse`."""

    left: Side
    operator: str
    right: Side

    @classmethod
    def parse(cls, text: str, names: Iterable[str]) -> Constraint:
        """Read ``side op side``, with op one of ``<  <=  >  >=  ==`` and side ``[number *] name [(+|-)
        number]``.

        Either side, but not both, may be a plain number. Names may hold dots, brackets, digits, slashes and
        dashes.

        Args:
            text: such as ``net.ipv4.tcp_rmem[1] <= net.ipv4.tcp_rmem[2]``.
            names: the names that may occur.

        Raises:
            InvalidConstraintError: an unknown name, or something unexpected, with its position.
            InvalidTypeError: not a str.
        """
        if not isinstance(text, str):
            raise InvalidTypeError(f"a constraint must be of type str, not {text!r}")
        reader = Reader(text, names)
        left = _read_side(reader)
        operator = reader.match(_OPERATOR)
        if operator is None:
            reader.fail("one of < <= > >= ==")
        right = _read_side(reader)
        reader.end()
        if not left.name and not right.name:
            raise InvalidConstraintError(f"{text!r} names no parameter")
        return cls(left, operator, right)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of, left before right."""
        return tuple(dict.fromkeys(side.name for side in (self.left, self.right) if side.name))

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is fulfilled; numbers that differ by rounding errors only count as equal.

        Raises:
            InvalidConstraintError: a value is missing or no number.
        """
        return compare(self.left.value(values), self.operator, self.right.value(values))

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


def _read_side(reader: Reader) -> Side:
    name = reader.name()
    factor: int | float = 1
    if name is None:
        number = reader.number(signed=True)
        if number is None:
            reader.unknown()
        if not reader.sign("*"):
            return Side(1, "", number)
        factor = number
        name = reader.name()
        if name is None:
            reader.unknown()
        if factor == 0:
            raise InvalidConstraintError(f"{reader.text!r} multiplies {name} by zero")
    for sign, direction in (("+", 1), ("-", -1)):
        if reader.sign(sign):
            offset = reader.number()
            if offset is None:
                reader.fail("a number")
            return Side(factor, name, direction * offset)
    return Side(factor, name, 0)
