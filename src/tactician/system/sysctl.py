"""Knobs of the kernel: which file a parameter lives in, and how its text reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from oppertune.core.values import Categorical, Integer, Parameter, Value
from tactician import catalogue
from tactician.experiment import TunedParameter
from tactician.ports import Place
from tactician.undo import files

_SYSCTL_ROOT = "/proc/sys/"
_FIELD = re.compile(r"^(?P<key>.+?)\[(?P<index>\d+)\]$")
_CHOICE = re.compile(r"\[([^\]\s]+)\]")


class FileKnob:
    """One parameter in one small text file of the kernel.

    Args:
        parameter: name and type of the value.
        place: the file.
        index: which blank-separated field, None for the whole text.
        coupled: places that a write changes as well.
    """

    acts = "at once"

    def __init__(
        self, parameter: Parameter, place: Place, index: int | None = None, coupled: Sequence[Place] = ()
    ) -> None:
        self._parameter = parameter
        self._index = index
        self.name = parameter.name
        self.place = place
        self.coupled = tuple(coupled)

    def decode(self, text: str) -> Value:
        """Return the value that the text shows.

        Raises:
            ValueError: there is no such field, or it is no number where one is wanted.
        """
        shown = _shown(text)
        if self._index is not None:
            fields = shown.split()
            if self._index >= len(fields):
                raise ValueError(f"{self.place.path} shows {len(fields)} fields, there is no [{self._index}]")
            shown = fields[self._index]
        if isinstance(self._parameter, Categorical):
            return shown
        try:
            number = int(shown)
        except ValueError:
            number = None
        if number is not None:
            return number if isinstance(self._parameter, Integer) else float(number)
        if isinstance(self._parameter, Integer):
            raise ValueError(f"{self.place.path} shows {shown!r}, which is no whole number")
        return float(shown)

    def encode(self, current: str, value: Value) -> str:
        """Return the text to write: decimal ASCII, the other fields kept."""
        # The kernel reads 010 as octal and 0x20 as hexadecimal; str of a number is neither.
        text = _decimal(value) if isinstance(value, float) else str(value)
        if self._index is None:
            return text
        fields = _shown(current).split()
        fields[self._index] = text
        return " ".join(fields)

    def shows(self, text: str, value: Value) -> bool:
        """Whether a file that reads ``text`` has ``value``."""
        try:
            found = self.decode(text)
        except ValueError:
            return False
        if isinstance(found, str) or isinstance(value, str):
            return str(found).split() == str(value).split()
        return found == value

    def restoring(self, text: str) -> str:
        """Return what to write so that the file reads ``text`` again: of a choice, the chosen one."""
        return _shown(text)


def file_knob(tuned: TunedParameter, netns: str = "") -> FileKnob:
    """Build the knob of a parameter that lives on the host."""
    target = tuned.target.removeprefix(_SYSCTL_ROOT)
    if tuned.kind == "sysfs" and target == tuned.target:
        return FileKnob(tuned.parameter, Place(tuned.target, netns))
    key, index = split_field(target)
    known = catalogue.entry(key)
    coupled = [Place(path_of(name), netns) for name in known.pair] if known else []
    return FileKnob(tuned.parameter, Place(path_of(key), netns), index, coupled)


def is_per_namespace(tuned: TunedParameter) -> bool:
    """Whether the value belongs to a network namespace rather than to the whole host."""
    return files.is_per_namespace(file_knob(tuned).place.path)


def split_field(target: str) -> tuple[str, int | None]:
    """Split ``net.ipv4.tcp_rmem[2]`` into key and field."""
    match = _FIELD.match(target)
    return (match["key"], int(match["index"])) if match else (target, None)


def path_of(key: str) -> str:
    """Return the file of a sysctl, by the rule of sysctl(8).

    The first separator decides: with dots, ``net.ipv4.conf.eth0/100.rp_filter`` is the interface
    ``eth0.100``; with slashes, dots are part of names.
    """
    first = next((sign for sign in key if sign in "./"), ".")
    if first == ".":
        key = key.translate(str.maketrans("./", "/."))
    return f"/proc/sys/{key}"


def _decimal(value: float) -> str:
    """Write a number without exponent, and a whole one without fraction, as the kernel wants it."""
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")


def _shown(text: str) -> str:
    """Return the value in a text: of ``always [madvise] never`` the chosen one, else all of it."""
    choice = _CHOICE.search(text)
    return choice[1] if choice else " ".join(text.split())
