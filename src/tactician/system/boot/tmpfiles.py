"""Files of tmpfiles.d, by which systemd-tmpfiles writes values below /sys at a boot."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tactician.errors import Problem

FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")
_PROGRAMS = ("/usr/bin/systemd-tmpfiles", "/bin/systemd-tmpfiles")
_WRITES = ("w", "f", "F")
_LINE = re.compile(
    r"""\s*(?P<kind>\S+)\s+(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]\S*))"""
    r"""(?:\s+\S+){4}\s+(?P<text>.*)$"""
)


class Write(NamedTuple):
    """One line that writes a text to a path.

    Attributes:
        file, line: where it stands.
        path: may be a pattern.
        text: what is written.
    """

    file: str
    line: int
    path: str
    text: str


def line(path: str, text: str) -> str:
    """Return the line that writes a text to a file which exists: every later column is left open."""
    place = path.replace("%", "%%")
    if any(sign in place for sign in " \t\"'\\"):
        place = '"' + place.replace("\\", "\\\\").replace('"', '\\"') + '"'
    argument = text.replace("%", "%%").replace("\\", "\\\\")
    return f"w {place} - - - - {argument}"


def available(root: str = "") -> bool:
    """Whether this host has the program that reads these files."""
    return any(os.path.exists(root + program) for program in _PROGRAMS)


def writes(root: str = "", added: Mapping[str, str] | None = None) -> Iterator[Write]:
    """Return the lines of all files that write something, in the order in which they are read."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        names = [name for name in _names(root + folder) if name.endswith(".conf")]
        names += [os.path.basename(path) for path in added or {} if os.path.dirname(path) == folder]
        for name in names:
            chosen.setdefault(name, f"{folder}/{name}")
    for name in sorted(chosen):
        path = chosen[name]
        text = (added or {}).get(path)
        for number, entry in enumerate((_read(root + path) if text is None else text).splitlines(), 1):
            found = _LINE.match(entry)
            if found and found["kind"].rstrip("+!-=~^") in _WRITES:
                place = found["plain"] or _unescaped(found["quoted"])
                yield Write(
                    path, number, place.replace("%%", "%"), _unescaped(found["text"]).replace("%%", "%")
                )


def overridden(texts: Mapping[str, str], root: str = "") -> list[Problem]:
    """Name each line of ours that another file contradicts; the order between files is not relied on."""
    known = list(writes(root, texts))
    ours = [write for write in known if write.file in texts]
    return [
        Problem(
            own.path,
            f"{other.file}:{other.line} writes {other.text!r} there at a boot, not {own.text!r}; "
            f"remove that line, or apply without --persist",
        )
        for own in ours
        for other in known
        if other.file not in texts and fnmatch.fnmatchcase(own.path, other.path) and other.text != own.text
    ]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
