"""Reads how the host is doing from a few files of /proc and of our cgroup, in well under a millisecond."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

_OOM_LINES = ("oom_kill", "oom_group_kill")


class Reading(NamedTuple):
    """The host at one moment; None for what this kernel does not say.

    Attributes:
        seconds: monotonic clock.
        memory_stalled_s: so long, since boot, no task could go on for want of memory.
        io_stalled_s: the same for want of I/O.
        available_memory: share of the memory that programs can still get.
        oom_kills: since boot, by the kernel as a whole or in our cgroup, whichever says more.
    """

    seconds: float
    memory_stalled_s: float | None
    io_stalled_s: float | None
    available_memory: float | None
    oom_kills: int | None


class HostReader:
    """Takes readings.

    Args:
        root: put before every path; for tests.
    """

    def __init__(self, root: str = "") -> None:
        self._proc = Path(f"{root}/proc")
        self._cgroup = _own_cgroup(root)

    def read(self) -> Reading:
        """Return the host as it is now."""
        return Reading(
            time.monotonic(),
            parse_full_stall(_text(self._proc / "pressure" / "memory")),
            parse_full_stall(_text(self._proc / "pressure" / "io")),
            parse_available(_text(self._proc / "meminfo")),
            self._oom_kills(),
        )

    def _oom_kills(self) -> int | None:
        texts = [_text(self._proc / "vmstat")]
        if self._cgroup is not None:
            texts += [_text(self._cgroup / "memory.events"), _text(self._cgroup / "memory.oom_control")]
        known = [found for text in texts if (found := parse_oom_kills(text)) is not None]
        return max(known, default=None)


def parse_full_stall(text: str) -> float | None:
    """Read the seconds of ``full`` stall from a file below /proc/pressure; None where there are none."""
    for line in text.splitlines():
        if line.startswith("full "):
            total = line.rpartition("total=")[2]
            return int(total) / 1e6 if total.isdigit() else None
    return None


def parse_available(meminfo: str) -> float | None:
    """Read the share of memory that is available from /proc/meminfo."""
    kib: dict[str, int] = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if name in ("MemTotal", "MemAvailable") and words and words[0].isdigit():
            kib[name] = int(words[0])
    if not kib.get("MemTotal") or "MemAvailable" not in kib:
        return None
    return kib["MemAvailable"] / kib["MemTotal"]


def parse_oom_kills(text: str) -> int | None:
    """Read the count of OOM kills from /proc/vmstat, memory.events or memory.oom_control."""
    found = None
    for line in text.splitlines():
        name, _, count = line.partition(" ")
        if name in _OOM_LINES and count.strip().isdigit():
            found = max(found or 0, int(count))
    return found


def _own_cgroup(root: str) -> Path | None:
    """The folder of our own memory cgroup, of either version, where it is mounted in the usual place."""
    for line in _text(Path(f"{root}/proc/self/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            folder = Path(f"{root}/sys/fs/cgroup{path}")
        elif "memory" in controllers.split(","):
            folder = Path(f"{root}/sys/fs/cgroup/memory{path}")
        else:
            continue
        if (folder / "memory.events").exists() or (folder / "memory.oom_control").exists():
            return folder
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # a kernel without it; that guardrail is then not there
        return ""
