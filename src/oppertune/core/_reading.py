"""Reads expressions from left to right; names are known beforehand and so may hold almost anything."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NoReturn

from oppertune.errors import InvalidConstraintError

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[^\s<>=*+]+")
_CONTINUES_A_NAME = re.compile(r"[\w.\[\]/]")


class Reader:
    """A text and how far it has been read.

    Args:
        text: what to read.
        names: the names that may occur in it.
    """

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.text = text
        self._names = sorted(names, key=len, reverse=True)
        self._at = 0

    def rest(self) -> str:
        """What has not been read, from the next sign that is no blank."""
        while self._at < len(self.text) and self.text[self._at].isspace():
            self._at += 1
        return self.text[self._at :]

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Read what matches, if anything does."""
        found = pattern.match(self.rest())
        if found is None:
            return None
        self._at += found.end()
        return found.group()

    def sign(self, sign: str) -> bool:
        """Read one sign, if it comes next."""
        if not self.rest().startswith(sign):
            return False
        self._at += len(sign)
        return True

    def name(self) -> str | None:
        """Read one of the names, if one comes next."""
        rest = self.rest()
        for name in self._names:
            if rest.startswith(name) and not _CONTINUES_A_NAME.match(rest[len(name) : len(name) + 1]):
                self._at += len(name)
                return name
        return None

    def number(self, *, signed: bool = False) -> int | float | None:
        """Read a number, if one comes next. Raises InvalidConstraintError for one that is not finite."""
        start = self._at
        negative = signed and self.sign("-")
        text = self.match(_NUMBER)
        if text is None or _CONTINUES_A_NAME.match(self.text[self._at : self._at + 1]):
            self._at = start
            return None
        number = int(text) if text.isdigit() else float(text)
        if not math.isfinite(number):
            self.fail("a finite number")
        return -number if negative else number

    def end(self) -> None:
        """Check that everything was read. Raises InvalidConstraintError."""
        if self.rest():
            self.fail("the end")

    def unknown(self, expected: str = "a parameter's name or a number") -> NoReturn:
        """Raise InvalidConstraintError for what stands where a name should."""
        found = _WORD.match(self.rest())
        if found is None or found.group()[0] in "-,;()&|!'\"":
            self.fail(expected)
        word = found.group()
        import difflib

        close = difflib.get_close_matches(word, self._names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known are {sorted(self._names)}"
        raise InvalidConstraintError(f"unknown name {word!r} at position {self._at} of {self.text!r}{hint}")

    def fail(self, expected: str) -> NoReturn:
        """Raise InvalidConstraintError for what stands where something else should."""
        found = self.rest()[:20] or "the end"
        raise InvalidConstraintError(
            f"{self.text!r}: expected {expected} at position {self._at}, found {found!r}"
        )
