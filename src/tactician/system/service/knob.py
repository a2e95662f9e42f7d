"""One setting of a service as a knob: its line in the text of the service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from oppertune.core.values import Categorical, Integer, Parameter, Value
from tactician.ports import Place
from tactician.system.service.base import parse, render

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_BYTES = {"": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MILLISECONDS = {"ms": 1, "": 1000, "s": 1000, "m": 60_000, "h": 3_600_000}
_SCALES: Mapping[str, Mapping[str, int]] = {"bytes": _BYTES, "s": _SECONDS, "ms": _MILLISECONDS}
"""By the unit of a number, what the suffixes in a settings file make of it."""


class ServiceKnob:
    """One parameter that is a setting of a service.

    Args:
        parameter: name and type of the value.
        service: the service's name, which is the place.
        setting: its name there.
        unit: of the number, where a settings file may write it with a suffix.
        numbers: words that stand for a number.
        acts: ``at once``, ``reload`` or ``restart``.
    """

    def __init__(
        self,
        parameter: Parameter,
        service: str,
        setting: str,
        unit: str = "",
        numbers: Mapping[str, int] | None = None,
        acts: str = "at once",
    ) -> None:
        self._parameter = parameter
        self._setting = setting
        self._unit = unit
        self._numbers = dict(numbers or {})
        self.name = parameter.name
        self.acts = acts
        self.place = Place(service)
        self.coupled: tuple[Place, ...] = ()

    def decode(self, text: str) -> Value:
        """Return the value that the service's text shows.

        Raises:
            ValueError: it is not there, or is no number where one is wanted.
        """
        shown = parse(text).get(self._setting)
        if shown is None:
            raise ValueError(f"{self.name} is not shown by {self.place.path}")
        if isinstance(self._parameter, Categorical):
            return self._word(shown)
        number = self._number(shown)
        if isinstance(self._parameter, Integer):
            if number != int(number):
                raise ValueError(f"{self.name} is {shown}, which is no whole number")
            return int(number)
        return float(number)

    def encode(self, current: str, value: Value) -> str:
        """Return the service's text with this setting at ``value``."""
        return render({**parse(current), self._setting: self._written(value)})

    def shows(self, text: str, value: Value) -> bool:
        """Whether the service's text has ``value`` for this setting."""
        try:
            found = self.decode(text)
        except ValueError:
            return False
        if isinstance(found, str) or isinstance(value, str):
            return str(found).split() == str(value).split()
        return found == value or abs(found - value) <= 1e-9 * abs(value)  # a server prints what it likes

    def restoring(self, text: str) -> str:
        """Return the text as it is: a service is asked for its way back."""
        return text

    def _word(self, shown: str) -> str:
        """Return the category that means the same, where servers print on for yes."""
        if isinstance(self._parameter, Categorical) and shown not in self._parameter.categories:
            for category in self._parameter.categories:
                if category.lower() == shown.lower():
                    return category
        return shown

    def _number(self, shown: str) -> Decimal:
        number = number_in(shown, self._unit, self._numbers)
        if number is None:
            raise ValueError(f"{self.name} is {shown!r}, which is no number; write it as one, or give values")
        return number

    def _written(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        number = int(value) if float(value).is_integer() else format(Decimal(repr(value)), "f")
        return f"{number}ms" if self._unit == "ms" else str(number)


def number_in(shown: str, unit: str, numbers: Mapping[str, int]) -> Decimal | None:
    """Return the number that a service shows, in ``unit``; None where it shows none.

    Args:
        shown: as a settings file has it, perhaps with a suffix.
        unit: of the number; empty where a service shows it without one.
        numbers: words that stand for a number.
    """
    if shown in numbers:
        return Decimal(numbers[shown])
    match = _NUMBER.fullmatch(shown.strip())
    scale = _SCALES.get(unit, {"": 1})
    return Decimal(match[1]) * scale[match[2].lower()] if match and match[2].lower() in scale else None
