"""Parameters that cannot be wrong: each checks itself when it is made, and knows which values it allows.

A parameter is a value object: name, current value ``val``, and what else it may become. Values are
plain ``int``, ``float`` or ``str``.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from numbers import Real as RealNumber
from typing import Any, ClassVar, TypeAlias

from oppertune.errors import InvalidParameterError, InvalidTypeError

Value: TypeAlias = int | float | str

GRID_TOLERANCE = 1e-9
"""How far from the grid, relative to the number of steps, a value may lie and still count as on it."""


def _number(what: str, value: object) -> int | float:
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


def _integer(what: str, value: object) -> int:
    """A builtin int; 5.0 counts as 5. Raises InvalidTypeError or InvalidParameterError."""
    number = _number(what, value)
    if isinstance(number, float) and not number.is_integer():
        raise InvalidTypeError(f"{what} must be a whole number, not {number!r}")
    return int(number)


def _decimals(number: float) -> int:
    """How many digits after the point the shortest spelling of a number has."""
    mantissa, _, exponent = repr(number).partition("e")
    fraction = mantissa.partition(".")[2].rstrip("0")
    return max(0, len(fraction) - int(exponent or 0))


@dataclass(frozen=True)
class ValueType:
    """Base of the three kinds of parameter.

    Attributes:
        name: how configurations call it.
        val: its current value, where learning starts.
    """

    type: ClassVar[str]
    dtype: ClassVar[builtins.type]
    name: str
    val: Any

    def _check_name(self) -> None:
        if not isinstance(self.name, str):
            raise InvalidTypeError(f"name must be of type str, not {self.name!r}")
        if not self.name:
            raise InvalidParameterError("name must not be empty")

    @property
    def is_constant(self) -> bool:
        """Whether it can take one value only."""
        raise NotImplementedError

    def cast(self, value: object) -> Any:
        """The value in its native type. Raises InvalidTypeError or InvalidParameterError."""
        raise NotImplementedError

    def nearest(self, value: object) -> Any:
        """The allowed value next to this one, in its native type."""
        raise NotImplementedError

    def contains(self, value: object) -> bool:
        """Whether the value is allowed as it stands (1.0 counts as 1 for an integer)."""
        try:
            self.cast(value)
        except (TypeError, ValueError):
            return False
        return True

    def to_dict(self) -> dict[str, Any]:
        """The tagged form that :func:`parameter_from_dict` reads."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return {"type": self.type, **own}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Any:
        """Make one from its tagged form. Raises InvalidParameterError for missing or unknown fields."""
        known = {f.name: f for f in fields(cls) if f.init}
        given = {key: value for key, value in document.items() if key != "type"}
        unknown = sorted(set(given) - set(known))
        missing = [
            key for key in ("name", "val", "min", "max", "categories") if key in known and key not in given
        ]
        if unknown or missing:
            raise InvalidParameterError(
                f"{cls.type} parameter {given.get('name', '')!r}: {missing=}, {unknown=}"
            )
        return cls(**given)


@dataclass(frozen=True)
class Categorical(ValueType):
    """One of several names, such as ``Categorical("qdisc", val="fq", categories=("fq", "fq_codel"))``."""

    type: ClassVar[str] = "categorical"
    dtype: ClassVar[builtins.type] = str
    name: str
    val: str
    categories: Sequence[str]

    def __post_init__(self) -> None:
        self._check_name()
        if isinstance(self.categories, str) or not isinstance(self.categories, Sequence):
            raise InvalidTypeError(
                f"{self.name}: categories must be a sequence of str, not {self.categories!r}"
            )
        object.__setattr__(self, "categories", tuple(self.categories))
        for category in (*self.categories, self.val):
            if not isinstance(category, str):
                raise InvalidTypeError(f"{self.name}: a category must be of type str, not {category!r}")
        if len(set(self.categories)) != len(self.categories):
            raise InvalidParameterError(
                f"{self.name}: categories must differ from one another, {self.categories=}"
            )
        if self.val not in self.categories:
            raise InvalidParameterError(
                f"{self.name}: val={self.val!r} is not one of categories={self.categories}"
            )

    @property
    def n_categories(self) -> int:
        """How many categories there are."""
        return len(self.categories)

    @property
    def is_constant(self) -> bool:
        """Whether there is one category only."""
        return len(self.categories) == 1

    def cast(self, value: object) -> str:
        """The category itself. Raises InvalidTypeError or InvalidParameterError."""
        if not isinstance(value, str):
            raise InvalidTypeError(f"{self.name}: {value!r} is not a str")
        if value not in self.categories:
            raise InvalidParameterError(f"{self.name}: {value!r} is not one of categories={self.categories}")
        return value

    def nearest(self, value: object) -> str:
        """The same as :meth:`cast`: names have no neighbours."""
        return self.cast(value)

    def encoded_value(self, category: str | None = None) -> int:
        """The position of a category, or of ``val``, in ``categories``."""
        return self.categories.index(self.val if category is None else self.cast(category))

    def category(self, value: int) -> str:
        """The category at a position."""
        return self.categories[value]


