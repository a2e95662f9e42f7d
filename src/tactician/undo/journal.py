"""The journal of one run: originals on disk before the first write, in lines that undo themselves.

Each line is a CRC-32 of eight hex digits, a space, and a JSON object with a ``kind``:

==========  ===================================================================================
run         the first line: who runs, on which boot, in which namespace, what to run at the end
originals   ``undos``: each with ``writes`` (restore by these, in order) and ``expected``; for a
            service also what :mod:`tactician.undo.services` reads
process     a benchmark began: ``pid`` (leader of its group), ``start``, ``marker``
ended       that process group is gone
kept        a recovery found a file that somebody else has changed, and kept their change
restored    everything journalled so far is as it was
closed      the run is over, nothing is left to do
==========  ===================================================================================

A place is ``[path, netns]``. The last line may be torn by a crash; what it would have protected was
then never written.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tactician.undo.shape import is_sound

VERSION = 2
"""Since 2 an undo may hold files, commands and checks; journals of version 1 are read as they are."""
Entry = dict[str, Any]


class Content(NamedTuple):
    """What a journal says.

    Attributes:
        header: the ``run`` line; empty where even that is unreadable.
        entries: the other lines, in order.
        damaged: how many lines could not be read, a torn last one not counted.
    """

    header: Entry
    entries: list[Entry]
    damaged: int

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do."""
        return any(entry["kind"] == "closed" for entry in self.entries)

    def pending(self) -> list[Entry]:
        """Return the undos that no ``restored`` line covers, oldest first."""
        undos: list[Entry] = []
        for entry in self.entries:
            if entry["kind"] == "originals":
                undos.extend(entry["undos"])
            elif entry["kind"] in ("restored", "closed"):
                undos.clear()
        return undos

    def processes(self) -> list[Entry]:
        """Return the process groups that no ``ended`` line covers."""
        running: dict[int, Entry] = {}
        for entry in self.entries:
            if entry["kind"] == "process":
                running[entry["pid"]] = entry
            elif entry["kind"] == "ended":
                running.pop(entry["pid"], None)
        return list(running.values())


class JournalFile:
    """Appends lines to one journal; whoever appends last wins, since lines are written whole."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, header: Entry) -> JournalFile:
        """Make a new journal and put its first line and its name on disk.

        Raises:
            OSError: it exists already, or the disk is full or read-only.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        journal = cls(path, os.open(path, flags, 0o600))
        try:
            if header.get("pid") is not None:
                # Held for as long as we live: the sign of life for whoever cannot see our pid.
                fcntl.flock(journal._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal.append({"kind": "run", "version": VERSION, **header}, durable=True)
            _sync_directory(path.parent)
        except OSError:
            journal.discard()
            raise
        return journal

    @classmethod
    def open(cls, path: Path) -> JournalFile:
        """Open an existing journal for appending."""
        return cls(path, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def append(self, entry: Entry, *, durable: bool = False) -> None:
        """Append one line; with ``durable``, return only when it is on disk.

        A line that is not durable still survives our own death, which is what the process and
        restored lines are for; only a power failure loses it, and that ends what they speak of.

        Raises:
            OSError: nothing of the line is left behind then.
        """
        line = encode(entry)
        before = os.fstat(self._descriptor).st_size
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                raise OSError(28, "the journal's disk is full", str(self.path))
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    def close(self) -> None:
        """Say that nothing is left to do, and keep the file as evidence under ``closed/``."""
        with contextlib.suppress(OSError):  # the move alone says it too, and needs no space
            self.append({"kind": "closed"})
        self.release()
        retire(self.path)

    def release(self) -> None:
        """Close the file without a word, as a crash would."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Remove a journal that protects nothing."""
        self.release()
        with contextlib.suppress(OSError):
            self.path.unlink()


def append(path: Path, entry: Entry) -> None:
    """Add a line, durably. Raises OSError."""
    file = JournalFile.open(path)
    try:
        file.append(entry, durable=True)
    finally:
        file.release()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep guardian, recover, confirmation and revert from one another's heels: one at a time.

    Raises:
        FileNotFoundError: the journal was closed before or while we waited.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(2, os.strerror(2), str(path))
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living run holds this journal. Raises OSError where it cannot be opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def encode(entry: Entry) -> bytes:
    """Return the line for one entry. Text that is no UTF-8 survives as escaped surrogates."""
    body = json.dumps(entry, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(body), body)


def read(path: Path) -> Content:
    """Read a journal, tolerating a torn last line and skipping damaged ones.

    Raises:
        OSError: the file cannot be read.
    """
    lines = path.read_bytes().split(b"\n")
    torn = lines.pop()  # empty after a whole last line
    header: Entry = {}
    entries: list[Entry] = []
    damaged = 0
    for line in lines:
        entry = _decode(line)
        if entry is None:
            damaged += 1
        elif entry["kind"] == "run" and not header:
            header = entry
        else:
            entries.append(entry)
    whole = _decode(torn)
    if whole is not None:
        entries.append(whole)
    return Content(header, entries, damaged)


def retire(path: Path) -> None:
    """Move a journal that is done with to ``closed/`` beside it."""
    closed = path.parent / "closed"
    with contextlib.suppress(OSError):
        closed.mkdir(mode=0o700, exist_ok=True)
        path.rename(closed / path.name)


def _decode(line: bytes) -> Entry | None:
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        entry = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return entry if is_sound(entry) else None


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
