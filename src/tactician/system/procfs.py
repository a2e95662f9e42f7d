"""CPU, I/O wait, memory and pressure from /proc, as differences over one run and never since boot."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_MICROSECONDS = 1e6


class Snapshot(NamedTuple):
    """Counters at one moment.

    Attributes:
        seconds: monotonic clock.
        cpu: jiffies by kind, over all CPUs.
        stalled: microseconds in which some task waited, by resource.
        switches: context switches since boot.
        disk_ms: milliseconds in which the busiest disk had work.
    """

    seconds: float
    cpu: Mapping[str, int]
    stalled: Mapping[str, int]
    switches: int
    disk_ms: Mapping[str, int]


class ProcMonitor:
    """Measures the system between :meth:`start` and :meth:`stop`.

    Args:
        root: where /proc is.
    """

    def __init__(self, root: str = "/proc") -> None:
        self._root = Path(root)
        self._begun: Snapshot | None = None

    def start(self) -> None:
        """Begin the interval."""
        self._begun = self._snapshot()

    def stop(self) -> dict[str, float]:
        """End the interval; see :func:`differences`. Empty if it never began."""
        found = self.so_far()
        self._begun = None
        return found

    def so_far(self) -> dict[str, float]:
        """Return the same as :meth:`stop` and let the interval go on."""
        if self._begun is None:
            return {}
        return {**differences(self._begun, self._snapshot()), **self._levels()}

    def _snapshot(self) -> Snapshot:
        stat = _text(self._root / "stat")
        stalled = {}
        for resource in ("cpu", "io", "memory"):
            pressure = _text(self._root / "pressure" / resource)
            if pressure:
                stalled[resource] = parse_pressure(pressure)
        disks = parse_diskstats(_text(self._root / "diskstats"))
        return Snapshot(time.monotonic(), parse_cpu(stat), stalled, parse_switches(stat), disks)

    def _levels(self) -> dict[str, float]:
        """Return what is a level rather than a rate."""
        levels = parse_meminfo(_text(self._root / "meminfo"))
        load = _text(self._root / "loadavg").split()
        if load:
            levels["load_average"] = float(load[0]) / (os.cpu_count() or 1)
        return levels


def differences(begun: Snapshot, ended: Snapshot) -> dict[str, float]:
    """Return the shares in [0, 1] between two snapshots, and context switches per second."""
    cpu = {name: ended.cpu.get(name, 0) - begun.cpu.get(name, 0) for name in _CPU_FIELDS}
    total = sum(cpu.values())
    elapsed = ended.seconds - begun.seconds
    found: dict[str, float] = {}
    if total > 0:
        idle = cpu["idle"] + cpu["iowait"]
        found["cpu_utilization"] = _share(1.0 - idle / total)
        found["io_wait"] = _share(cpu["iowait"] / total)
        found["cpu_steal"] = _share(cpu["steal"] / total)
    if elapsed > 0:
        for resource, before in begun.stalled.items():
            stalled = (ended.stalled.get(resource, before) - before) / _MICROSECONDS
            found[f"{resource}_pressure"] = _share(stalled / elapsed)
        found["context_switches"] = max(0.0, (ended.switches - begun.switches) / elapsed)
        busy = [ended.disk_ms.get(disk, before) - before for disk, before in begun.disk_ms.items()]
        if busy:
            found["disk_utilization"] = _share(max(busy) / 1000.0 / elapsed)
    return found


def parse_cpu(stat: str) -> dict[str, int]:
    """Read the ``cpu`` line of /proc/stat; guest time is part of user time and not counted twice."""
    for line in stat.splitlines():
        if line.startswith("cpu "):
            return dict(zip(_CPU_FIELDS, map(int, line.split()[1:]), strict=False))
    return {}


def parse_switches(stat: str) -> int:
    """Read the context switches since boot from /proc/stat."""
    for line in stat.splitlines():
        if line.startswith("ctxt "):
            return int(line.split()[1])
    return 0


def parse_pressure(text: str) -> int:
    """Read the microseconds of ``some`` stall from a file below /proc/pressure."""
    for line in text.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2])
    return 0


def parse_meminfo(text: str) -> dict[str, float]:
    """Return the shares of memory and swap in use, by /proc/meminfo."""
    kib = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if rest.split():
            kib[name] = int(rest.split()[0])
    found = {}
    if kib.get("MemTotal"):
        free = kib.get("MemAvailable", kib.get("MemFree", 0))
        found["memory_usage"] = _share(1.0 - free / kib["MemTotal"])
    if kib.get("SwapTotal"):
        found["swap_usage"] = _share(1.0 - kib.get("SwapFree", 0) / kib["SwapTotal"])
    return found


def parse_diskstats(text: str) -> dict[str, int]:
    """Return the busy milliseconds of each disk, by /proc/diskstats; loop and ram devices left out."""
    busy = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 13 and not fields[2].startswith(("loop", "ram", "zram")):
            busy[fields[2]] = int(fields[12])
    return busy


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # a kernel without pressure figures; the metric is then left out
        return ""
