"""Reloads a service with a master and workers, and waits until new workers are there.

    python -I -S reloading.py PID_FILE|PID NAME SECONDS [PROGRAM ARGUMENT...]

Without the wait a benchmark would begin while the old settings still answer. The master is looked up when
this runs: somebody may have restarted it since. Where none of that name runs, the program is started.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

_PAUSE_S = 0.02
_LINGER_S = 2.0


def reload(master: int, seconds: float) -> bool:
    """Send SIGHUP and return whether a new child came; old ones get a moment to finish.

    Raises:
        OSError: there is no such process, or it is not ours to signal.
    """
    old = children(master)
    os.kill(master, signal.SIGHUP)
    deadline = time.monotonic() + seconds
    while not children(master) - old:
        if time.monotonic() > deadline or not os.path.exists(f"/proc/{master}"):
            return False
        time.sleep(_PAUSE_S)
    linger = time.monotonic() + min(_LINGER_S, seconds)
    while children(master) & old and time.monotonic() < linger:
        time.sleep(_PAUSE_S)
    return True


def children(master: int) -> set[int]:
    """Return the living processes that a process started."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == master and fields[0] not in (b"Z", b"X"):
                found.add(int(name))
    return found


def master_of(where: str, name: str) -> int | None:
    """Return the pid that a file holds, or that is given; None where no process of that name has it."""
    try:
        pid = int(where if where.isdigit() else Path(where).read_text(encoding="ascii"))
        began, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")
    except (OSError, ValueError):
        return None
    return pid if began.partition("(")[2] == name and rest.split()[0] not in "ZX" else None


def main(argv: list[str]) -> int:
    """Reload the master that is named, or start it; 1 where that does not work."""
    where, name, seconds, *program = argv
    master = master_of(where, name)
    if master is None and program:
        os.execvp(program[0], program)
    if master is None:
        sys.stderr.write(f"{name} does not run: {where}\n")
        return 1
    try:
        done = reload(master, float(seconds))
    except OSError as error:
        sys.stderr.write(f"process {master}: {error.strerror}\n")
        return 1
    if not done:
        sys.stderr.write(f"process {master} has started no new workers within {seconds} s\n")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
