"""The dead man's timer: a process of its own that takes an application back unless it is confirmed.

A guardian becomes one when its client sends the word. It needs nobody from then on: no client, no
terminal, no connection; only its death and a restart of the host stop it, and then whoever comes next
(``recover``, the next ``apply``, ``tune`` or ``confirm``) finds the journal overdue.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tactician.undo import applied, journal, processes

_LOOK_S = 1.0
_ATTEMPTS = 30


def detach(path: Path) -> int:
    """Go on as an orphan that waits for the deadline.

    Returns:
        0 to the process that was asked, once the orphan is at its post; 1 where it could not be made.
        To the orphan, the status of :func:`hold`.
    """
    ours, theirs = os.pipe()
    try:
        child = os.fork()
    except OSError:
        return 1
    if child:
        os.close(theirs)
        with open(ours, "rb") as pipe:
            return 0 if pipe.read(1) else 1
    os.setsid()
    _let_go(keep=theirs)
    # Under memory pressure, which a bad setting can cause, this is the last process to lose.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    own = processes.status(os.getpid())
    try:
        journal.append(path, {"kind": "held", "pid": os.getpid(), "start": own.start if own else 0})
        os.write(theirs, b"y")
    except OSError:
        return 1
    os.close(theirs)
    return hold(path)


def hold(path: Path) -> int:
    """Wait, and take back at the deadline; return 0 when the host is as the operator wants it, else 4."""
    while True:
        try:
            found = applied.look(path)
        except FileNotFoundError:
            return 0  # reverted by hand
        except OSError:
            time.sleep(_LOOK_S)
            continue
        if found.phase == "unconfirmed":
            time.sleep(min(_LOOK_S, found.remaining_s))
        elif found.phase == "expired":
            return _take_back(path)
        else:
            return 0


def _take_back(path: Path) -> int:
    """Undo, more than once: what stands in the way may pass. The journal stays for ``recover`` otherwise."""
    for _ in range(_ATTEMPTS):
        try:
            recovery = applied.take_back(path, applied.OVERDUE)
        except FileNotFoundError:
            return 0
        except OSError:
            recovery = None
        else:
            if recovery is None or not recovery.leftovers:
                return 0
        time.sleep(_LOOK_S)
    return 4


def _let_go(keep: int) -> None:
    """Close what was inherited, the host's lock too: who else is at work is told by the journal."""
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number != keep:
            with contextlib.suppress(OSError):
                os.close(number)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    if nowhere > 2:
        os.close(nowhere)
