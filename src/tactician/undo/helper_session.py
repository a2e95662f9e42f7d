"""One client of the root helper: what it holds, what was changed for it, and the way back from that.

The client says which places it means to change; originals, partners and neighbours are read here, and
journalled here, so nothing that it says or leaves unsaid can spoil the restore.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tactician.undo import files
from tactician.undo.helper_applied import Applications, header_of, keep
from tactician.undo.helper_rules import Refusal, Rule, Table, check_namespace
from tactician.undo.helper_watch import Watcher, neighbours, take_lock
from tactician.undo.journal import JournalFile
from tactician.undo.leftover import Leftover
from tactician.undo.restore import restore

PROTOCOL = 1
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CHOICE = re.compile(r"\[([^\]\s]+)\]")
_MOST_PLACES = 256
_MOST_ROUNDS = 10

Reply = dict[str, Any]
Spot = tuple[str, str]


class Locked(Exception):  # noqa: N818 - an answer to the client, not a fault
    """A namespace that the client wants is taken."""


class Session:
    """Serves the requests of one connection.

    Args:
        table: what is permitted.
        folder: where journals lie; those of what is applied to stay are in ``applied`` beside it.
        peer: pid and uid of the client.
        hold_s: so long it may hold the host without a word.
    """

    def __init__(self, table: Table, folder: Path, peer: tuple[int, int], hold_s: float) -> None:
        self._table = table
        self._folder = folder
        self._peer = peer
        self._hold_s = hold_s
        self._locks: dict[str, socket.socket] = {}
        self._journal: JournalFile | None = None
        self._watcher: Watcher | None = None
        self._undos: list[dict[str, Any]] = []
        applications = Applications(folder.with_name("applied"), peer[1])
        self._does: dict[str, Callable[[Reply], Reply]] = {
            "hello": self._hello, "begin": self._begin, "guard": self._guard,
            "read": self._read, "probe": self._probe, "originals": self._originals,
            "write": self._write, "restored": self._restored, "keep": self._keep,
            "applications": applications.listed, "confirm": applications.confirm,
            "revert": applications.revert,
        }  # fmt: skip
        self._applications = applications
        self._applies = False

    @property
    def begun(self) -> bool:
        """Whether it holds the host."""
        return self._journal is not None

    @property
    def changed(self) -> bool:
        """Whether something may differ from what it was."""
        return bool(self._undos)

    def answer(self, request: object) -> Reply:
        """Carry out one request. Whatever is wrong with it is told in the reply; nothing is raised."""
        try:
            do = request.get("do") if isinstance(request, dict) else None
            if not isinstance(request, dict) or not isinstance(do, str) or do not in self._does:
                raise Refusal(f"a request is an object with do: {', '.join(self._does)}")
            return {"ok": True, **self._does[do](request)}
        except Refusal as error:
            return _no("refused", errno.EPERM, str(error))
        except Locked as error:
            return _no("locked", errno.EBUSY, str(error))
        except OSError as error:
            return _no("host", error.errno or errno.EIO, error.strerror or str(error))

    def end(self) -> list[Leftover]:
        """Restore and let go; what is left over keeps journal and locks, and this may be called again."""
        leftovers = self._put_back()
        if leftovers or self._journal is None:
            return leftovers
        self._journal.close()
        self._journal = None
        if self._watcher is not None:
            self._watcher.dismiss()
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()
        return []

    def _hello(self, request: Reply) -> Reply:
        here = files.namespace_identity()
        return {"version": PROTOCOL, "namespace": here, "knobs": len(self._table), "hold_s": self._hold_s}

    def _begin(self, request: Reply) -> Reply:
        run_id, hold = request.get("run_id"), request.get("hold")
        if self.begun:
            raise Refusal("this connection has begun already")
        if request.get("version") != PROTOCOL:
            raise Refusal(f"this helper speaks version {PROTOCOL}; client and helper differ")
        if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
            raise Refusal("run_id is up to 64 letters, digits and _.-")
        if not isinstance(hold, list) or not 1 <= len(hold) <= 2:
            raise Refusal("hold is a list of one or two namespaces")
        for netns in hold:
            if not isinstance(netns, str):
                raise Refusal("a namespace is a text")
            if netns:
                check_namespace(netns)
        self._applies = request.get("apply") is True
        self._applications.refuse_meanwhile()
        try:
            for netns in hold:
                self._lock(netns)
            self._open_journal(run_id)
        except BaseException:
            self._release_locks()
            raise
        return {}

    def _lock(self, netns: str) -> None:
        if netns in self._locks:
            return
        lock = take_lock(netns)
        if lock is None:
            raise Locked("another tuner is at work in this network namespace")
        self._locks[netns] = lock

    def _release_locks(self) -> None:
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def _open_journal(self, run_id: str) -> None:
        header = header_of(run_id, self._peer)
        if self._applies:
            self._journal = self._applications.create(run_id, header)
        else:
            name = f"{run_id}-helper-{self._peer[0]}-{time.monotonic_ns()}.jsonl"
            self._journal = JournalFile.create(self._folder / name, header)
        self._watcher = Watcher(self._journal.path, [lock.fileno() for lock in self._locks.values()])

    def _guard(self, request: Reply) -> Reply:
        self._guardian().ensure()
        return {}

    def _read(self, request: Reply) -> Reply:
        path, netns, _ = self._place(request)
        return {"text": files.read_text(path, netns)}

    def _probe(self, request: Reply) -> Reply:
        path, netns, rule = self._place(request)
        with files.entered(netns):
            os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        return {"low": rule.low, "high": rule.high, "values": list(rule.values)}

    def _originals(self, request: Reply) -> Reply:
        places = request.get("places")
        if not isinstance(places, list) or len(places) > _MOST_PLACES:
            raise Refusal(f"places is a list of at most {_MOST_PLACES}")
        self._guardian().ensure()
        undos: list[dict[str, Any]] = []
        for entry in places:
            if not isinstance(entry, list) or len(entry) != 2:
                raise Refusal("a place is [path, namespace]")
            path, netns, rule = self._table.place(*entry)
            self._check_held(path, netns)
            if (path, netns) not in self._known(undos):
                undos.append(self._undo(path, netns, rule))
        self._note(undos)
        return {}

    def _write(self, request: Reply) -> Reply:
        path, netns, text = request.get("path"), request.get("netns"), request.get("text")
        if not (isinstance(path, str) and isinstance(netns, str) and isinstance(text, str)):
            raise Refusal("path, netns and text are texts")
        if not self._restores((path, netns), text):
            self._check_write(path, netns, text)
        before = self._families([*self._known(self._undos), (path, netns)])
        try:
            files.write_text(path, text, netns)
        finally:
            moved = self._note_moved(before)
        return {"moved": moved}

    def _restored(self, request: Reply) -> Reply:
        leftovers = self._put_back()
        if not leftovers:
            return {}
        listed = [[entry.path, entry.found, entry.wanted, entry.command] for entry in leftovers]
        return {**_no("not-restored", errno.EIO, "some places are not as they were"), "leftovers": listed}

    def _keep(self, request: Reply) -> Reply:
        """Let the changes stay when this connection ends."""
        if self._journal is None or not self._applies or not self._undos:
            raise Refusal("only what was begun with apply, and changed since, is kept")
        told = keep(self._journal.path, request.get("within_s"), self._guardian())
        self._undos.clear()
        self._journal.release()
        self._journal = self._watcher = None
        self._release_locks()
        return told

    def _place(self, request: Reply) -> tuple[str, str, Rule]:
        return self._table.place(request.get("path"), request.get("netns", ""))

    def _check_write(self, path: str, netns: str, text: str) -> None:
        """Permit a new value: of a listed place, journalled, guarded, in range. Raises Refusal."""
        _, _, rule = self._table.place(path, netns)
        if (path, netns) not in self._known(self._undos):
            raise Refusal(f"{path}: its original is not journalled, so it is not written")
        self._guardian().ensure()
        shown = files.read_text(path, netns)
        rule.judge(text, shown, files.read_text(rule.words, netns) if rule.words else "")
        others = {}
        for other in self._table.related(path):
            try:
                others[other] = files.read_text(other, netns if files.is_per_namespace(other) else "")
            except OSError:
                continue  # a relation with what this kernel lacks binds nobody
        self._table.judge_relations(path, shown, text, others)

    def _check_held(self, path: str, netns: str) -> None:
        needed = netns if files.is_per_namespace(path) else ""
        if needed not in self._locks:
            raise Refusal(f"{path}: begin() did not ask to hold {needed or 'the host'}")
        if netns and not files.is_per_namespace(path):
            raise Refusal(f"{path} belongs to the whole host")

    def _guardian(self) -> Watcher:
        if self._watcher is None:
            raise Refusal("begin comes first")
        return self._watcher

    def _undo(self, path: str, netns: str, rule: Rule) -> dict[str, Any]:
        """Work out the way back, as a transaction does: of a pair, the half whose zero cannot be written."""
        shown = files.read_text(path, netns)
        if not shown:
            raise Refusal(f"{path} reads as empty, so it could not be restored")
        partners = []
        for other in rule.pair:
            try:
                partners.append((other, netns, files.read_text(other, netns)))
            except FileNotFoundError:
                continue
        choice = _CHOICE.search(shown)
        writes = [(path, netns, choice[1] if choice else " ".join(shown.split())), *partners]
        if partners:
            writes = [entry for entry in writes if entry[2].strip() not in ("", "0")] or writes[:1]
        return {
            "writes": [list(entry) for entry in writes],
            "expected": [[path, netns, shown], *(list(entry) for entry in partners)],
        }

    def _known(self, undos: Iterable[dict[str, Any]]) -> set[Spot]:
        return {(path, netns) for undo in (*self._undos, *undos) for path, netns, _ in undo["expected"]}

    def _restores(self, spot: Spot, text: str) -> bool:
        """Whether a text is the one that puts this place back."""
        return any(
            (path, netns) == spot and text == original
            for undo in self._undos
            for path, netns, original in undo["writes"]
        )

    def _note(self, undos: list[dict[str, Any]], *, first: bool = False) -> None:
        if not undos or self._journal is None:
            return
        if first:  # restored last; and known to us before the journal is, which may be out of space
            self._undos[:0] = undos
        self._journal.append({"kind": "originals", "undos": undos}, durable=True)
        if not first:
            self._undos += undos

    def _families(self, spots: Iterable[Spot]) -> dict[Spot, str]:
        shown: dict[Spot, str] = {}
        for path, netns in spots:
            if (path, netns) not in shown:
                shown.update(neighbours(path, netns))
        return {spot: text for spot, text in shown.items() if not self._table.is_unstable(spot[0])}

    def _note_moved(self, before: dict[Spot, str]) -> list[str]:
        """Journal what a write moved on the side, with what it showed just before."""
        known, after = self._known(()), self._families(before)
        moved = [
            (spot, text)
            for spot, text in before.items()
            if spot not in known and spot in after and not files.same_text(text, after[spot])
        ]
        undos = [{"writes": [[*spot, _plain(text)]], "expected": [[*spot, text]]} for spot, text in moved]
        self._note(undos, first=True)
        return [spot[0] for spot, _ in moved]

    def _put_back(self) -> list[Leftover]:
        """Restore everything that is pending, and what restoring it moves."""
        # What lived in a namespace that is gone went with it.
        self._undos = [undo for undo in self._undos if _reachable(undo)]
        if not self._undos:
            return []
        before = self._families(self._known(()))
        _, leftovers = restore(self._undos, files.read_text, files.write_text)
        for _ in range(_MOST_ROUNDS):
            try:
                moved = self._note_moved(before)
            except OSError:
                moved = ["known to us, if not to the journal"]
            if not moved:
                break
            _, leftovers = restore(self._undos, files.read_text, files.write_text)
        if not leftovers:
            self._undos.clear()
            if self._journal is not None:
                try:
                    self._journal.append({"kind": "restored"})
                except OSError:
                    return []  # it would only be restored once more
        return leftovers


def _plain(text: str) -> str:
    choice = _CHOICE.search(text)
    return choice[1] if choice else text


def _reachable(undo: dict[str, Any]) -> bool:
    return any(not netns or os.path.exists(netns) for _, netns, _ in undo["expected"])


def _no(code: str, number: int, message: str) -> Reply:
    return {"ok": False, "code": code, "errno": number, "message": message}
