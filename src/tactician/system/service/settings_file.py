"""One settings file of a service, and an edited version of it on the way into its place."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass

from tactician.system.service.syntax import Syntax
from tactician.undo import whole_files


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file and how it is written.

    Attributes:
        path: perhaps a symbolic link.
        syntax: reads and changes one setting of it.
    """

    path: str
    syntax: Syntax

    @property
    def real(self) -> str:
        """Its path without links, by which it is journalled."""
        return os.path.realpath(self.path)

    @property
    def is_replaceable(self) -> bool:
        """Whether we have the right to put another in its place."""
        return os.access(os.path.dirname(self.real), os.W_OK)

    def text(self) -> str:
        """Return it whole. Raises OSError."""
        with open(self.path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()

    def value(self, key: str) -> str | None:
        """Return a setting, None where it has none. Raises OSError, SettingsTextError."""
        return self.syntax.read(self.text(), key)


class Edited:
    """An edited version of a file; forget it, whatever became of it.

    Args:
        file: as it is now.
        settings: that it is to have.

    Attributes:
        kept: the file as it is now, as a journal keeps it.
        content: what it is to be.
        copy: the path of that, once it was prepared.

    Raises:
        OSError: it cannot be read.
        SettingsTextError: it cannot be edited safely.
    """

    def __init__(self, file: SettingsFile, settings: Mapping[str, str]) -> None:
        self.kept = whole_files.record(file.path)
        text = base64.b64decode(self.kept["content"] or "").decode("utf-8", "surrogateescape")
        for name, value in settings.items():
            text = file.syntax.edit(text, name, value)
        self.content = text.encode("utf-8", "surrogateescape")
        self.copy = ""

    @property
    def path(self) -> str:
        """Of the file, without links."""
        return str(self.kept["path"])

    def prepare(self) -> None:
        """Write it beside the file. Raises OSError."""
        self.copy = whole_files.write_beside(self.kept, self.content)

    def take(self) -> None:
        """Put it in the file's place, in one step. Raises OSError."""
        whole_files.take(self.copy, self.kept)

    def forget(self) -> None:
        """Remove the copy where it was not taken."""
        if self.copy:
            whole_files.forget(self.copy)
