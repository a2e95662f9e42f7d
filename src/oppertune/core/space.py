"""What holds between parameters: constraints in a closed grammar, and the way back to where they hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidConstraintError, InvalidTypeError

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_OPERATOR = re.compile(r"<=|>=|==|<|>")
_WORD = re.compile(r"[^\s<>=*+]+")
_CONTINUES_A_NAME = re.compile(r"[\w.\[\]/]")

_ANCHOR_DRAWS = 20000
_BISECTIONS = 40


def _same(left: float, right: float) -> bool:
    """Equal, exactly for whole numbers, else up to rounding errors."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)


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
        return _Parser(text, names).constraint()

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of, left before right."""
        return tuple(dict.fromkeys(side.name for side in (self.left, self.right) if side.name))

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is fulfilled; numbers that differ by rounding errors only count as equal.

        Raises:
            InvalidConstraintError: a value is missing or no number.
        """
        left, right = self.left.value(values), self.right.value(values)
        if _same(left, right):
            return self.operator in ("<=", ">=", "==")
        return (
            left < right if self.operator in ("<", "<=") else left > right if self.operator != "==" else False
        )

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


class _Parser:
    """Reads one constraint from left to right; names are known, so that they may hold almost anything."""

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self._text = text
        self._names = sorted(names, key=len, reverse=True)
        self._at = 0

    def constraint(self) -> Constraint:
        left = self._side()
        operator = self._match(_OPERATOR)
        if operator is None:
            self._fail("one of < <= > >= ==")
        right = self._side()
        if self._rest():
            self._fail("the end")
        if not left.name and not right.name:
            raise InvalidConstraintError(f"{self._text!r} names no parameter")
        return Constraint(left, operator, right)

    def _side(self) -> Side:
        name = self._name()
        factor: int | float = 1
        if name is None:
            number = self._number(signed=True)
            if number is None:
                self._unknown()
            if not self._sign("*"):
                return Side(1, "", number)
            factor = number
            name = self._name()
            if name is None:
                self._unknown()
            if factor == 0:
                raise InvalidConstraintError(f"{self._text!r} multiplies {name} by zero")
        for sign, direction in (("+", 1), ("-", -1)):
            if self._sign(sign):
                offset = self._number()
                if offset is None:
                    self._fail("a number")
                return Side(factor, name, direction * offset)
        return Side(factor, name, 0)

    def _rest(self) -> str:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._text[self._at :]

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._rest())
        if found is None:
            return None
        self._at += found.end()
        return found.group()

    def _sign(self, sign: str) -> bool:
        if not self._rest().startswith(sign):
            return False
        self._at += 1
        return True

    def _name(self) -> str | None:
        rest = self._rest()
        for name in self._names:
            if rest.startswith(name) and not _CONTINUES_A_NAME.match(rest[len(name) : len(name) + 1]):
                self._at += len(name)
                return name
        return None

    def _number(self, *, signed: bool = False) -> int | float | None:
        start = self._at
        negative = signed and self._sign("-")
        text = self._match(_NUMBER)
        if text is None or _CONTINUES_A_NAME.match(self._text[self._at : self._at + 1]):
            self._at = start
            return None
        number = int(text) if text.isdigit() else float(text)
        if not math.isfinite(number):
            self._fail("a finite number")
        return -number if negative else number

    def _unknown(self) -> NoReturn:
        found = _WORD.match(self._rest())
        if found is None or found.group()[0] in "-,;()&|!":
            self._fail("a parameter's name or a number")
        word = found.group()
        import difflib

        close = difflib.get_close_matches(word, self._names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known are {sorted(self._names)}"
        raise InvalidConstraintError(f"unknown name {word!r} at position {self._at} of {self._text!r}{hint}")

    def _fail(self, expected: str) -> NoReturn:
        found = self._rest()[:20] or "the end"
        raise InvalidConstraintError(
            f"{self._text!r}: expected {expected} at position {self._at}, found {found!r}"
        )


class Space:
    """Parameters and what holds between them.

    Args:
        parameters: in declaration order.
        constraints: over the names of numeric parameters; text is parsed.

    Raises:
        InvalidConstraintError: a constraint over an unknown or categorical name, or constraints that no
            configuration fulfils.
    """

    def __init__(self, parameters: Iterable[Parameter], constraints: Iterable[Constraint | str] = ()) -> None:
        self.parameters = tuple(parameters)
        self._by_name = {p.name: p for p in self.parameters}
        if isinstance(constraints, str):
            raise InvalidTypeError(f"constraints must be a list of constraints, not the str {constraints!r}")
        self.constraints = tuple(
            c if isinstance(c, Constraint) else Constraint.parse(c, self._by_name) for c in constraints
        )
        for constraint in self.constraints:
            for name in constraint.names:
                if name not in self._by_name:
                    raise InvalidConstraintError(f"{constraint} names {name!r}, which is not a parameter")
                if isinstance(self._by_name[name], Categorical):
                    raise InvalidConstraintError(
                        f"{constraint} names {name!r}, which has categories, not numbers"
                    )
        self._groups = self._find_groups()
        self._anchor = self._find_anchor()

    @property
    def defaults(self) -> dict[str, Value]:
        """The parameters' own values."""
        return {p.name: p.val for p in self.parameters}

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether every constraint is fulfilled."""
        return all(constraint.holds(values) for constraint in self.constraints)

    def repair(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The nearest values on the way to the anchor for which everything holds.

        Values that hold are returned as they are. Otherwise those parameters that a violated constraint
        touches, directly or through others, move together along the straight line towards the anchor: the
        parameters' own values, or what was found instead if those do not hold. The result is in bounds, on
        the grid, and holds.

        Raises:
            InvalidConstraintError: a value is missing.
            InvalidParameterError: a value is NaN, infinite, or an unknown category.
        """
        repaired: dict[str, Value] = {p.name: p.nearest(values[p.name]) for p in self.parameters}
        for names, constraints in self._groups:
            if not all(constraint.holds(repaired) for constraint in constraints):
                self._repair_group(repaired, names, constraints)
        return repaired

    def _repair_group(
        self, values: dict[str, Value], names: tuple[str, ...], constraints: tuple[Constraint, ...]
    ) -> None:
        start = {name: values[name] for name in names}
        good = {name: self._anchor[name] for name in names}
        below, above = 0.0, 1.0
        for bisection in range(_BISECTIONS):
            share = (below + above) / 2 if bisection else 0.0
            moved = self._moved(start, share, constraints)
            if all(constraint.holds(moved) for constraint in constraints):
                good, above = moved, share
                if not share:
                    break
            else:
                below = share
        values.update(good)

    def _moved(
        self, start: Mapping[str, Value], share: float, constraints: Iterable[Constraint]
    ) -> dict[str, Value]:
        """``start`` moved by ``share`` of the way to the anchor, on the grid, with equations solved."""
        moved: dict[str, Value] = {}
        for name, value in start.items():
            goal = self._anchor[name]
            if not isinstance(value, str) and not isinstance(goal, str):
                moved[name] = self._by_name[name].nearest(value + share * (goal - value))
        for constraint in constraints:
            # On a straight line an equation would hold at its end only; so one side follows the other.
            if constraint.operator == "==" and not constraint.holds(moved):
                for side, other in ((constraint.left, constraint.right), (constraint.right, constraint.left)):
                    if side.name:
                        moved[side.name] = self._by_name[side.name].nearest(side.solve(other.value(moved)))
                    if constraint.holds(moved):
                        break
        return moved

    def _find_groups(self) -> tuple[tuple[tuple[str, ...], tuple[Constraint, ...]], ...]:
        """Sets of parameters that constraints tie together, with those constraints."""
        groups: list[tuple[set[str], list[Constraint]]] = []
        for constraint in self.constraints:
            names, members = set(constraint.names), [constraint]
            for group in [g for g in groups if g[0] & names]:
                groups.remove(group)
                names |= group[0]
                members = group[1] + members
            groups.append((names, members))
        order = [p.name for p in self.parameters]
        return tuple((tuple(n for n in order if n in names), tuple(members)) for names, members in groups)

    def _find_anchor(self) -> dict[str, Value]:
        """The parameters' own values where they hold, else the nearest found by seeded drawing."""
        anchor = self.defaults
        import random

        generator = random.Random(0)
        for names, constraints in self._groups:
            if all(constraint.holds(anchor) for constraint in constraints):
                continue
            self._anchor = anchor
            for _ in range(_ANCHOR_DRAWS):
                drawn = {name: from_unit(self._by_name[name], generator.random()) for name in names}
                moved = self._moved(drawn, 0.0, constraints)
                if all(constraint.holds(moved) for constraint in constraints):
                    anchor.update(moved)
                    break
            else:
                listed = ", ".join(str(constraint) for constraint in constraints)
                raise InvalidConstraintError(
                    f"no values of {', '.join(names)} were found that fulfil {listed}"
                )
        return anchor
