"""Parameters that cannot be wrong: each checks itself when it is made, and knows which values it allows.

A parameter is a value object: name, current value ``val``, and what else it may become. Values are
plain ``int``, ``float`` or ``str``.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

from oppertune.core._numbers import decimals, integer, number, real
from oppertune.core._specials import Shares, read_specials, shares_of
from oppertune.errors import InvalidParameterError, InvalidTypeError

Value: TypeAlias = int | float | str

GRID_TOLERANCE = 1e-9
"""How far from the grid, relative to the number of steps, a value may lie and still count as on it."""


@dataclass(frozen=True)
class ValueType:
    """Base of the three kinds of parameter, which say what is left open here.

    It is no ABC, since that would make every ``isinstance`` slower, and rounds are full of them.

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
        if not own.get("special", True):
            del own["special"]
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
        """The category itself, or the one at a position. Raises InvalidTypeError or InvalidParameterError."""
        if type(value) is int and 0 <= value < len(self.categories):
            return self.categories[value]
        if not isinstance(value, str):
            raise InvalidTypeError(f"{self.name}: {value!r} is not a str")
        if value not in self.categories:
            raise InvalidParameterError(f"{self.name}: {value!r} is not one of categories={self.categories}")
        return value

    def contains(self, value: object) -> bool:
        """Whether it is one of the categories."""
        return isinstance(value, str) and value in self.categories

    def nearest(self, value: object) -> str:
        """The same as :meth:`cast`: names have no neighbours."""
        return self.cast(value)

    def encoded_value(self, category: str | None = None) -> int:
        """The position of a category, or of ``val``, in ``categories``."""
        return self.categories.index(self.val if category is None else self.cast(category))

    def category(self, value: int) -> str:
        """The category at a position."""
        return self.categories[value]


class _Number(ValueType):
    """What integers and reals share: special values beside the range."""

    min: Any
    max: Any
    special: Any
    _shares: Shares | None

    def _read_specials(self, convert: Callable[[str, object], Any]) -> None:
        pairs = read_specials(self.name, self.special, convert)
        object.__setattr__(self, "special", pairs)
        object.__setattr__(self, "_shares", shares_of(pairs, self.max))

    @property
    def special_values(self) -> tuple[Any, ...]:
        """The special values alone."""
        return tuple(value for value, _ in self.special)

    @property
    def shares(self) -> Shares | None:
        """How special values and the range divide the unit interval; None without special values."""
        return self._shares

    @property
    def is_constant(self) -> bool:
        """Whether ``min`` and ``max`` are the same, and no special value is another one."""
        return bool(self.min == self.max) and all(value == self.min for value, _ in self.special)

    def _is_special(self, value: float) -> bool:
        return any(value == special for special, _ in self.special)

    def _check_order(self) -> None:
        if self.min > self.max:
            raise InvalidParameterError(
                f"{self.name}: min must not exceed max, min={self.min}, max={self.max}"
            )
        if not self.min <= self.val <= self.max and not self._is_special(self.val):
            raise InvalidParameterError(
                f"{self.name}: val={self.val} lies outside min={self.min} and max={self.max}"
            )

    def _unreachable(self, attribute: str, step: float) -> InvalidParameterError:
        return InvalidParameterError(
            f"{self.name}: {attribute}={getattr(self, attribute)} cannot be reached from "
            f"min={self.min} in steps of {step}"
        )

    def _not_allowed(self, value: float, step: float | None) -> InvalidParameterError:
        besides = f", special={self.special_values}" if self.special else ""
        return InvalidParameterError(
            f"{self.name}: {value} is not allowed, min={self.min}, max={self.max}, {step=}{besides}"
        )


@dataclass(frozen=True)
class Integer(_Number):
    """A whole number between ``min`` and ``max``, both included, on a grid of ``step`` from ``min``.

    Attributes:
        log: whether ratios matter rather than differences; needs ``min`` > 0.
        special: values that mean something of their own, such as -1 for "automatic"; they may lie outside the
            range and off the grid. Pairs of value and probability, a mapping, or values alone, which get a
            tenth each.
    """

    type: ClassVar[str] = "integer"
    dtype: ClassVar[builtins.type] = int
    name: str
    val: int
    min: int
    max: int
    step: int = 1
    log: bool = False
    special: Iterable[Any] | Mapping[int, float] = ()
    _shares: Shares | None = field(init=False, repr=False, compare=False, default=None)
    _rounds: bool = field(init=False, repr=False, compare=False, default=False)

    def __post_init__(self) -> None:
        self._check_name()
        for attribute in ("val", "min", "max", "step"):
            object.__setattr__(
                self, attribute, integer(f"{self.name}: {attribute}", getattr(self, attribute))
            )
        if self.special != ():
            self._read_specials(integer)
        _check_log(self.name, self.log, self.min)
        if self.step < 1:
            raise InvalidParameterError(f"{self.name}: step must be at least 1, {self.step=}")
        self._check_order()
        for attribute in ("val", "max"):
            value = getattr(self, attribute)
            if (value - self.min) % self.step and not (attribute == "val" and self._is_special(value)):
                raise self._unreachable(attribute, self.step)

    @property
    def steps(self) -> int:
        """How many steps lead from ``min`` to ``max``."""
        return (self.max - self.min) // self.step

    def index(self, value: object) -> int:
        """The grid position next to a number, between 0 and ``steps``; halves go to the even one."""
        given = number(self.name, value)
        if isinstance(given, int):
            down, rest = divmod(given - self.min, self.step)
            up = 2 * rest > self.step or (2 * rest == self.step and down % 2 == 1)
            position = down + up
        else:
            position = round((given - self.min) / self.step)
        return min(max(position, 0), self.steps)

    def at(self, index: int) -> int:
        """The value at a grid position."""
        return self.min + index * self.step

    def cast(self, value: object) -> int:
        """The value as ``int``. Raises InvalidTypeError or InvalidParameterError.

        The parameters that algorithms see in the inside representation round to whole numbers first.
        """
        given = round(number(self.name, value)) if self._rounds else integer(self.name, value)
        if self.special and self._is_special(given):
            return given
        if not self.min <= given <= self.max or (given - self.min) % self.step:
            raise self._not_allowed(given, self.step)
        return given

    def nearest(self, value: object) -> int:
        """Clipped to the bounds and rounded to the grid; a special value stays."""
        if self.special and self._is_special(number(self.name, value)):
            return integer(self.name, value)
        return self.at(self.index(value))


