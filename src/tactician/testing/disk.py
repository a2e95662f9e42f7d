"""A disk that is full, read-only, or loses half of what it was given, under the journal alone."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from typing import Any, Literal

from tactician.undo import journal

Trouble = Literal["full", "read-only", "short", "no sync", "torn", "torn at once", "duplicate", "dead after"]
"""What goes wrong at a write: nothing is taken; half of it; all, but it cannot be made durable; half of it
and the process dies; nothing and it dies; the line twice and it dies; the line and it dies."""

_DEADLY = ("torn", "torn at once", "duplicate", "dead after")


class _Disk:
    """Stands for the module ``os`` in the journal."""

    def __init__(self, trouble: Trouble, at: int) -> None:
        self._trouble = trouble
        self._at = at
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, *mode: int) -> int:
        if self._trouble == "read-only" and flags & os.O_CREAT and self._at <= self.writes + 1:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return os.open(path, flags, *mode)

    def write(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        if self.writes < self._at or (self._trouble in _DEADLY and self.writes > self._at):
            return os.write(descriptor, data)
        if self._trouble in ("full", "read-only"):
            number = errno.ENOSPC if self._trouble == "full" else errno.EROFS
            raise OSError(number, os.strerror(number))
        if self._trouble in ("short", "torn"):
            data = data[: len(data) // 2]
        if self._trouble == "torn at once":
            data = b""
        written = os.write(descriptor, data * 2 if self._trouble == "duplicate" else data)
        if self._trouble in _DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    def fsync(self, descriptor: int) -> None:
        if self._trouble == "no sync" and self.writes >= self._at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(descriptor)


@contextlib.contextmanager
def troubled(trouble: Trouble, at: int) -> Iterator[None]:
    """Let the journals of this process meet trouble from their n-th write on; deadly ones at that write.

    Args:
        trouble: what goes wrong.
        at: number of the write, from 1.
    """
    module: Any = journal
    module.os = _Disk(trouble, at)
    try:
        yield
    finally:
        module.os = os
