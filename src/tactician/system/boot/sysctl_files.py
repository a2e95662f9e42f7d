"""Reads the sysctl.d files of a host in the order in which its boot does, keeping file and line.

Two programs read them. procps does for ``sysctl --system`` and on hosts without systemd; it ends with
/etc/sysctl.conf. systemd-sysctl does at a boot under systemd, and never looks at that file itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Reader = Literal["procps", "systemd"]

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
LAST = "/etc/sysctl.conf"
_LINKS = 40


class Assignment(NamedTuple):
    """One line of a file.

    Attributes:
        file, line: where it stands, the file as seen from the host.
        key: with slashes and without /proc/sys, may be a pattern.
        value: None for a ``-key`` line, which only takes keys out of patterns.
    """

    file: str
    line: int
    key: str
    value: str | None

    @property
    def where(self) -> str:
        """File and line, as compilers write them."""
        return f"{self.file}:{self.line}"

    @property
    def is_pattern(self) -> bool:
        """Whether the key is a glob."""
        return any(sign in self.key for sign in "*?[")


def assignments(reader: Reader, root: str = "", added: dict[str, str] | None = None) -> list[Assignment]:
    """Return every line that this program would take for an assignment or exclusion, in its order.

    Args:
        reader: which program.
        root: put before every path.
        added: files that are to be written, path to text; each hides what is there now.
    """
    found = []
    for path in files(reader, root, added):
        text = (added or {}).get(path)
        if text is None:
            text = _read(path, root)
        found += list(_lines(path, text, reader))
    return found


def files(reader: Reader, root: str = "", added: dict[str, str] | None = None) -> list[str]:
    """Return the files that this program reads, in order; of two with one name the first folder's counts."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        names = _names(folder, root, reader)
        names += [os.path.basename(path) for path in added or {} if os.path.dirname(path) == folder]
        for name in names:
            chosen.setdefault(name, f"{folder}/{name}")
    ordered = [chosen[name] for name in sorted(chosen, key=os.fsencode)]
    if reader == "procps" and _is_regular(LAST, root):
        ordered.append(LAST)
    return ordered


def normal(key: str) -> str:
    """Return a key with slashes: dots become slashes, and slashes dots, unless a slash comes first."""
    first = next((sign for sign in key if sign in "./"), "/")
    return key.translate(str.maketrans("./", "/.")) if first == "." else key


def _names(folder: str, root: str, reader: Reader) -> list[str]:
    try:
        listed = os.listdir(root + folder)
    except OSError:
        return []
    named = [name for name in listed if name.endswith(".conf")]
    if reader == "procps":
        return named
    # systemd takes plain files and links only, and none that begins with a dot.
    return [name for name in named if not name.startswith(".") and not _is_folder(f"{root}{folder}/{name}")]


def _lines(path: str, text: str, reader: Reader) -> Iterator[Assignment]:
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\n\v\f\r")
        if len(stripped) < (2 if reader == "procps" else 1) or stripped[0] in "#;":
            continue
        key, equals, value = stripped.partition("=")
        excludes = key.startswith("-")
        if not equals and not excludes:
            continue
        key = key.removeprefix("-").rstrip() if excludes else key.rstrip()
        if reader == "systemd":
            key = key.lstrip()
        yield Assignment(path, number, normal(key), value.strip() if equals else None)


def _read(path: str, root: str) -> str:
    """Return a file's text, links followed below the root; empty for what cannot be read, /dev/null too."""
    try:
        with open(_resolved(path, root), "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _resolved(path: str, root: str) -> str:
    if not root:
        return path
    for _ in range(_LINKS):
        try:
            target = os.readlink(root + path)
        except OSError:
            break
        path = os.path.normpath(f"{os.path.dirname(path)}/{target}" if target[:1] != "/" else target)
    return path if path == os.devnull else root + path


def _is_regular(path: str, root: str) -> bool:
    try:
        return stat.S_ISREG(Path(_resolved(path, root)).stat().st_mode)
    except OSError:
        return False


def _is_folder(path: str) -> bool:
    return Path(path).is_dir() and not Path(path).is_symlink()
