"""What the root helper keeps beside a session: the host's lock, a guardian process, a look at neighbours."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from tactician.undo import files, guardian

LOCK_NAME = "\0tactician/host-lock"
"""The name under which every tuner locks a network namespace."""

_START_SECONDS = 10.0


def take_lock(netns: str) -> socket.socket | None:
    """Lock a namespace, ours for ``""``; None where somebody has it.

    Raises:
        OSError: the namespace cannot be entered.
    """
    with files.entered(netns):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(LOCK_NAME)
        lock.listen(128)
    except OSError as error:
        lock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return lock


class Watcher:
    """Keeps one guardian alive that restores from a journal should we die.

    Args:
        journal: the file.
        locks: descriptors that it inherits, so that nobody starts while it restores.
    """

    def __init__(self, journal: Path, locks: list[int]) -> None:
        self._journal = journal
        self._locks = locks
        self._pid = 0
        self._stdin = -1

    @property
    def pid(self) -> int:
        """Of the guardian, 0 where there is none."""
        return self._pid

    def ensure(self) -> None:
        """Return when a guardian watches us. Raises OSError where none can be had."""
        if self._pid and os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            return
        self._forget()
        their_input, self._stdin = os.pipe()
        answer, their_output = os.pipe()
        script = str(Path(guardian.__file__))
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, their_input, 0),
            (os.POSIX_SPAWN_DUP2, their_output, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        for descriptor in self._locks:
            os.set_inheritable(descriptor, True)
        try:
            argv = [sys.executable, "-I", "-S", script, str(self._journal)]
            self._pid = os.posix_spawn(
                sys.executable, argv, {"PATH": os.defpath}, file_actions=actions, setsid=True
            )
            # It must not watch over its own pipe: only our end may keep it waiting.
            os.close(their_input)
            os.close(their_output)
            if not _says_ready(answer):
                raise OSError(errno.ETIMEDOUT, "the guardian did not answer")
        except OSError:
            self._forget(kill=True)
            raise
        finally:
            for descriptor in self._locks:
                os.set_inheritable(descriptor, False)
            os.close(answer)

    def dismiss(self) -> None:
        """Send the guardian home: everything is as it was."""
        if self._stdin >= 0:
            with contextlib.suppress(OSError):
                os.write(self._stdin, guardian.DISMISSED)
        self._forget()

    def arm(self) -> None:
        """Let the guardian hold the deadline in the journal, as a process that outlives us.

        Raises:
            OSError: it does not.
        """
        if self._stdin < 0:
            raise OSError(errno.ESRCH, "no guardian is there to hold the timer")
        os.write(self._stdin, guardian.ARMED)
        status = _reap(self._pid)
        self._pid = 0
        self._forget()
        if status != 0:
            raise OSError(errno.ETIMEDOUT, "the guardian does not hold the timer")

    def _forget(self, *, kill: bool = False) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1
        if self._pid:
            if kill:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                _reap(self._pid)
            self._pid = 0


def _reap(pid: int) -> int:
    """Wait for the end of a process, and bring it about if it takes too long; return its status."""
    deadline = time.monotonic() + _START_SECONDS
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return ended[1]


def _says_ready(descriptor: int) -> bool:
    if not select.select([descriptor], [], [], _START_SECONDS)[0]:
        return False
    return os.read(descriptor, len(guardian.READY)) == guardian.READY


def neighbours(path: str, netns: str) -> dict[tuple[str, str], str]:
    """Read what a write to ``path`` may move on the side: the small readable files in its folder."""
    shown: dict[tuple[str, str], str] = {}
    with contextlib.suppress(OSError), files.entered(netns):
        for entry in os.scandir(os.path.dirname(path)):
            text = files.peek(entry.path) if entry.is_file(follow_symlinks=False) else None
            if text is not None:
                shown[entry.path, netns] = text
    return shown
