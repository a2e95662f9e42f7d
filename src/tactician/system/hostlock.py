"""One tuner per host and network namespace, with proof of who holds the lock.

The lock is an abstract Unix socket: the kernel keeps its names apart per network namespace, drops
the lock with its last holder however that dies, and tells the holder's pid to whoever connects. The
guardian inherits it, so a host that is still being restored is not free.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from pathlib import Path

from tactician.errors import LockHeldError
from tactician.undo import files, processes

_NAME = "\0tactician/host-lock"
_PATIENCE_S = 3.0


class HostLock:
    """Holds one network namespace, ours or a named one.

    Args:
        netns: path of the namespace; empty for our own.
        name: of the socket; tests choose their own.
    """

    def __init__(self, netns: str = "", name: str = _NAME) -> None:
        self._netns = netns
        self._name = name
        self._socket: socket.socket | None = None

    def acquire(self) -> None:
        """Take the lock, waiting a moment if only a guardian that is about to finish holds it.

        Raises:
            LockHeldError: with pid, command line and start of the holder.
            OSError: the namespace cannot be entered.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while not self._bind():
            holder = self.holder()
            found = None if holder is None else processes.status(holder)
            guarded = holder is not None and (found is None or found.state in "ZX")
            if not guarded or time.monotonic() > deadline:
                raise LockHeldError(_describe(holder))
            time.sleep(0.05)

    def release(self) -> None:
        """Let go; a guardian that inherited the lock keeps it until it ends."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Return the descriptor for the guardian to inherit."""
        return -1 if self._socket is None else self._socket.fileno()

    def holder(self) -> int | None:
        """Return the pid that took the lock, None if it is free or its holder is hidden from us."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(files.entered(self._netns))
                probe = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                probe.setblocking(False)
                probe.connect(self._name)
            except OSError:
                return None
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid: int = struct.unpack("3i", credentials)[0]
            return pid or None

    def _bind(self) -> bool:
        with files.entered(self._netns):
            candidate = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            candidate.bind(self._name)
            candidate.listen(128)
        except OSError as error:
            candidate.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._socket = candidate
        return True


def _describe(holder: int | None) -> str:
    what = "another tuner is at work in this network namespace"
    if holder is None:
        return f"{what}; its pid cannot be seen from here (ss -xlp | grep tactician)"
    try:
        command = (
            Path(f"/proc/{holder}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    except OSError:
        return f"{what}: pid {holder} has ended and its guardian is still restoring; try again in a moment"
    return f"{what}: pid {holder} ({command[:120]}); wait for it, or end it with: kill {holder}"