@dataclass(frozen=True)
class Integer(ValueType):
    """A whole number between ``min`` and ``max``, both included, on a grid of ``step`` from ``min``.

    Attributes:
        log: whether ratios matter rather than differences; needs ``min`` > 0.
    """

    type: ClassVar[str] = "integer"
    dtype: ClassVar[builtins.type] = int
    name: str
    val: int
    min: int
    max: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        self._check_name()
        for attribute in ("val", "min", "max", "step"):
            number = _integer(f"{self.name}: {attribute}", getattr(self, attribute))
            object.__setattr__(self, attribute, number)
        _check_log(self.name, self.log, self.min)
        if self.step < 1:
            raise InvalidParameterError(f"{self.name}: step must be at least 1, {self.step=}")
        _check_order(self.name, self.val, self.min, self.max)
        for attribute in ("val", "max"):
            if (getattr(self, attribute) - self.min) % self.step:
                raise InvalidParameterError(
                    f"{self.name}: {attribute}={getattr(self, attribute)} cannot be reached from "
                    f"min={self.min} in steps of {self.step}"
                )

    @property
    def is_constant(self) -> bool:
        """Whether ``min`` and ``max`` are the same."""
        return self.min == self.max

    @property
    def steps(self) -> int:
        """How many steps lead from ``min`` to ``max``."""
        return (self.max - self.min) // self.step

    def index(self, value: object) -> int:
        """The grid position next to a number, between 0 and ``steps``; halves go to the even one."""
        number = _number(self.name, value)
        if isinstance(number, int):
            down, rest = divmod(number - self.min, self.step)
            up = 2 * rest > self.step or (2 * rest == self.step and down % 2 == 1)
            position = down + up
        else:
            position = round((number - self.min) / self.step)
        return min(max(position, 0), self.steps)

    def at(self, index: int) -> int:
        """The value at a grid position."""
        return self.min + index * self.step

    def cast(self, value: object) -> int:
        """The value as ``int``. Raises InvalidTypeError or InvalidParameterError."""
        number = _integer(self.name, value)
        if not self.min <= number <= self.max or (number - self.min) % self.step:
            raise InvalidParameterError(
                f"{self.name}: {number} is not allowed, min={self.min}, max={self.max}, step={self.step}"
            )
        return number

    def nearest(self, value: object) -> int:
        """Clipped to the bounds and rounded to the grid."""
        return self.at(self.index(value))


