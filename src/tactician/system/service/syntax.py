"""Reads and changes one setting in the text of a settings file; everything else stays byte for byte."""

from __future__ import annotations

import re
from typing import Protocol

from tactician.errors import TacticianError


class SettingsTextError(TacticianError):
    """A text in which a setting cannot be changed safely; the message says why."""


class Syntax(Protocol):
    """How a settings file is written."""

    def read(self, text: str, key: str) -> str | None:
        """The value of a setting, None where the file does not set it. Raises SettingsTextError."""

    def edit(self, text: str, key: str, value: str) -> str:
        """The text with another value, the setting added where it is absent. Raises SettingsTextError."""


class Lines:
    """One setting to a line: ``key value``, ``key = value``, or the same within a section.

    Args:
        equals: whether key and value are joined by ``=``; else by blanks.
        section: of an ini file; empty for the whole file.
    """

    def __init__(self, *, equals: bool, section: str = "") -> None:
        self._equals = equals
        self._section = section

    def read(self, text: str, key: str) -> str | None:
        """Return the value of the line that sets ``key``."""
        found = self._find(text, key)
        return None if found is None else found["value"].strip()

    def edit(self, text: str, key: str, value: str) -> str:
        """Change that line, or add one at the end of the file or section."""
        found = self._find(text, key)
        if found is not None:
            return text[: found.start("value")] + value + text[found.end("value") :]
        ends = "\r\n" if "\r\n" in text else "\n"
        line = f"{key}{' = ' if self._equals else ' '}{value}{ends}"
        _, end = self._span(text)
        before = text[:end]
        if not before.strip():
            return before + line + text[end:]
        kept = before.rstrip(" \t\r\n")  # blank lines before the next section stay where they are
        blanks = before[len(kept) :]
        first, newline, rest = blanks.partition("\n")
        return kept + (first + newline if newline else ends) + line + rest + text[end:]

    def _find(self, text: str, key: str) -> re.Match[str] | None:
        start, end = self._span(text)
        joined = r"[ \t]*=[ \t]*" if self._equals else r"[ \t]+"
        comment = r"(?:[ \t]+[#;][^\r\n]*)?" if self._equals else ""
        pattern = rf"^[ \t]*{re.escape(key)}{joined}(?P<value>[^\r\n]*?)[ \t]*{comment}\r?$"
        found = list(re.compile(pattern, re.M).finditer(text, start, end))
        if len(found) > 1:
            raise SettingsTextError(f"{key} is set {len(found)} times in the file; leave one of them")
        return found[0] if found else None

    def _span(self, text: str) -> tuple[int, int]:
        """Return where the section begins and ends."""
        if not self._section:
            return 0, len(text)
        heads = list(re.finditer(r"^[ \t]*\[([^\]\r\n]+)\][^\r\n]*\r?(?:\n|\Z)", text, re.M))
        for index, head in enumerate(heads):
            if head[1].strip() == self._section:
                return head.end(), heads[index + 1].start() if index + 1 < len(heads) else len(text)
        raise SettingsTextError(f"the file has no section [{self._section}]")
