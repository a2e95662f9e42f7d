"""The only place that starts a process: own group, time limit, minimal environment, bounded output."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from tactician.undo import processes

KEPT_BYTES = 4 << 20
"""Of each stream; the first quarter and the last three quarters of a longer output are kept."""

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR")
_PASSED_PREFIXES = ("PG", "MYSQL_", "REDISCLI_")
# The shell waits for a word before it becomes the command: by then the journal holds its pid, so no
# moment exists in which a benchmark runs and nobody knows whom to end.
_GATE = 'read -r word || exit 125; exec /bin/sh -c "$1" </dev/null'
_QUIET_S = 0.3
_LONGEST_LINE = 1 << 16


class Result(NamedTuple):
    """What a command did.

    Attributes:
        status: exit status; negative is the number of the signal that ended it.
        stdout, stderr: decoded, with undecodable bytes replaced.
        seconds: wall clock.
        timed_out: the time limit ended it.
        stayed: processes that were still there after the command had ended, and were ended too.
        stopped: the reader of its lines had seen enough, and it was ended.
    """

    status: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    stayed: int
    stopped: bool = False


ReadLine = Callable[[str, float], bool]
"""Takes a line and the seconds since the command began; True ends the command."""


def run(
    command: str,
    *,
    timeout_s: float,
    marker: str,
    environment: Mapping[str, str] | None = None,
    netns: str = "",
    prefix: Sequence[str] = (),
    on_started: Callable[[int], None] | None = None,
    on_ended: Callable[[int], None] | None = None,
    on_line: ReadLine | None = None,
    until: Callable[[], bool] | None = None,
) -> Result:
    """Run a shell command to its end, and leave nothing of it behind.

    Args:
        command: passed to ``/bin/sh -c``.
        timeout_s: after so many seconds the whole group is ended.
        marker: value of the variable that all its processes carry.
        environment: added to the minimal environment.
        netns: network namespace to run in; needs nsenter(1).
        prefix: argv before the shell, such as one that makes it another user's.
        on_started: told the pid before the command begins; if it raises, nothing was run.
        on_ended: told the pid when the group is gone.
        on_line: given every line of both streams as it comes; it may end the command.
        until: asked all the time; True ends the command.

    Raises:
        OSError: no process could be started.
        Interrupted: a signal arrived; the group is ended first.
    """
    began = time.monotonic()
    process = _spawn(command, {**(environment or {}), processes.MARKER: marker}, netns, prefix)
    found = processes.status(process.pid)
    start = found.start if found else 0
    swept = False
    try:
        if on_started is not None:
            on_started(process.pid)
        began = time.monotonic()
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        _open_gate(process.stdin)
        listener = None if on_line is None else _Listener(on_line, began)
        stdout, stderr = _Stream(process.stdout, listener), _Stream(process.stderr, listener)
        enough = _either(listener, until)
        cut_short = _drain(process, (stdout, stderr), began + timeout_s, enough)
        stopped = cut_short and enough()
        timed_out, seconds = cut_short and not stopped, time.monotonic() - began
        stayed = processes.end(process.pid, start, marker, patience_s=1.0 if cut_short else 0.0)
        swept = True
        _drain(process, (stdout, stderr), time.monotonic() + _QUIET_S)
        status = process.wait()
    finally:
        if not swept:
            processes.end(process.pid, start, marker)
        _close(process)
    if on_ended is not None:
        on_ended(process.pid)
    left = 0 if cut_short else stayed
    return Result(status, stdout.text(), stderr.text(), seconds, timed_out, left, stopped)


def _spawn(
    command: str, environment: Mapping[str, str], netns: str, prefix: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start the shell, in a group of its own and behind the gate."""
    return subprocess.Popen(
        [*_entering(netns), *prefix, "/bin/sh", "-c", _GATE, "tactician", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=minimal_environment(environment),
        start_new_session=True,
    )


def run_detached(
    command: str,
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    netns: str = "",
    prefix: Sequence[str] = (),
) -> Result:
    """Run a setup or teardown command, whose children may stay: that is what a setup is for."""
    began = time.monotonic()
    # A file and not a pipe: a server that the setup started would hold a pipe open for ever.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*_entering(netns), *prefix, "/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=minimal_environment(environment or {}),
            start_new_session=True,
        )
        found = processes.status(process.pid)
        try:
            status, timed_out = process.wait(timeout_s), False
        except subprocess.TimeoutExpired:
            status, timed_out = -9, True
        finally:
            if process.returncode is None:
                processes.end(process.pid, found.start if found else 0, "")
                process.wait()
        said.seek(0)
        message = said.read(KEPT_BYTES).decode(errors="replace")
    return Result(status, "", message, time.monotonic() - began, timed_out, 0)


def spawn_guardian(script: Path, journal: Path, keep: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Start the guardian with the plainest interpreter there is, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=keep,
        cwd="/",
        start_new_session=True,
    )


