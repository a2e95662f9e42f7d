"""Numbers, durations and lines as people read them, pure and without a terminal in sight."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len, chop_cells

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_SHELL_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")+""")
_PLAIN_SIGNS = {
    "✓": "ok",
    "✗": "failed:",
    "🎯": "*",
    "…": "...",
    "→": "->",
    "·": "-",
    "×": "x",
    "±": "+/-",
    "■": "stop:",
}
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=+*#@"
_CONTINUED = " \\"


class Line(NamedTuple):
    """One line to print.

    Attributes:
        style: of rich; empty for none.
        command: it is for a shell, so it may only be broken where a backslash mends it.
    """

    text: str
    style: str = ""
    command: bool = False


def number(value: float) -> str:
    """A measured value: five significant digits, no exponent where people would not write one."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1e15 or 0 < abs(value) < 1e-6:
        return f"{value:.4g}"
    if abs(value) >= 1000:
        return f"{value:.1f}"
    text = f"{value:.5g}"
    return f"{value:.10f}".rstrip("0") if "e" in text else text


def setting(value: Any) -> str:
    """A parameter's value as it is shown; commands need :func:`str`, which keeps every digit."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def percent(value: float) -> str:
    """A signed percentage, ``+15.4 %``."""
    return f"{value:+.1f} %"


def claim(improvement: float, interval: Sequence[float] | None) -> str:
    """An improvement with its interval, ``+15.4 % [+13.9, +16.8]``."""
    if interval is None:
        return percent(improvement)
    return f"{percent(improvement)} [{interval[0]:+.1f}, {interval[1]:+.1f}]"


def duration(seconds: float) -> str:
    """A time to wait, in the unit that people would use."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def counted(count: int, noun: str) -> str:
    """A number with its noun, ``1 trial`` or ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def settings(configuration: Mapping[str, Any]) -> str:
    """A configuration on one line."""
    return " ".join(f"{name}={setting(value)}" for name, value in configuration.items())


def sparkline(values: Sequence[float], width: int, *, plain: bool = False) -> str:
    """The last ``width`` values as bars between the lowest and the highest of them."""
    shown = list(values)[-width:] if width > 0 else []
    bars = _PLAIN_BARS if plain else _BARS
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high <= low:
        return bars[len(bars) // 2] * len(shown)
    return "".join(bars[round((value - low) / (high - low) * (len(bars) - 1))] for value in shown)


def clean(text: str) -> str:
    """The text without control characters: what a benchmark printed must not drive the terminal."""
    return _CONTROL.sub(" ", _SEQUENCE.sub("", text))


def spelled(text: str, encoding: str) -> str:
    """The text as this encoding can write it: signs in words, what is left as escapes."""
    if not encoding.lower().startswith("utf"):
        for sign, word in _PLAIN_SIGNS.items():
            text = text.replace(sign, word)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def shortened(text: str, width: int | None) -> str:
    """The text on one line of at most ``width`` cells."""
    text = " ".join(text.split())
    if width is None or cell_len(text) <= width:
        return text
    return chop_cells(text, max(1, width - 1))[0] + "…"


def broken(line: Line, width: int | None) -> list[str]:
    """The line as lines of at most ``width`` cells, the later ones indented below the first.

    A word of a command is never cut: it would be another command.
    """
    text = line.text
    if width is None or cell_len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip(" ")))
    words = _SHELL_WORD.findall(text) if line.command else text.split()
    end = _CONTINUED if line.command else ""
    room = max(8, width - len(end))
    lines, current = [], indent
    hanging = indent + "    "
    for word in words:
        glued = current + ("" if current.isspace() or not current else " ") + word
        if cell_len(glued) <= room:
            current = glued
            continue
        if current.strip():
            lines.append(current + end)
            current = hanging
        while not line.command and cell_len(current + word) > room:
            piece = chop_cells(word, max(1, room - cell_len(current)))[0]
            lines.append(current + piece)
            word, current = word[len(piece) :], hanging
        current += word
    return [*lines, current] if current.strip() else lines
