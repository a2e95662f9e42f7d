"""The second process: sees the tuner die, ends its benchmark, and puts the host back.

Started before the first write as ``python -I -S guardian.py JOURNAL`` with a pipe on standard input
whose other end only the tuner holds. End of file without the word of dismissal means that the tuner
is dead, however it died. Also run by hand: with the input closed it is ``recover`` for one journal.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

if __package__ in (None, ""):  # run by path, with no site-packages: find our own package
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tactician.undo import applied, timer

DISMISSED = b"q"
ARMED = b"t"
"""What was written is to stay until the deadline in the journal, or until it is confirmed."""
READY = b"ready\n"
_ATTEMPTS = 100
_PAUSE_S = 0.02


def main(argv: list[str]) -> int:
    """Wait for the tuner's end; return 0 when the host is as it was, 4 when it is not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        # A handler and not SIG_IGN, which a service that is restarted from here would inherit.
        signal.signal(number, _go_on)
    path = Path(argv[1])
    try:
        os.write(1, READY)
        os.close(1)
    except OSError:
        pass  # the tuner died while it waited for us; standard input will say so
    word = _wait()
    if word == DISMISSED:
        return 0
    if word == ARMED:
        return timer.detach(path)
    return _restore(path)


def _go_on(number: int, frame: object) -> None:
    """Let no signal end us before the host is as it was."""


def _wait() -> bytes:
    while True:
        try:
            return os.read(0, 1)
        except InterruptedError:
            continue


def _restore(path: Path) -> int:
    """Recover, waiting the moment that a dying tuner takes to leave the process table."""
    for _ in range(_ATTEMPTS):
        try:
            recovery = applied.take_back(path)
        except FileNotFoundError:
            return 0  # closed and moved away between its last word and its end
        if recovery is not None:
            return 4 if recovery.leftovers else 0
        time.sleep(_PAUSE_S)
    return 4


if __name__ == "__main__":
    sys.exit(main(sys.argv))
