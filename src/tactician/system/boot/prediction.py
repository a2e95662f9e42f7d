"""Says which line of which file decides a kernel parameter at the next boot.

The two programs that read the files differ in more than their order, and a host may run either:

* procps writes line by line, so the last line counts; systemd gathers first, and a ``-key`` line
  forgets an assignment that came before it;
* for systemd a ``-pattern`` line forgets the very same pattern only; procps 4.0.2 gives it no effect,
  later ones let it exclude every key that it matches. It is taken to have none, so that a key is called
  owned rather than free.

For both, a line that names a key outright wins over any pattern, wherever it stands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tactician.system.boot.sysctl_files import Assignment, Reader, assignments, normal

READERS: tuple[Reader, ...] = ("systemd", "procps")


class Boot(NamedTuple):
    """What the next boot does to one key.

    Attributes:
        key: the sysctl, with slashes.
        decided_by: the line that sets it; None where no file does.
    """

    key: str
    decided_by: Assignment | None

    @property
    def value(self) -> str | None:
        """What is written; None leaves the kernel's own value."""
        return None if self.decided_by is None else self.decided_by.value


def boot_reader(root: str = "") -> Reader:
    """Return which program sets kernel parameters when this host boots."""
    places = ("/usr/lib/systemd/systemd-sysctl", "/lib/systemd/systemd-sysctl")
    return "systemd" if any(os.path.exists(root + place) for place in places) else "procps"


def at_boot(
    keys: Sequence[str], reader: Reader, root: str = "", added: dict[str, str] | None = None
) -> dict[str, Boot]:
    """Return what a boot would do to each key, by the key as it was given.

    Args:
        keys: sysctl names, dotted or with slashes.
        reader: which program reads the files.
        root: put before every path.
        added: files that are to be written, path to text.
    """
    lines = assignments(reader, root, added)
    decide = _by_systemd if reader == "systemd" else _by_procps
    return {key: Boot(normal(key), decide(normal(key), lines)) for key in keys}


def mentions(key: str, root: str = "") -> list[Assignment]:
    """Return every line, of either program's files, that would write to this key."""
    wanted = normal(key)
    found: dict[Assignment, None] = {}
    for reader in READERS:
        for line in assignments(reader, root):
            if line.value is not None and (line.key == wanted or _globs(line, wanted)):
                found.setdefault(line)
    return list(found)


def _by_procps(key: str, lines: Sequence[Assignment]) -> Assignment | None:
    named = [line for line in lines if line.key == key]
    written = [line for line in named if line.value]  # the kernel takes no value from an empty text
    if written:
        return written[-1]
    if named:
        return None  # a line without a value, or one that excludes the key
    matching = [line for line in lines if line.value and _globs(line, key)]
    return matching[-1] if matching else None


def _by_systemd(key: str, lines: Sequence[Assignment]) -> Assignment | None:
    latest: dict[str, Assignment] = {}
    for line in lines:
        before = latest.get(line.key)
        if before is not None and before.value == line.value:
            continue  # keeps its place in the order, and its file
        latest.pop(line.key, None)
        latest[line.key] = line
    if key in latest:
        return latest[key] if latest[key].value else None
    matching = [line for line in latest.values() if line.value and _globs(line, key)]
    return matching[-1] if matching else None


def _globs(line: Assignment, key: str) -> bool:
    """Whether a pattern matches a key as glob(3) does: a star stays between two slashes."""
    if not line.is_pattern:
        return False
    patterns, names = _glob(line.key).split("/"), key.split("/")
    if len(patterns) != len(names):
        return False
    return all(fnmatchcase(name, pattern) for pattern, name in zip(patterns, names, strict=True))


def _glob(pattern: str) -> str:
    return pattern.replace("[^", "[!")
