"""A network namespace for one run, because what a run leaves in the kernel slows the next one down.

A closed connection stays in TIME_WAIT for a minute. The leftovers of earlier runs cost the kernel time at
each new connection, and once ``net.ipv4.tcp_max_tw_buckets`` is reached new ones skip TIME_WAIT altogether,
so that a narrow port range looks as good as a wide one. They vanish with their namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Mapping
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_KEYS = Path("/proc/sys/net/ipv4")


def leave_for_an_own_namespace() -> bool:
    """Move this process into a new network namespace with the same ``net.ipv4`` settings.

    Returns:
        Whether that was allowed; if not, everything is as before.

    Raises:
        RuntimeError: the new namespace does not take a setting, so a run there would measure something else.
    """
    wanted = _settings()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        return False
    for name, value in _settings().items():
        if name in wanted and wanted[name] != value:
            _set(name, wanted[name])
    return True


def _settings() -> Mapping[str, str]:
    """Return the writable settings; /proc/sys/net shows the namespace of the process that reads."""
    settings = {}
    for path in sorted(_KEYS.iterdir()):
        if path.is_file() and path.stat().st_mode & 0o200:
            # Some are write-only, and a value that is not text cannot be a tuned one.
            with contextlib.suppress(OSError, UnicodeDecodeError):
                settings[path.name] = path.read_text(encoding="ascii")
    return settings


def _set(name: str, value: str) -> None:
    try:
        (_KEYS / name).write_text(value, encoding="ascii")
        shown = (_KEYS / name).read_text(encoding="ascii")
    except OSError as error:
        raise RuntimeError(
            f"net.ipv4.{name} cannot be set in a namespace of its own: {error.strerror}"
        ) from error
    if shown != value:
        raise RuntimeError(
            f"net.ipv4.{name} shows {shown.strip()!r} in a namespace of its own, not {value.strip()!r}"
        )
