"""What the catalogue knows between places, brought to bear on an experiment.

Two parameters that are tuned get the constraint between them, as if the experiment named it. Where only one
is tuned, what the host has for the other bounds it, and the operator is told.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oppertune.core.constraints import Constraint, Side
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import OppertuneError
from tactician import catalogue
from tactician.errors import Problem
from tactician.experiment import TunedParameter
from tactician.safety.constraints import binding, field_of

Reader = Callable[[str], str | None]
"""Takes the catalogue's name of a place; its text, or None where it cannot be read."""

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


@dataclass(frozen=True, slots=True)
class Bounded:
    """Parameters within what the others allow.

    Attributes:
        parameters: in the same order.
        constraints: those of the catalogue between tuned parameters, in the experiment's own names.
        notices: what was narrowed and why.
        problems: what cannot be tried at all as the host is.
    """

    parameters: tuple[TunedParameter, ...]
    constraints: tuple[Constraint, ...]
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]


def bound(
    parameters: Sequence[TunedParameter],
    own: Sequence[Constraint],
    read: Reader,
    positions: Sequence[int] | None = None,
) -> Bounded:
    """Add what the catalogue knows between places to an experiment.

    Args:
        parameters: those that can be tuned.
        own: the experiment's constraints.
        read: reads what is not tuned.
        positions: where each stands in ``action_space``; as they come by default.
    """
    work = _Bounding(parameters, read, positions or range(len(parameters)))
    for text, constraint in binding(parameters):
        work.apply(text, constraint)
    kept = {str(constraint) for constraint in own}
    added = tuple(constraint for constraint in work.constraints if str(constraint) not in kept)
    problems = list(work.problems)
    if not problems:
        try:
            Space([tuned.parameter for tuned in work.parameters], (*own, *added))
        except OppertuneError as error:
            listed = ", ".join(map(str, added))
            problems.append(Problem("action_space", f"no values fulfil {listed} here: {error}"))
    return Bounded(tuple(work.parameters), added, tuple(work.notices), tuple(problems))


