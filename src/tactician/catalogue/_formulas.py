"""Ranges that depend on the host, as text that can compute and do nothing else.

The whole language is numbers, the names of facts, ``+ - * / //``, ``min``, ``max`` and parentheses. There is
no call, no attribute and no power, so no text can run code or take long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FACTS = ("memory_bytes", "cores", "page_bytes", "swap_bytes", "link_mbit")
"""What a formula may name."""

_LONGEST = 300
_DEEPEST = 20
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([a-z_]+)|(//|[-+*/(),]))")


def evaluate(text: str, facts: Mapping[str, float]) -> int | float:
    """Compute a formula; whole numbers stay whole except under ``/``.

    Args:
        text: such as ``min(memory_bytes // 4, 1073741824)``.
        facts: numbers by name.

    Raises:
        ValueError: it is no formula, names a fact that is not given, or divides by zero.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a formula has at most {_LONGEST} signs, not {len(text)}")
    reading = _Reading(text, facts)
    try:
        value = reading.sum()
    except (ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"{text!r} cannot be computed: {error}") from error
    if reading.token:
        raise ValueError(f"{text!r}: {reading.token!r} is unexpected")
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise ValueError(f"{text!r} is no finite number")
    return value


class _Reading:
    """Reads from left to right; ``token`` is the next sign, number or name, empty at the end."""

    def __init__(self, text: str, facts: Mapping[str, float]) -> None:
        self._text = text
        self._facts = facts
        self._at = 0
        self._depth = 0
        self.token = ""
        self._advance()

    def sum(self) -> int | float:
        value = self._product()
        while self.token in ("+", "-"):
            plus = self._advance() == "+"
            term = self._product()
            value = value + term if plus else value - term
        return value

    def _product(self) -> int | float:
        value = self._factor()
        while self.token in ("*", "/", "//"):
            sign = self._advance()
            other = self._factor()
            if sign == "*":
                value = value * other
            else:
                value = value / other if sign == "/" else value // other
        return value

    def _factor(self) -> int | float:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"{self._text!r} is nested too deeply")
        value = self._plain_factor()
        self._depth -= 1
        return value

    def _plain_factor(self) -> int | float:
        token = self._advance()
        if token == "-":
            return -self._factor()
        if token == "(":
            value = self.sum()
            self._expect(")")
            return value
        if token in ("min", "max"):
            return self._extreme(token)
        if token[:1].isdigit():
            return float(token) if "." in token else int(token)
        if token in self._facts:
            return self._facts[token]
        known = ", ".join(self._facts)
        raise ValueError(f"{self._text!r}: {token or 'the end'} is no number and no fact of {known}")

    def _extreme(self, name: str) -> int | float:
        self._expect("(")
        values = [self.sum()]
        while self.token == ",":
            self._advance()
            values.append(self.sum())
        self._expect(")")
        return min(values) if name == "min" else max(values)

    def _expect(self, sign: str) -> None:
        found = self._advance()
        if found != sign:
            raise ValueError(f"{self._text!r}: {sign!r} is expected, not {found or 'the end'!r}")

    def _advance(self) -> str:
        """Return the token and move on to the next."""
        token = self.token
        match = _TOKEN.match(self._text, self._at)
        if match:
            self._at = match.end()
            self.token = match[1] or match[2] or match[3]
        elif self._text[self._at :].strip():
            raise ValueError(f"{self._text!r}: {self._text[self._at :].strip()[0]!r} is unexpected")
        else:
            self.token = ""
        return token