@dataclass(frozen=True)
class Real(_Number):
    """A number between ``min`` and ``max``, both included, on a grid of ``step`` from ``min`` if there is a
    step.

    Attributes:
        log: whether ratios matter rather than differences; needs ``min`` > 0.
        special: as for :class:`Integer`.
    """

    type: ClassVar[str] = "real"
    dtype: ClassVar[builtins.type] = float
    name: str
    val: float
    min: float
    max: float
    step: float | None = None
    log: bool = False
    special: Iterable[Any] | Mapping[float, float] = ()
    _shares: Shares | None = field(init=False, repr=False, compare=False, default=None)
    _digits: int = field(init=False, repr=False, compare=False, default=0)
    _steps: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        self._check_name()
        for attribute in ("val", "min", "max"):
            object.__setattr__(self, attribute, real(f"{self.name}: {attribute}", getattr(self, attribute)))
        if self.special != ():
            self._read_specials(real)
        _check_log(self.name, self.log, self.min)
        self._check_order()
        if not math.isfinite(self.max - self.min):
            raise InvalidParameterError(f"{self.name}: the range from {self.min=} to {self.max=} is too wide")
        if self.step is None:
            return
        step = real(f"{self.name}: step", self.step)
        object.__setattr__(self, "step", step)
        if step <= 0:
            raise InvalidParameterError(f"{self.name}: step must be positive, {self.step=}")
        special = self._is_special(self.val)
        for attribute in ("max",) if special else ("val", "max"):
            if not self._on_grid(getattr(self, attribute)):
                raise self._unreachable(attribute, step)
        object.__setattr__(self, "_digits", max(decimals(self.min), decimals(step)))
        object.__setattr__(self, "_steps", round((self.max - self.min) / step))
        if not special:
            object.__setattr__(self, "val", self.at(self.index(self.val)))

    def _on_grid(self, value: float) -> bool:
        if self.step is None:
            return True
        quotient = (value - self.min) / self.step
        return math.isfinite(quotient) and abs(quotient - round(quotient)) <= GRID_TOLERANCE * max(
            1.0, abs(quotient)
        )

    @property
    def steps(self) -> int | None:
        """How many steps lead from ``min`` to ``max``; None without a step."""
        return None if self.step is None else self._steps

    def index(self, value: object) -> int:
        """The grid position next to a number. Raises InvalidParameterError without a step."""
        if self.step is None:
            raise InvalidParameterError(f"{self.name} has no step and so no grid")
        clipped = min(max(number(self.name, value), self.min), self.max)
        return min(max(round((clipped - self.min) / self.step), 0), self._steps)

    def at(self, index: int) -> float:
        """The value at a grid position, spelled as people would: 0.3, not 0.30000000000000004."""
        if self.step is None:
            raise InvalidParameterError(f"{self.name} has no step and so no grid")
        if index >= self._steps:
            return self.max
        return round(self.min + index * self.step, self._digits)

    def cast(self, value: object) -> float:
        """The value as ``float``, on the grid. Raises InvalidTypeError or InvalidParameterError."""
        given = real(self.name, value)
        if self.special and self._is_special(given):
            return given
        if not self.min <= given <= self.max or not self._on_grid(given):
            raise self._not_allowed(given, self.step)
        return given if self.step is None else self.at(self.index(given))

    def nearest(self, value: object) -> float:
        """Clipped to the bounds and rounded to the grid; a special value stays."""
        given = real(self.name, value)
        if self.special and self._is_special(given):
            return given
        clipped = min(max(given, self.min), self.max)
        return clipped if self.step is None else self.at(self.index(clipped))


Parameter: TypeAlias = Integer | Real | Categorical

_KINDS: dict[str, type[Parameter]] = {"categorical": Categorical, "integer": Integer, "real": Real}


def _check_log(name: str, log: object, minimum: float) -> None:
    if not isinstance(log, bool):
        raise InvalidTypeError(f"{name}: log must be of type bool, not {log!r}")
    if log and minimum <= 0:
        raise InvalidParameterError(f"{name}: log=True needs min > 0, min={minimum}")


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


to_value = parameter_from_dict
"""The name that the original gives it."""


def to_dict(document: Mapping[str, Any] | Parameter) -> dict[str, Any]:
    """The tagged form of a parameter; one that has that form already is returned as it is."""
    return document.to_dict() if isinstance(document, Integer | Real | Categorical) else dict(document)


def transform(parameter: Parameter) -> Parameter:
    """The parameter as algorithms see it; :func:`oppertune.core.encoding.to_inside` by its original name."""
    from oppertune.core.encoding import to_inside

    return to_inside(parameter)


def inverse_transform(inside: Value, reference: Parameter) -> Value:
    """The outside value of an inside one, by the original name and order of arguments."""
    from oppertune.core.encoding import from_inside

    return from_inside(reference, inside)
