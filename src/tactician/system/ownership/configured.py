"""Finds the files that set a tuned key at every boot, with the line."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from tactician.system.boot import tmpfiles
from tactician.system.boot.prediction import mentions
from tactician.system.ownership.owner import Owner


def owners(keys: Sequence[str], root: str = "") -> list[Owner]:
    """Return one owner per file that sets one of these keys."""
    lines: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        for file, where in _lines(key, root):
            lines.setdefault(file, []).append((key, where))
    return [_owner(file, found) for file, found in lines.items()]


def _lines(key: str, root: str) -> list[tuple[str, str]]:
    if key.startswith("/"):
        return [
            (write.file, f"line {write.line} ({write.text})")
            for write in tmpfiles.writes(root)
            if fnmatchcase(key, write.path)
        ]
    return [(line.file, f"line {line.line} ({line.value})") for line in mentions(key, root)]


def _owner(file: str, found: Sequence[tuple[str, str]]) -> Owner:
    keys = tuple(dict.fromkeys(key for key, _ in found))
    said = ", ".join(dict.fromkeys(where for _, where in found))
    means = "it is read at a boot and left as it is; apply --persist says whether it would win"
    return Owner(file, f"{file}, {said}, sets", keys, means)
