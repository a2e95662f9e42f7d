"""The real host behind the ``Host`` port, below an injectable root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tactician import catalogue
from tactician.ports import Place, Undo
from tactician.undo import files


class RealHost:
    """Reads and writes the kernel's files.

    Args:
        root: put before every path; ``""`` is the machine itself, a folder serves tests.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root.rstrip("/")

    def read(self, place: Place) -> str:
        """Return the text of a place. Raises OSError with the kernel's errno."""
        return files.read_text(self._root + place.path, place.netns)

    def write(self, place: Place, text: str) -> None:
        """Write to a place in one call. Raises OSError with the kernel's errno."""
        files.write_text(self._root + place.path, text, place.netns)

    def probe_write(self, place: Place) -> None:
        """Open a place for writing and write nothing. Raises OSError where that is not allowed."""
        with files.entered(place.netns):
            os.close(os.open(self._root + place.path, os.O_WRONLY | os.O_CLOEXEC))

    def neighbours(self, place: Place) -> list[str]:
        """Return the names in the same folder, to suggest one for a name that does not exist."""
        try:
            with files.entered(place.netns):
                return sorted(os.listdir(Path(self._root + place.path).parent))
        except OSError:
            return []

    def undo(self, place: Place, text: str) -> Undo | None:
        """Leave it to the transaction: a file of the kernel is restored by writing what it showed."""

    def family(self, place: Place) -> Mapping[Place, str]:
        """Read the readable, stable files in the same folder."""
        shown: dict[Place, str] = {}
        with files.entered(place.netns):
            folder = Path(self._root + place.path).parent
            try:
                entries = sorted(
                    entry.path for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)
                )
            except OSError:
                return shown
            for path in entries:
                named = path.removeprefix(self._root)
                if not catalogue.is_unstable(named) and (text := files.peek(path)) is not None:
                    shown[Place(named, place.netns)] = text
        return shown


def real_path(path: str, root: str = "") -> str:
    """Follow the symbolic links of a path of the host; a path that does not exist is only made plain.

    Args:
        path: absolute.
        root: put before it; the answer is without it.
    """
    base = os.path.realpath(root) if root else ""
    found = os.path.realpath(base + path)
    return found.removeprefix(base) if found.startswith(base + "/") else found
