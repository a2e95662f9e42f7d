"""Keeps what a host says about itself from being read as an instruction: cleaned, capped, fenced, as data."""

from __future__ import annotations

import json
import re
import unicodedata

LONGEST = 200
"""Characters that are kept of one piece of foreign text."""

_SPACES = re.compile(r"\s+")


def clean(text: str, limit: int = LONGEST) -> str:
    """One line of printable text: no control, format, private or unassigned characters, and a cap.

    Format characters are those that hide or reorder what a person would read.
    """
    # A banner may be megabytes; what lies far beyond the cap is not even looked at.
    shown = (" " if char.isspace() else char for char in text[: 8 * limit])
    kept = "".join(char for char in shown if not unicodedata.category(char).startswith("C"))
    line = _SPACES.sub(" ", kept).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def fenced(name: str, value: object) -> str:
    """JSON between two marks that nothing inside can close: every ``<`` in it is written as an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"<data name={json.dumps(name)}>\n{text}\n</data>"