class _Bounding:
    """Narrows the parameters one constraint after the other."""

    def __init__(self, parameters: Sequence[TunedParameter], read: Reader, positions: Sequence[int]) -> None:
        self.parameters = list(parameters)
        self._positions = positions
        self.constraints: list[Constraint] = []
        self.notices: list[str] = []
        self.problems: list[Problem] = []
        self._read = read
        self._index = {
            field_of(tuned.target): position
            for position, tuned in enumerate(parameters)
            if tuned.kind not in ("argument", "environment")
        }

    def apply(self, text: str, constraint: Constraint) -> None:
        """Turn one constraint of the catalogue into one of the experiment, or into a limit."""
        tuned = {name: self._index[field_of(name)] for name in constraint.names if self._is_tuned(name)}
        words = [
            name
            for name, position in tuned.items()
            if isinstance(self.parameters[position].parameter, Categorical)
        ]
        if len(tuned) == len(constraint.names) and not words:
            self.constraints.append(
                Constraint(
                    self._renamed(constraint.left, tuned),
                    constraint.operator,
                    self._renamed(constraint.right, tuned),
                )
            )
            return
        if len(words) > 1:
            self._check_words(text, constraint, tuned)
            return
        for name, position in tuned.items():
            others = [other for other in constraint.names if other != name]
            fixed = others[0] if others else ""
            if fixed and fixed in tuned and name in words:
                continue  # its partner has numbers and gives way
            for value, said in self._values_of(fixed, tuned):
                self._narrow(position, name, constraint, fixed, value, f"{text}, and {said}")

    def _check_words(self, text: str, constraint: Constraint, tuned: dict[str, int]) -> None:
        """Find two values that do not go together; no constraint can say so between lists of values."""
        lists = [self.parameters[tuned[name]].parameter for name in constraint.names]
        for pair in itertools.product(*(getattr(each, "categories", ()) for each in lists)):
            if not all(map(_is_number, pair)):
                continue
            values = dict(zip(constraint.names, map(float, pair), strict=True))
            if not constraint.holds(values):
                both = " and ".join(f"{name} = {value:g}" for name, value in values.items())
                message = f"{both} break {text}; give one of the two min and max instead of values"
                self.problems.append(Problem("action_space", message))
                return

    def _is_tuned(self, name: str) -> bool:
        return field_of(name) in self._index

    def _renamed(self, side: Side, tuned: dict[str, int]) -> Side:
        return replace(side, name=self.parameters[tuned[side.name]].name) if side.name else side

    def _values_of(self, name: str, tuned: dict[str, int]) -> list[tuple[float, str]]:
        """Return the numbers that a place may show beside the one to be narrowed, each with words for it."""
        if not name:
            return [(0.0, "that is all")]
        if name in tuned:
            parameter = self.parameters[tuned[name]].parameter
            numbers = [float(word) for word in getattr(parameter, "categories", ()) if _is_number(word)]
            return [(number, f"{name} may be {number:g}") for number in numbers]
        key, index = field_of(name)
        shown = self._number(key, index or 0)
        known = catalogue.entry(key)
        if shown is None or (known and str(int(shown) if shown.is_integer() else shown) in known.special):
            return []  # such as 0 in vm.dirty_bytes, which says that the ratio counts
        return [(shown, f"{name} is {shown:g} here")]

    def _number(self, key: str, index: int) -> float | None:
        fields = (self._read(key) or "").split()
        if index < len(fields) and _is_number(fields[index]):
            return float(fields[index])
        return None

    def _narrow(
        self, position: int, name: str, constraint: Constraint, fixed: str, value: float, why: str
    ) -> None:
        on_left = constraint.left.name == name
        side, other = (constraint.left, constraint.right) if on_left else (constraint.right, constraint.left)
        operator = constraint.operator if on_left else _MIRRORED[constraint.operator]
        if side.factor < 0:
            operator = _MIRRORED[operator]
        limit = side.solve(other.value({fixed: value}))
        tuned = self.parameters[position]
        path = f"action_space[{self._positions[position]}]"
        if not _overlaps(tuned.parameter, operator, limit):
            self.problems.append(
                Problem(path, f"{tuned.name} has no value left: {why}; tune both, or neither")
            )
            return
        if tuned.start is not None and not _holds(tuned.start, operator, limit):
            message = f"{tuned.name} = {tuned.start} cannot be the baseline: {why}"
            self.problems.append(Problem(f"{path}.default", message))
            return
        narrowed = _narrowed(tuned.parameter, operator, limit)
        if narrowed != tuned.parameter:
            self.parameters[position] = replace(tuned, parameter=narrowed)
            self.notices.append(f"{tuned.name} is tried {_range(narrowed)} only: {why}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _holds(value: Any, operator: str, limit: float) -> bool:
    if isinstance(value, str):
        return not _is_number(value) or _holds(float(value), operator, limit)
    return Constraint(Side(1, "x", 0), operator, Side(1, "", limit)).holds({"x": value})


def _overlaps(parameter: Any, operator: str, limit: float) -> bool:
    """Whether any value is left."""
    if isinstance(parameter, Categorical):
        return any(_holds(category, operator, limit) for category in parameter.categories)
    low, high = _ends(parameter, operator, limit)
    return bool(low <= high)


def _ends(parameter: Integer | Real, operator: str, limit: float) -> tuple[Any, Any]:
    """Return the ends of a number's range on its grid, crossed where nothing is left."""
    low: Any = parameter.min
    high: Any = parameter.max
    least = limit if operator in (">", ">=", "==") else low
    most = limit if operator in ("<", "<=", "==") else high
    if isinstance(parameter, Integer):
        least = math.floor(least) + 1 if operator == ">" else math.ceil(least)
        most = math.ceil(most) - 1 if operator == "<" else math.floor(most)
        step = parameter.step
        low = low + max(0, -((low - least) // step)) * step
        high = parameter.min + (min(high, most) - parameter.min) // step * step
        return low, high
    # Constraints take numbers that differ by rounding only for equal, so a strict one needs more distance.
    distance = max(abs(limit) * 1e-8, 1e-10)
    low = max(low, least + distance if operator == ">" else least)
    high = min(high, most - distance if operator == "<" else most)
    if parameter.step is not None:
        first = math.ceil((low - parameter.min) / parameter.step - 1e-10)
        last = math.floor((high - parameter.min) / parameter.step + 1e-10)
        low, high = parameter.min + first * parameter.step, parameter.min + last * parameter.step
    return low, high


def _narrowed(parameter: Any, operator: str, limit: float) -> Any:
    if isinstance(parameter, Categorical):
        kept = tuple(word for word in parameter.categories if _holds(word, operator, limit))
        return replace(parameter, categories=kept, val=parameter.val if parameter.val in kept else kept[0])
    low, high = _ends(parameter, operator, limit)
    if (low, high) == (parameter.min, parameter.max):
        return parameter
    return replace(parameter, min=low, max=high, val=min(max(parameter.val, low), high))


def _range(parameter: Any) -> str:
    if isinstance(parameter, Categorical):
        return f"as {', '.join(parameter.categories)}"
    return f"from {parameter.min} to {parameter.max}"
