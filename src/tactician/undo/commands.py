"""Runs an argv that was recorded, such as a reload or a restart, and leaves alone what it started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tactician.undo import processes

_KEPT = 1 << 16
_NOT_STARTED, _TOO_LONG = 127, 124
# The command waits for a word: by then the journal holds its pid, so whoever restores can end it first.
_GATE = ("/bin/sh", "-c", 'read -r word || exit 125; exec "$@" </dev/null', "tactician")


class Said(NamedTuple):
    """How a command ended.

    Attributes:
        status: exit status; 127 where it could not be started, 124 where it took too long.
        text: the end of what it printed, both streams.
    """

    status: int
    text: str


def run_recorded(command: Mapping[str, Any], timeout_s: float | None = None) -> Said:
    """Run a command as the journal holds it, perhaps with less patience."""
    own = float(command.get("timeout_s", 60.0))
    return run(
        command["argv"],
        command.get("environment") or {},
        own if timeout_s is None else min(own, timeout_s),
        inherit=command.get("inherit") or (),
    )


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    timeout_s: float,
    *,
    inherit: Sequence[str] = (),
    directory: str = "/",
    on_started: Callable[[int], None] | None = None,
    on_ended: Callable[[int], None] | None = None,
) -> Said:
    """Run a command to its end. A daemon that it leaves behind, in a session of its own, stays.

    Args:
        argv: no shell is involved.
        environment: all that it sees, beside PATH.
        timeout_s: after so many seconds its process group is killed.
        inherit: variables that are taken from our own environment: secrets, which no journal holds.
        directory: where it runs.
        on_started: told the pid before the command begins; if it raises, nothing was run.
        on_ended: told the pid when the command is over.
    """
    passed = {name: os.environ[name] for name in ("PATH", *inherit) if name in os.environ}
    with _Output() as output:
        try:
            process = subprocess.Popen(
                [*(_GATE if on_started else ()), *argv],
                stdin=subprocess.PIPE if on_started else subprocess.DEVNULL,
                stdout=output.descriptor,
                stderr=output.descriptor,
                env={"PATH": os.defpath, **passed, **environment},
                cwd=directory,
                start_new_session=True,
            )
        except OSError as error:
            return Said(_NOT_STARTED, f"{argv[0]} cannot be started: {error.strerror}")
        found = processes.status(process.pid)
        try:
            if on_started is not None:
                on_started(process.pid)
                _open(process)
            status = process.wait(timeout_s)
            text = output.text()
        except subprocess.TimeoutExpired:
            status, text = _TOO_LONG, f"{output.text()}\nit took longer than {timeout_s:g} s".strip()
        finally:
            if process.returncode is None:
                processes.end(process.pid, found.start if found else 0, "")
                process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
    if on_ended is not None:
        on_ended(process.pid)
    return Said(status, text)


def _open(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it died already; its status will say why
        if process.stdin is not None:
            process.stdin.write(b"go\n")
            process.stdin.close()


class _Output:
    """A file in memory that stops growing when the command is over.

    A pipe would end a daemon that goes on writing, and a file on disk needs a disk that is not full.
    """

    def __enter__(self) -> _Output:
        self.descriptor = os.memfd_create("said", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        return self

    def __exit__(self, *ending: object) -> None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        os.close(self.descriptor)

    def text(self) -> str:
        size = os.fstat(self.descriptor).st_size
        data = os.pread(self.descriptor, _KEPT, max(0, size - _KEPT))
        return data.decode("utf-8", "replace").strip()
