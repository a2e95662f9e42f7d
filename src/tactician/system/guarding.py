"""Our side of the safety net: the journal of this run and the guardian process that watches us."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tactician.errors import GuardianError, JournalError
from tactician.ports import Undo
from tactician.system.command import minimal_environment, spawn_guardian
from tactician.system.hostlock import HostLock
from tactician.transaction import as_entry
from tactician.undo import files, guardian, processes
from tactician.undo.journal import Entry, JournalFile

_SCRIPT = Path(guardian.__file__)
_START_SECONDS = 10.0


def run_header(
    run_id: str,
    *,
    teardown: str | None,
    environment: Mapping[str, str],
    throw_away: bool = False,
    prefix: Sequence[str] = (),
) -> Entry:
    """Return the journal's first line: all that a stranger needs to know to clean up after us."""
    own = processes.status(os.getpid())
    return {
        "run_id": run_id,
        "pid": os.getpid(),
        "pid_start": own.start if own else 0,
        "pid_namespace": processes.namespace(),
        "boot_id": files.boot_identity(),
        "namespace": files.namespace_identity(),
        "throw_away": throw_away,
        "teardown": [*prefix, "/bin/sh", "-c", teardown] if teardown else None,
        "teardown_environment": minimal_environment(environment),
        "directory": _directory(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _directory() -> str:
    """Return where we are; the root where that folder is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


class RunJournal:
    """The ``Journal`` port on a journal file.

    Args:
        file: open for appending.
    """

    def __init__(self, file: JournalFile) -> None:
        self.file = file

    @classmethod
    def create(cls, folder: Path, header: Entry) -> RunJournal:
        """Make the journal of a run.

        Raises:
            JournalError: it cannot be made durable, so nothing may be written.
        """
        path = folder / f"{header['run_id']}.jsonl"
        try:
            return cls(JournalFile.create(path, header))
        except OSError as error:
            raise JournalError(error.errno, _cannot(path, error)) from error

    def originals(self, undos: Sequence[Undo]) -> None:
        """Put the way back on disk. Raises JournalError."""
        self._append({"kind": "originals", "undos": [as_entry(undo) for undo in undos]}, durable=True)

    def process_started(self, pid: int, marker: str) -> None:
        """Note a benchmark. Raises JournalError."""
        found = processes.status(pid)
        self._append({"kind": "process", "pid": pid, "start": found.start if found else 0, "marker": marker})

    def process_ended(self, pid: int) -> None:
        """Note its end."""
        self._append_if_possible({"kind": "ended", "pid": pid})

    def restored(self) -> None:
        """Note that everything is as it was; without the note it would only be restored once more."""
        self._append_if_possible({"kind": "restored"})

    def _append(self, entry: Entry, *, durable: bool = False) -> None:
        try:
            self.file.append(entry, durable=durable)
        except OSError as error:
            raise JournalError(error.errno, _cannot(self.file.path, error)) from error

    def _append_if_possible(self, entry: Entry) -> None:
        try:
            self.file.append(entry)
        except OSError:
            return


class GuardianProcess:
    """Keeps one guardian alive.

    Args:
        journal: the file it will restore from.
        locks: inherited, so that nobody starts while it restores.
    """

    def __init__(self, journal: Path, *locks: HostLock) -> None:
        self._journal = journal
        self._locks = locks
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the guardian, None before it was needed."""
        return None if self._process is None else self._process.pid

    def ensure(self) -> None:
        """Return when a guardian watches us, starting one if there is none or it died.

        Raises:
            GuardianError: it did not start; nothing may be written.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._forget()
        keep = tuple(lock.fileno() for lock in self._locks if lock.fileno() >= 0)
        try:
            process = spawn_guardian(_SCRIPT, self._journal, keep)
        except OSError as error:
            raise GuardianError(f"the guardian cannot be started: {error}") from error
        self._process = process
        if not _says_ready(process):
            process.kill()
            self._forget()
            raise GuardianError("the guardian did not answer, so nothing was written")

    def dismiss(self) -> None:
        """Send the guardian home: the run is over and the host is restored."""
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(guardian.DISMISSED)
            self._process.stdin.flush()
        except OSError:
            pass  # it died before us, which is now nobody's concern
        self._forget()

    def arm(self) -> None:
        """Let the guardian wait for the deadline in the journal, as a process that outlives us.

        Raises:
            GuardianError: it does not; whoever is writing must take it back.
        """
        process = self._process
        try:
            if process is None or process.stdin is None:
                raise BrokenPipeError
            process.stdin.write(guardian.ARMED)
            process.stdin.flush()
            process.wait(_START_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            pass  # its status tells
        if process is None or process.poll() != 0:
            raise GuardianError("the guardian does not hold the timer, so nothing is left in place")
        self._forget()

    def _forget(self) -> None:
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            self._process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class NoGuardian:
    """The guardian of a run that writes nothing."""

    def ensure(self) -> None:
        """There is nothing to guard."""


class NoJournal:
    """The journal of a run that writes nothing to any host."""

    def originals(self, undos: Sequence[Undo]) -> None:
        """There is nothing to make durable."""

    def process_started(self, pid: int, marker: str) -> None:
        """No process is started."""

    def process_ended(self, pid: int) -> None:
        """No process has ended."""

    def restored(self) -> None:
        """Nothing was changed."""


def _says_ready(process: subprocess.Popen[bytes]) -> bool:
    if process.stdout is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_SECONDS):
            return False
    return os.read(process.stdout.fileno(), len(guardian.READY)) == guardian.READY


def _cannot(path: Path, error: OSError) -> str:
    return f"the journal {path} cannot be written ({error.strerror}), so nothing is changed on this host"
