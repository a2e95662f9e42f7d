"""Speaks to the root helper for a tuner that is not root: one line out, one line back."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tactician.errors import LockHeldError, OperatorError, PreflightError, Problem, RestoreError
from tactician.undo import files
from tactician.undo.helper import GROUP, SOCKET
from tactician.undo.helper_session import PROTOCOL

VARIABLE = "TACTICIAN_HELPER"
"""Environment variable with the helper's socket; empty for no helper."""

_ANSWER_SECONDS = 60.0
_GRACE_S = 1.0
_NAMED = Path("/run/netns")


class HelperConnection:
    """One connection to the helper; what it changed is taken back when this ends.

    Args:
        path: of the helper's socket.

    Raises:
        PreflightError: nobody answers there, or we may not ask.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._pending = b""
        self._socket: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_SECONDS)
        try:
            self._socket.connect(path)
            self._greeting = self._exchange({"do": "hello"})
        except PermissionError as error:
            self.close()
            ways = f"root adds you with usermod -aG {GROUP}, or do without it: {VARIABLE}= tactician ..."
            raise _cannot(f"you may not ask the root helper at {path}; {ways}") from error
        except OSError as error:
            self.close()
            raise _cannot(f"the root helper at {path} does not answer: {error.strerror or error}") from error
        if not self._greeting.get("ok"):
            self.close()
            raise _cannot(f"the root helper refuses: {self._greeting.get('message')}")
        if self._greeting.get("version") != PROTOCOL:
            self.close()
            raise _cannot(
                "the root helper is of another version; restart it: systemctl restart tactician-helper"
            )

    @property
    def hold_s(self) -> float:
        """So long it keeps changes in place without hearing from us."""
        return float(self._greeting["hold_s"])

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._socket is not None

    def own_namespace(self) -> str:
        """Return what our network namespace is called where the helper is: empty where it is the same.

        Raises:
            PreflightError: it has no name below /run/netns, so the helper cannot enter it.
        """
        here = files.namespace_identity()
        if here == self._greeting["namespace"]:
            return ""
        for path in sorted(_NAMED.glob("*")):
            with contextlib.suppress(OSError):
                if f"net:[{path.stat().st_ino}]" == here:
                    return str(path)
        raise _cannot(
            "this network namespace has no name below /run/netns by which the root helper could enter it"
        )

    def begin(self, run_id: str, hold: Sequence[str], *, apply: bool = False) -> None:
        """Take hold of network namespaces; nothing can be written before.

        Args:
            run_id: of the run.
            hold: the namespaces.
            apply: whether what is written may be kept.

        Raises:
            LockHeldError: another tuner has one of them.
            RestoreError: an earlier run through the helper could not be put back.
            PreflightError: the helper cannot journal, or refuses.
        """
        fields = {"version": PROTOCOL, "run_id": run_id, "hold": list(hold), "apply": apply}
        reply = self._exchange({"do": "begin", **fields})
        if reply.get("ok"):
            return
        message = str(reply.get("message"))
        self.close()
        if reply.get("code") == "locked":
            raise LockHeldError(f"{message}, says the root helper; wait for it (ss -xlp | grep tactician)")
        if reply.get("code") == "not-restored":
            raise RestoreError([Problem("", message)])
        raise _cannot(f"the root helper cannot begin: {message}")

    def call(self, do: str, **fields: Any) -> dict[str, Any]:
        """Ask for something.

        Raises:
            OSError: with the kernel's errno; ENOTSUP where the helper refuses, ENOTCONN where it is gone.
        """
        reply = self._exchange({"do": do, **fields})
        if reply.get("ok"):
            return reply
        number = int(reply.get("errno", errno.EIO)) if reply.get("code") == "host" else errno.ENOTSUP
        said = str(reply.get("message"))
        error = OSError(number, said if reply.get("code") == "host" else f"the root helper refuses: {said}")
        if reply.get("code") == "not-restored":
            raise RestoreError(_problems(reply.get("leftovers", ())))
        raise error

    def close(self) -> None:
        """End the connection; harmless when repeated."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            raise OSError(errno.ENOTCONN, "the root helper is gone")
        try:
            with contextlib.suppress(BrokenPipeError):  # its last word is still to be read
                self._socket.sendall(json.dumps(request).encode("ascii") + b"\n")
            while b"\n" not in self._pending:
                chunk = self._socket.recv(1 << 16)
                if not chunk:
                    raise ConnectionResetError(errno.ECONNRESET, "it closed the connection")
                self._pending += chunk
            line, _, self._pending = self._pending.partition(b"\n")
            reply: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            self.close()
            time.sleep(_GRACE_S)  # its guardian is putting everything back at this moment
            raise OSError(errno.ENOTCONN, f"the root helper is gone: {error}") from error
        except BaseException:
            self.close()  # the answer that is still to come would be taken for that of the next request
            raise
        return reply


def find_helper() -> str:
    """Return the helper's socket where a tuner should use it: not as root, and where there is one.

    Raises:
        OperatorError: the environment names one that is not there.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen == "" or os.geteuid() == 0:
        return ""
    path = chosen or SOCKET
    try:
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            return path
    except OSError:
        pass
    if chosen:
        raise OperatorError(f"{VARIABLE}={chosen} is no socket; start the root helper, or unset the variable")
    return ""


def _problems(leftovers: Iterable[Sequence[str]]) -> list[Problem]:
    return [
        Problem(path, f"shows {found!r}, was {wanted!r}; {way_back}")
        for path, found, wanted, way_back in leftovers
    ]


def _cannot(message: str) -> PreflightError:
    return PreflightError([Problem("", message)])
