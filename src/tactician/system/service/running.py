"""Looks at a running process as an operator would: what keeps it, where it logs, with what it was started."""

from __future__ import annotations

import os
import re
from pathlib import Path

_UNIT = re.compile(r"/system\.slice/(?:.*/)?([^/\n]+\.service)(?:/|$)", re.M)
_KEPT = re.compile(
    r"LANG|LANGUAGE|LC_\w+|TZ|PATH|HOME|USER|LOGNAME|SHELL|LD_\w+|MALLOC_\w+|PG(?!PASSWORD|_GRANDPARENT)\w+"
)
_LONGEST = 1 << 16


def unit_of(pid: int, root: str = "") -> str | None:
    """Return the systemd unit that runs a process, None where systemd does not run this host."""
    if not Path(f"{root}/run/systemd/system").is_dir():
        return None
    try:
        groups = Path(f"{root}/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return None
    found = _UNIT.search(groups)
    return found[1] if found else None


def environment_of(pid: int) -> dict[str, str]:
    """Return what a process was started with, as far as it matters to a server; no passwords."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.decode("utf-8", "surrogateescape").partition("=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in pairs if _KEPT.fullmatch(name)}


def output_of(pid: int) -> str | None:
    """Return the file that a process writes its standard error to; None for a terminal, pipe or socket."""
    try:
        path = os.readlink(f"/proc/{pid}/fd/2")
    except OSError:
        return None
    return path if path.startswith("/") and not path.startswith(("/dev/pts/", "/dev/tty")) else None


def is_detached(pid: int) -> bool:
    """Whether a process leads a session that nobody waits for: its parent adopts what others left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return int(fields[3]) == pid and _adopts(int(fields[1]))
    except (OSError, ValueError):
        return False


def _adopts(pid: int) -> bool:
    if pid == 1:
        return True
    name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return name in ("systemd", "init", "tini", "dumb-init")


class LogTail:
    """What a log file gains from now on.

    Args:
        path: of the file; None remembers nothing.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._begin = self._size()

    def text(self) -> str:
        """Return it, or its last 64 KiB."""
        if self._path is None:
            return ""
        try:
            with open(self._path, "rb") as file:
                file.seek(max(self._begin, self._size() - _LONGEST))
                return file.read(_LONGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def _size(self) -> int:
        try:
            return 0 if self._path is None else Path(self._path).stat().st_size
        except OSError:
            return 0