@dataclass(frozen=True)
class Real(ValueType):
    """A number between ``min`` and ``max``, both included, on a grid of ``step`` from ``min`` if there is a
    step.

    Attributes:
        log: whether ratios matter rather than differences; needs ``min`` > 0.
    """

    type: ClassVar[str] = "real"
    dtype: ClassVar[builtins.type] = float
    name: str
    val: float
    min: float
    max: float
    step: float | None = None
    log: bool = False
    _digits: int = field(init=False, repr=False, compare=False, default=0)
    _steps: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        self._check_name()
        for attribute in ("val", "min", "max"):
            number = float(_number(f"{self.name}: {attribute}", getattr(self, attribute)))
            object.__setattr__(self, attribute, number)
        _check_log(self.name, self.log, self.min)
        _check_order(self.name, self.val, self.min, self.max)
        if not math.isfinite(self.max - self.min):
            raise InvalidParameterError(f"{self.name}: the range from {self.min=} to {self.max=} is too wide")
        if self.step is None:
            return
        step = float(_number(f"{self.name}: step", self.step))
        object.__setattr__(self, "step", step)
        if step <= 0:
            raise InvalidParameterError(f"{self.name}: step must be positive, {self.step=}")
        for attribute in ("val", "max"):
            if not self._on_grid(getattr(self, attribute)):
                raise InvalidParameterError(
                    f"{self.name}: {attribute}={getattr(self, attribute)} cannot be reached from "
                    f"min={self.min} in steps of {self.step}"
                )
        object.__setattr__(self, "_digits", max(_decimals(self.min), _decimals(step)))
        object.__setattr__(self, "_steps", round((self.max - self.min) / step))
        object.__setattr__(self, "val", self.at(self.index(self.val)))

    def _on_grid(self, number: float) -> bool:
        if self.step is None:
            return True
        quotient = (number - self.min) / self.step
        return math.isfinite(quotient) and abs(quotient - round(quotient)) <= GRID_TOLERANCE * max(
            1.0, abs(quotient)
        )

    @property
    def is_constant(self) -> bool:
        """Whether ``min`` and ``max`` are the same."""
        return self.min == self.max

    @property
    def steps(self) -> int | None:
        """How many steps lead from ``min`` to ``max``; None without a step."""
        return None if self.step is None else self._steps

    def index(self, value: object) -> int:
        """The grid position next to a number. Raises InvalidParameterError without a step."""
        if self.step is None:
            raise InvalidParameterError(f"{self.name} has no step and so no grid")
        number = min(max(_number(self.name, value), self.min), self.max)
        return min(max(round((number - self.min) / self.step), 0), self._steps)

    def at(self, index: int) -> float:
        """The value at a grid position, spelled as people would: 0.3, not 0.30000000000000004."""
        if self.step is None:
            raise InvalidParameterError(f"{self.name} has no step and so no grid")
        if index >= self._steps:
            return self.max
        return round(self.min + index * self.step, self._digits)

    def cast(self, value: object) -> float:
        """The value as ``float``, on the grid. Raises InvalidTypeError or InvalidParameterError."""
        number = float(_number(self.name, value))
        if not self.min <= number <= self.max or not self._on_grid(number):
            raise InvalidParameterError(
                f"{self.name}: {number} is not allowed, min={self.min}, max={self.max}, step={self.step}"
            )
        return number if self.step is None else self.at(self.index(number))

    def nearest(self, value: object) -> float:
        """Clipped to the bounds and rounded to the grid."""
        number = float(min(max(_number(self.name, value), self.min), self.max))
        return number if self.step is None else self.at(self.index(number))


Parameter: TypeAlias = Integer | Real | Categorical

_KINDS: dict[str, type[Parameter]] = {"categorical": Categorical, "integer": Integer, "real": Real}


def _check_log(name: str, log: object, minimum: float) -> None:
    if not isinstance(log, bool):
        raise InvalidTypeError(f"{name}: log must be of type bool, not {log!r}")
    if log and minimum <= 0:
        raise InvalidParameterError(f"{name}: log=True needs min > 0, min={minimum}")


def _check_order(name: str, val: float, minimum: float, maximum: float) -> None:
    if minimum > maximum:
        raise InvalidParameterError(f"{name}: min must not exceed max, min={minimum}, max={maximum}")
    if not minimum <= val <= maximum:
        raise InvalidParameterError(f"{name}: val={val} lies outside min={minimum} and max={maximum}")


def parameter_from_dict(document: Mapping[str, Any] | Parameter) -> Parameter:
    """A parameter from its tagged form.

    Such a form is ``{"type": "integer", "name": "n", "val": 1, "min": 0, "max": 9}``.

    A parameter is returned as it is, so that either form may be given wherever parameters are.

    Raises:
        InvalidTypeError: neither a parameter nor a mapping.
        InvalidParameterError: unknown type, unknown or missing fields, or contradicting values.
    """
    if isinstance(document, Integer | Real | Categorical):
        return document
    if not isinstance(document, Mapping):
        raise InvalidTypeError(
            f"a parameter must be Categorical, Integer, Real or a mapping, not {document!r}"
        )
    kind = document.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidParameterError(f"the type of a parameter must be one of {sorted(_KINDS)}, not {kind!r}")
    made: Parameter = _KINDS[kind].from_dict(document)
    return made
