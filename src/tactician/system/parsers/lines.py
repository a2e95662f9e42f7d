"""Cuts an output into lines and runs, so that no parser has to think of size or control characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from tactician.system.parsers.metrics import ParsedMetric

DECIMAL = r"\d+(?:\.\d+)?"
"""A number without sign or exponent, for patterns; unlike ``[0-9.]+`` it always is one."""

_LONGEST_LINE = 2000
_ESCAPES = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


def cleaned(text: str) -> str:
    """Return the text with carriage returns as line ends and without terminal escapes.

    A progress display that overwrites itself becomes one line per state, of which the last counts.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def lines_of(text: str) -> Iterator[str]:
    """Yield the stripped lines; an absurdly long one is cut so that no pattern can be slow on it."""
    for line in text.split("\n"):
        yield line[:_LONGEST_LINE].strip()


def has_line(text: str, *beginnings: str) -> bool:
    """Return whether a line of ``text`` begins with one of these."""
    return any(text.startswith(beginning) or f"\n{beginning}" in text for beginning in beginnings)


def lines_with(text: str, *beginnings: str) -> Iterator[str]:
    """Yield the stripped lines that begin with one of these, unindented."""
    if has_line(text, *beginnings):
        for line in text.split("\n"):
            if line.startswith(beginnings):
                yield line[:_LONGEST_LINE].strip()


def last_run(
    text: str, beginning: str, parse: Callable[[str], Sequence[ParsedMetric]]
) -> Sequence[ParsedMetric]:
    """Parse the last run in ``text`` that yields anything.

    A script may prepare, run, warm up and clean up with the same tool; numbers of different runs
    must not be mixed.

    Args:
        text: cleaned.
        beginning: what the first line of every run begins with.
        parse: what makes metrics of one run's text.
    """
    end = len(text)
    while True:
        start = text.rfind(f"\n{beginning}", 0, end)
        metrics = parse(text[max(start, 0) : end])
        if metrics or start < 0:
            return metrics
        end = start


def quoted(lines: Iterable[str], most: int = 3) -> list[str]:
    """Return at most ``most`` different lines, each cut to what a message can hold."""
    return list(islice(dict.fromkeys(line[:200] for line in lines if line), most))
