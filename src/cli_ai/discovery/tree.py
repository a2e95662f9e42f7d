"""Reads the host's files below an injectable root; what they hold is data, cleaned and cut when told."""

from __future__ import annotations

import os
import stat
from pathlib import Path

SHORT = 200
"""Signs kept of a name or a value."""

_LONGEST = 4 << 20


class Tree:
    """The files of a host.

    Args:
        root: put before every path; ``""`` is this machine.
    """

    def __init__(self, root: str = "") -> None:
        self.root = root.rstrip("/")

    @property
    def real(self) -> bool:
        """Whether this is the running machine rather than a record of one."""
        return not self.root

    def read(self, path: str, most: int = 1 << 16) -> str:
        """Return up to ``most`` bytes of a file as text, empty where it cannot be read or is no file."""
        try:
            descriptor = os.open(self.root + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError):
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return _all(descriptor, min(most, _LONGEST)).decode("utf-8", "surrogateescape")
        except OSError:
            return ""
        finally:
            os.close(descriptor)

    def number(self, path: str) -> int | None:
        """Return the whole number that a file holds, None where it holds none."""
        return whole(self.read(path, 64))

    def link(self, path: str) -> str:
        """Return where a symbolic link points, empty where it cannot be read."""
        try:
            return os.readlink(self.root + path)
        except (OSError, ValueError):
            return ""

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, empty where it cannot be read."""
        try:
            return sorted(os.listdir(self.root + path))
        except (OSError, ValueError):
            return []

    def readable_folder(self, path: str) -> bool:
        """Whether the names in a folder may be read."""
        try:
            os.scandir(self.root + path).close()
        except (OSError, ValueError):
            return False
        return True

    def exists(self, path: str) -> bool:
        """Whether there is something at a path, as far as we may see."""
        return os.path.exists(self.root + path)

    def find(self, folder: str, pattern: str) -> list[str]:
        """Return the paths below a folder that match a pattern, without the root."""
        base = Path(self.root + folder)
        try:
            return sorted(str(path)[len(self.root) :] for path in base.glob(pattern))
        except OSError:
            return []


def clean(text: str, most: int = SHORT) -> str:
    """Return text that can be shown: one line, no control or formatting signs, at most ``most`` long."""
    plain = "".join(sign if sign.isprintable() else " " * sign.isspace() for sign in text[: 8 * most])
    kept = " ".join(plain.split())
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def shown_path(path: str) -> str:
    """Return a path as it is, or nothing where it cannot be shown so and thus not be used either."""
    return path if path == clean(path, 1024) else ""


def whole(text: str) -> int | None:
    """Return the whole number that a text is, None where it is none."""
    digits = text.strip()
    sign, bare = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    return sign * int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 25 else None


def _all(descriptor: int, most: int) -> bytes:
    data = b""
    while len(data) < most and (chunk := os.read(descriptor, most - len(data))):
        data += chunk
    return data