def minimal_environment(added: Mapping[str, str]) -> dict[str, str]:
    """Return what a benchmark sees: no locale of the operator's, none of our own variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_PREFIXES)
    }
    # Our own interpreter first, so that `python3 -m tactician.workloads...` finds this installation.
    path = kept.get("PATH", os.defpath)
    kept["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), path, "/usr/local/sbin:/usr/sbin:/sbin"]
    )
    return {**kept, "LC_ALL": "C", "LANG": "C", "TERM": "dumb", **added}


class _Listener:
    """Hands on the lines of both streams until it is told that they were enough.

    Attributes:
        enough: the command may end.
    """

    def __init__(self, on_line: ReadLine, began: float) -> None:
        self._on_line = on_line
        self._began = began
        self.enough = False

    def take(self, held: bytearray, chunk: bytes) -> None:
        """Add a chunk to what a stream holds of its unfinished line, and hand on the finished ones."""
        # A progress display overwrites itself: a carriage return ends a line too.
        *lines, rest = (bytes(held) + chunk).replace(b"\r", b"\n").split(b"\n")
        held[:] = rest[-_LONGEST_LINE:]
        seconds = time.monotonic() - self._began
        for line in lines:
            if line and not self.enough:
                self.enough = self._on_line(line.decode("utf-8", "replace"), seconds)


class _Stream:
    """One output stream, of which the beginning and the end are kept."""

    def __init__(self, pipe: IO[bytes], listener: _Listener | None = None) -> None:
        self.pipe = pipe
        self.open = True
        self._listener = listener
        self._line = bytearray()
        os.set_blocking(pipe.fileno(), False)
        self._head = bytearray()
        self._tail = bytearray()

    def take(self) -> None:
        try:
            chunk = os.read(self.pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return
        if not chunk:
            self.open = False
            return
        if self._listener is not None:
            self._listener.take(self._line, chunk)
        room = KEPT_BYTES // 4 - len(self._head)
        self._head += chunk[: max(0, room)]
        self._tail += chunk[max(0, room) :]
        if len(self._tail) > 2 * KEPT_BYTES:
            del self._tail[: -(KEPT_BYTES * 3 // 4)]

    def text(self) -> str:
        tail = self._tail[-(KEPT_BYTES * 3 // 4) :]
        return (bytes(self._head) + bytes(tail)).decode("utf-8", "replace")


def _drain(
    process: subprocess.Popen[bytes],
    streams: tuple[_Stream, ...],
    deadline: float,
    enough: Callable[[], bool] = lambda: False,
) -> bool:
    """Read until the command has ended and its pipes are closed or quiet.

    True where it is to be cut short: at the deadline, or when enough was seen.
    """
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            if stream.open:
                selector.register(stream.pipe, selectors.EVENT_READ, stream)
        quiet_since: float | None = None
        while selector.get_map() or process.poll() is None:
            now = time.monotonic()
            if now >= deadline or enough():
                return True
            if process.poll() is not None:
                # A child that stayed holds the pipes open; the command itself has said all it had to say.
                quiet_since = quiet_since or now
                if now - quiet_since > _QUIET_S:
                    return False
            for key, _ in selector.select(min(0.05, deadline - now)):
                key.data.take()
                if not key.data.open:
                    selector.unregister(key.fileobj)
    return False


def _either(listener: _Listener | None, until: Callable[[], bool] | None) -> Callable[[], bool]:
    """Whether the reader of the lines has seen enough, or whoever may end the command says so."""
    return lambda: (listener is not None and listener.enough) or (until is not None and until())


def _open_gate(stdin: IO[bytes]) -> None:
    try:
        stdin.write(b"go\n")
        stdin.close()
    except BrokenPipeError:
        return  # it died already; its status will say why


def _entering(netns: str) -> list[str]:
    return ["nsenter", f"--net={netns}"] if netns else []


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    process.wait()


def run_in_foreground(argv: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run one of our own commands with our standard error, and return its status and standard output.

    SIGINT reaches it through the terminal and through us; either way it restores before it ends.
    """
    process = subprocess.Popen(argv, env=dict(environment), stdout=subprocess.PIPE)
    while True:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            continue
        return process.returncode, output.decode(errors="replace")


class Background:
    """One of our own commands that goes on while the caller does something else.

    Args:
        argv: what to run, in a session of its own.
        environment: all of it.
        stdout, stderr: files that are made anew.

    Raises:
        OSError: it could not be started.
    """

    def __init__(self, argv: list[str], environment: Mapping[str, str], stdout: Path, stderr: Path) -> None:
        with stdout.open("xb") as out, stderr.open("xb") as said:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
                env=dict(environment),
                start_new_session=True,
            )

    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to end; a run restores the host first."""
        self._process.terminate()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; None where it still runs after so many seconds."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


_NOBODY = 65534


def ask(program: str, argv: Sequence[str], *, timeout_s: float) -> str:
    """Return what a program says of itself on both streams, empty where it says nothing in time.

    No shell, no environment of ours, no input; started by root it runs as nobody. It and whatever it
    started are ended when it is over.

    Args:
        program: absolute path of what is run.
        argv: under which name, and with which arguments; some programs are several by their name.
        timeout_s: after so many seconds it is ended.
    """
    began = time.monotonic()
    identity: dict[str, Any] = (
        {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    try:
        process = subprocess.Popen(
            list(argv),
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
            **identity,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    found = processes.status(process.pid)
    assert process.stdout is not None
    said = _Stream(process.stdout)
    try:
        late = _drain(process, (said,), began + timeout_s)
    finally:
        processes.end(process.pid, found.start if found else 0, "")
        _close(process)
    return "" if late else said.text()
