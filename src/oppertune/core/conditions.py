"""When a parameter means anything at all, such as a compression level only while something is compressed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oppertune.core._reading import Reader
from oppertune.core.constraints import compare
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidConstraintError, InvalidTypeError

_OPERATOR = re.compile(r"<=|>=|==|!=|<|>|in\b")
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'")


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one parameter with fixed values. Made by :meth:`parse`.

    Attributes:
        name: the parameter whose value decides.
        operator: one of ``==  !=  <  <=  >  >=  in``.
        values: what it is compared with; several for ``in``, else one.
    """

    name: str
    operator: str
    values: tuple[Value, ...]

    @classmethod
    def parse(cls, text: str, names: Iterable[str]) -> Condition:
        """Read ``name op value`` or ``name in (value, value, ...)``.

        Args:
            text: such as ``compression == "zstd"``, ``workers > 1`` or ``mode in ("a", "b")``.
            names: the names that may occur.

        Raises:
            InvalidConstraintError: an unknown name, or something unexpected, with its position.
            InvalidTypeError: not a str.
        """
        if not isinstance(text, str):
            raise InvalidTypeError(f"a condition must be of type str, not {text!r}")
        reader = Reader(text, names)
        name = reader.name()
        if name is None:
            reader.unknown("a parameter's name")
        operator = reader.match(_OPERATOR)
        if operator is None:
            reader.fail("one of == != < <= > >= in")
        if operator != "in":
            values = [_read_value(reader)]
        else:
            if not reader.sign("("):
                reader.fail("an opening parenthesis")
            values = [_read_value(reader)]
            # A comma may stand before the closing parenthesis, as in Python.
            while reader.sign(",") and not reader.rest().startswith(")"):
                values.append(_read_value(reader))
            if not reader.sign(")"):
                reader.fail("a closing parenthesis")
        reader.end()
        return cls(name, operator, tuple(values))

    def check(self, parameter: Parameter) -> None:
        """Check that the parameter it names can be compared so. Raises InvalidConstraintError."""
        if not isinstance(parameter, Categorical):
            for value in self.values:
                if isinstance(value, str):
                    raise InvalidConstraintError(f"{self} compares the number {self.name} with {value!r}")
            return
        if self.operator not in ("==", "!=", "in"):
            raise InvalidConstraintError(f"{self}: categories have no order; use ==, != or in")
        for value in self.values:
            if value not in parameter.categories:
                raise InvalidConstraintError(
                    f"{self}: {value!r} is not one of categories={parameter.categories}"
                )

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is fulfilled. Raises InvalidConstraintError where the value is missing."""
        try:
            value = values[self.name]
        except KeyError:
            raise InvalidConstraintError(f"no value for {self.name!r}, which a condition names") from None
        if self.operator == "in":
            return any(_compared(value, "==", other) for other in self.values)
        return _compared(value, self.operator, self.values[0])

    def __str__(self) -> str:
        shown = [f'"{value}"' if isinstance(value, str) else str(value) for value in self.values]
        listed = f"({', '.join(shown)})" if self.operator == "in" else shown[0]
        return f"{self.name} {self.operator} {listed}"


def _compared(value: Value, operator: str, other: Value) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return (value == other) == (operator == "==")
    return compare(value, operator, other)


def _read_value(reader: Reader) -> Value:
    text = reader.match(_TEXT)
    if text is not None:
        return text[1:-1]
    number = reader.number(signed=True)
    if number is None:
        reader.fail("a number or a text in quotes")
    return number


Conditions = Mapping[str, "Condition | str | Iterable[Condition | str]"]
"""By the name of a parameter: when it is active; of several conditions all must hold."""


def read_conditions(
    given: Conditions, by_name: Mapping[str, Parameter]
) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    """Parse and check conditions, and order them so that each comes after those it depends on.

    Raises:
        InvalidConstraintError: an unknown name, a comparison that cannot be made, or a circle.
        InvalidTypeError: no mapping.
    """
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"conditions must be a mapping by parameter name, not {given!r}")
    made: dict[str, tuple[Condition, ...]] = {}
    for child, condition in given.items():
        if child not in by_name:
            raise InvalidConstraintError(f"a condition is given for {child!r}, which is not a parameter")
        several = [condition] if isinstance(condition, str | Condition) else list(condition)
        made[child] = tuple(c if isinstance(c, Condition) else Condition.parse(c, by_name) for c in several)
        for one in made[child]:
            if one.name not in by_name:
                raise InvalidConstraintError(f"{one} names {one.name!r}, which is not a parameter")
            one.check(by_name[one.name])
    ordered: dict[str, tuple[Condition, ...]] = {}
    while len(ordered) < len(made):
        ready = [
            child
            for child, conditions in made.items()
            if child not in ordered and all(c.name in ordered or c.name not in made for c in conditions)
        ]
        if not ready:
            circle = ", ".join(sorted(set(made) - set(ordered)))
            raise InvalidConstraintError(f"the conditions of {circle} wait for one another")
        ordered.update((child, made[child]) for child in ready)
    return tuple(ordered.items())
