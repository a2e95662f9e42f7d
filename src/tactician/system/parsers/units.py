"""Turns the many spellings of a number with a unit into one of a few units, so that runs can be compared.

Seconds (``s``), bytes (``B``), bytes per second (``B/s``), bits per second (``bit/s``), events per
second (``1/s``) and percent (``%``). Anything else keeps its number and has no unit.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import NamedTuple

_NUMBER = re.compile(
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4}(?!\d))?"
)
_NOT_FINITE = re.compile(r"[-+]?(?:nan|inf(?:inity)?)(?![A-Za-z_])", re.IGNORECASE)
_UNIT_LENGTH = 40
_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"": 1.0, "k": 2.0**10, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}

_TIME_POWERS = {
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanosec", "nanosecs", "nanosecond", "nanoseconds"), -9),
    **dict.fromkeys(("us", "usec", "usecs", "µs", "μs", "microsecond", "microseconds", "microsecs"), -6),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds", "millisecs"), -3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 0),
}
_TIME_FACTORS = {
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_RATES = frozenset({"tps", "rps", "qps", "iops", "ops", "eps", "hz"})
_PER = re.compile(r"\s*(?:/|\bper\b)\s*", re.IGNORECASE)
_BYTES = re.compile(r"([kKMGT]?)(i?)(?:B|bytes?|Bytes?)")
_BITS = re.compile(r"([kKMGT]?)(i?)(?:b|bits?|Bits?)")
_BYTES_PER_SECOND = re.compile(r"([kKMGT]?)(i?)Bps")
_BITS_PER_SECOND = re.compile(r"([kKMGT]?)(i?)bps")
_SCALED_RATE = re.compile(r"([kKMGT]?)(?i:ops|reqs?|iops|tps|rps|qps|events?)")


class Quantity(NamedTuple):
    """A number in one of the units of this module; ``unit`` is empty where none was understood."""

    value: float
    unit: str


def parse_number(text: str) -> float | None:
    """Return the number that ``text`` is, NaN and infinity included, or None."""
    found = leading_number(text.strip())
    return found[0] if found is not None and found[1] == "" else None


def leading_number(text: str) -> tuple[float, str] | None:
    """Split ``text`` into the number that it begins with and what follows, or return None."""
    for pattern in (_NUMBER, _NOT_FINITE):
        match = pattern.match(text)
        if match is not None:
            return float(match[0].replace(",", "")), text[match.end() :]
    return None


def shifted(value: float, power: int) -> float:
    """Return ``value`` times a power of ten, as the decimal it was printed as: 0.173 ms is 0.000173."""
    return float(Decimal(repr(value)).scaleb(power)) if math.isfinite(value) else value


def normalise(value: float, unit: str, *, binary: bool = False) -> Quantity | None:
    """Return ``value`` in the unit that ``unit`` is a spelling of, or None if it is unknown.

    Args:
        value: the number as printed.
        unit: the tool's spelling, such as ``usecs/op``, ``MiB/sec`` or ``Gbits/sec``.
        binary: whether ``kB``, ``MB`` and ``GB`` are powers of 1024, as several tools mean them.
    """
    unit = unit.strip()
    if unit == "":
        return Quantity(value, "")
    if unit == "%" or unit.lower() == "percent":
        return Quantity(value, "%")
    upper, *lower = _PER.split(unit, maxsplit=1)
    if lower:
        return _rate(value, upper.strip(), lower[0].strip(), binary)
    return (
        _time(value, unit)
        or _prefixed(value, _BYTES.fullmatch(unit), "B", binary)
        or _prefixed(value, _BYTES_PER_SECOND.fullmatch(unit), "B/s", binary)
        or _prefixed(value, _BITS_PER_SECOND.fullmatch(unit), "bit/s", False)
        or _counted(value, unit)
    )


def parse_quantity(text: str, *, binary: bool = False) -> Quantity | None:
    """Return the quantity that ``text`` begins with, or None if it begins with no number.

    ``10.4k`` is 10400; a letter counts as a multiple only where nothing stands between it and the
    number. Words after the unit are ignored, as is a unit that is not known.
    """
    found = leading_number(text.strip())
    if found is None:
        return None
    value, rest = found
    return _with_unit(value, rest[:_UNIT_LENGTH], binary) or Quantity(value, "")


def _with_unit(value: float, rest: str, binary: bool) -> Quantity | None:
    """Try what follows the number as a unit: two words, then one word, then a bare multiple."""
    attached = rest[:1].strip() != ""
    words = rest.strip().lstrip("[(").split()
    if not words:
        return None
    candidates = [words[0]]
    if len(words) > 2 and words[1].lower() == "per":
        candidates.insert(0, " ".join(words[:3]))
    if len(words) > 1 and words[0].lower() == "per":
        candidates.insert(0, " ".join(words[:2]))
    for candidate in candidates:
        quantity = normalise(value, candidate.rstrip(")],;."), binary=binary)
        if quantity is not None:
            return quantity
    multiple = words[0].rstrip(",;")
    if attached and multiple in {"k", "K", "M", "G"}:
        following = normalise(1.0, words[1].rstrip(")],;.")) if len(words) > 1 else None
        unit = following.unit if following is not None and following.unit == "1/s" else ""
        return Quantity(value * _DECIMAL[multiple], unit)
    return None


def _time(value: float, unit: str) -> Quantity | None:
    spelling = unit.lower()
    if spelling in _TIME_POWERS and not unit.startswith("M"):
        return Quantity(shifted(value, _TIME_POWERS[spelling]), "s")
    if spelling in _TIME_FACTORS:
        return Quantity(value * _TIME_FACTORS[spelling], "s")
    return None


def _prefixed(value: float, match: re.Match[str] | None, unit: str, binary: bool) -> Quantity | None:
    if match is None:
        return None
    scale = _BINARY if match[2] == "i" or binary else _DECIMAL
    return Quantity(value * scale[match[1]], unit)


def _counted(value: float, unit: str) -> Quantity | None:
    """A rate that is one word, such as ``tps`` or ``kIOPS``."""
    if unit.lower() in _RATES:
        return Quantity(value, "1/s")
    match = _SCALED_RATE.fullmatch(unit)
    if match is not None and match[1] != "" and unit[1:].lower() in _RATES:
        return Quantity(value * _DECIMAL[match[1]], "1/s")
    return None


def _rate(value: float, upper: str, lower: str, binary: bool) -> Quantity | None:
    if lower.lower() not in {"s", "sec", "second", "secs", "seconds"}:
        # A time per something else is still a time: usecs/op.
        return _time(value, upper) if lower[:1].isalpha() else None
    sized = _prefixed(value, _BYTES.fullmatch(upper), "B/s", binary)
    sized = sized or _prefixed(value, _BITS.fullmatch(upper), "bit/s", False)
    if sized is not None:
        return sized
    if _time(value, upper) is not None:
        return None
    match = _SCALED_RATE.fullmatch(upper)
    return Quantity(value * _DECIMAL[match[1]] if match is not None else value, "1/s")
