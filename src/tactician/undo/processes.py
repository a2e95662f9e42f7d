"""Finds and ends the processes of a benchmark, and no others: by group, start time and marker."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple

MARKER = "TACTICIAN_BENCHMARK"
"""Environment variable that every benchmark process inherits, also one that left its group."""


class Status(NamedTuple):
    """One process as /proc shows it.

    Attributes:
        state: the kernel's letter; Z is a zombie.
        group, session: process group and session.
        start: clock ticks after boot at which it began; tells a reused pid from the old one.
    """

    state: str
    group: int
    session: int
    start: int


def status(pid: int) -> Status | None:
    """Return what /proc says of a process, None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name may hold blanks and parentheses; everything after the last ")" is plain.
    fields = text[text.rindex(b")") + 2 :].split()
    return Status(fields[0].decode(), int(fields[2]), int(fields[3]), int(fields[19]))


def namespace() -> str:
    """Name the namespace in which our pids mean something, such as ``pid:[4026531836]``; empty if unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def is_alive(pid: int, start: int) -> bool:
    """Whether the process that began at ``start`` still runs; a zombie does not."""
    found = status(pid)
    return found is not None and found.start == start and found.state not in "ZX"


def end(pid: int, start: int, marker: str, *, patience_s: float = 0.0) -> int:
    """End a benchmark: its group, its session, and whatever carries its marker.

    Args:
        pid: leader of the group.
        start: its start time, so that a reused pid is left alone.
        marker: value of the marker variable; empty to go by the group alone.
        patience_s: how long they may take to end by SIGTERM before SIGKILL.

    Returns:
        How many processes were found and killed.
    """
    members = _members(pid, start, marker)
    if not members:
        return 0
    if patience_s > 0:
        _signal(members, signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and _members(pid, start, marker):
            time.sleep(0.02)
    ended = len(members)
    # Again and again, since a process may fork between our look and our signal.
    for _ in range(50):
        members = _members(pid, start, marker)
        if not members:
            break
        _signal(members, signal.SIGKILL)
        time.sleep(0.01)
    return ended


def _members(pid: int, start: int, marker: str) -> list[int]:
    leader = status(pid)
    ours = leader is None or leader.start == start
    token = f"{MARKER}={marker}".encode()
    own = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == own:
            continue
        candidate = status(int(name))
        if candidate is None or candidate.state in "ZX":
            continue
        if candidate.start < start:
            continue  # older than the benchmark, so none of its descendants
        in_group = ours and pid in (candidate.group, candidate.session)
        if in_group or (marker and _carries(int(name), token)):
            found.append(int(name))
    return found


def _carries(pid: int, token: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return token in file.read().split(b"\0")
    except OSError:  # not ours to read, so not ours to end
        return False


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
