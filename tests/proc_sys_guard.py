"""Refuses to open the host's /proc/sys for writing, by an audit hook that no code can remove."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_active = False
_installed = False


def host_namespace() -> str:
    """The network namespace that is to be protected."""
    return os.readlink("/proc/self/ns/net")


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Refuse while the block runs."""
    global _active
    install(host_namespace())
    _active = True
    try:
        yield
    finally:
        _active = False


def install(host: str, *, always: bool = False) -> None:
    """Install the hook, once per process."""
    global _installed, _active
    _active = _active or always
    if _installed:
        return
    _installed = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not _active:
            return
        path, flags = str(arguments[0]), arguments[2]
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if writes and path.startswith("/proc/sys/") and os.readlink("/proc/thread-self/ns/net") == host:
            raise PermissionError(1, f"a test without the mark 'host' would write {path}")

    sys.addaudithook(hook)
