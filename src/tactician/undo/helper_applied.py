"""What the root helper's clients have applied on purpose: it outlives their connection, and the helper.

An application is a journal in a folder of its own, as for a tuner that is root, so the guardian that holds
its timer, ``tactician recover`` and root's own ``revert`` know what to do with it. Its owner may confirm it
and take it back, and so may root; nobody else.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from tactician.undo import applied, files, journal, processes
from tactician.undo.applied import Application
from tactician.undo.helper_rules import Refusal
from tactician.undo.helper_watch import Watcher, take_lock
from tactician.undo.journal import JournalFile, append

LONGEST_S = 86400.0
_OVER: frozenset[applied.Phase] = frozenset({"expired", "gone"})
_STANDING: frozenset[applied.Phase] = frozenset({"kept", "unconfirmed", "expired", "gone"})
Reply = dict[str, Any]


class Applications:
    """Those that one client may see.

    Args:
        folder: of their journals.
        uid: of the client.
    """

    def __init__(self, folder: Path, uid: int) -> None:
        self._folder = folder
        self._uid = uid

    def refuse_meanwhile(self) -> None:
        """Refuse to begin anything while an application waits. Raises Refusal."""
        take_back_over(self._folder)
        for found in applied.look_at_all(self._folder):
            if found.phase == "unconfirmed":
                run_id, stated = found.run_id, found.stated
                raise Refusal(
                    f"run {run_id} is applied and awaits its confirmation until {stated}; "
                    f"keep it: tactician confirm {run_id}; take it back: tactician revert {run_id}"
                )

    def create(self, run_id: str, header: Reply) -> JournalFile:
        """Make the journal of a new one. Raises Refusal where it stands already, OSError."""
        path = self._folder / f"{run_id}.jsonl"
        try:
            file = JournalFile.create(path, {**header, "pid": None, "pid_start": None})
        except FileExistsError:
            message = f"run {run_id} is applied already; tactician revert {run_id} takes it back"
            raise Refusal(message) from None
        append(path, {"kind": "applying", "pid": header["pid"], "start": header["pid_start"]})
        return file

    def listed(self, request: Reply) -> Reply:
        """Answer ``applications``."""
        take_back_over(self._folder)
        own = [found for found in applied.look_at_all(self._folder) if self._is_own(found.path)]
        return {
            "applications": [
                {"run_id": found.run_id, "phase": found.phase, "remaining_s": found.remaining_s,
                 "stated": found.stated}
                for found in own
            ]
        }  # fmt: skip

    def confirm(self, request: Reply) -> Reply:
        """Answer ``confirm``."""
        path = self._named(request)
        found = applied.confirm(path)
        if found.phase != "unconfirmed":
            take_back_over(self._folder)
            raise Refusal(
                f"run {found.run_id} awaits no confirmation"
                + ("; its time is over, and everything is as it was" if found.phase in _OVER else "")
            )
        return {"remaining_s": found.remaining_s}

    def revert(self, request: Reply) -> Reply:
        """Answer ``revert``."""
        path = self._named(request)
        if (later := applied.laid_over(path, self._folder)) is not None:
            other, places = later
            raise Refusal(
                f"run {other} was applied later and changed {', '.join(places)} as well; take that back first"
            )
        with contextlib.ExitStack() as locks:
            undos = journal.read(path).pending()
            for netns in sorted({netns for undo in undos for _, netns, _ in undo["expected"]}):
                if netns and not os.path.exists(netns):
                    continue  # it is gone, and its values with it
                lock = take_lock(netns)
                if lock is None:
                    raise Refusal(f"another tuner is at work in {netns or 'this host'}; try again")
                locks.enter_context(lock)
            recovery = applied.take_back(path, _STANDING)
        if recovery is None:
            raise Refusal(f"run {path.stem} is being applied at this moment; try again")
        left = [[entry.path, entry.found, entry.wanted, entry.command] for entry in recovery.leftovers]
        return {"changed": recovery.changed, "leftovers": left, "note": recovery.note}

    def _named(self, request: Reply) -> Path:
        """Return the journal of the application that is meant. Raises Refusal."""
        run_id = request.get("run_id")
        for path in sorted(self._folder.glob("*.jsonl")):
            if path.stem == run_id and self._is_own(path):
                return path
        raise Refusal(f"no application of yours is called {str(run_id)[:64]!r}")

    def _is_own(self, path: Path) -> bool:
        try:
            owner = journal.read(path).header.get("client", {})
        except OSError:
            return False
        return self._uid == 0 or (isinstance(owner, dict) and owner.get("uid") == self._uid)


def keep(path: Path, within_s: object, watcher: Watcher) -> Reply:
    """Let what a session wrote stay, for good or until a deadline that the guardian holds.

    Raises:
        Refusal: that is no time.
        OSError: the journal cannot say so, or nobody holds the timer; it is to be taken back.
    """
    if within_s is None:
        append(path, {"kind": "applied"})
        watcher.dismiss()
        return {"stated": ""}
    if not isinstance(within_s, int | float) or isinstance(within_s, bool) or not 1 <= within_s <= LONGEST_S:
        raise Refusal(f"within_s is a number from 1 to {LONGEST_S:g}, or null")
    stated = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(time.time() + within_s))
    append(path, {"kind": "armed", "deadline_s": applied.boot_clock() + within_s, "stated": stated})
    append(path, {"kind": "applied"})
    watcher.arm()
    return {"stated": stated}


def take_back_over(folder: Path) -> list[Application]:
    """Take back what is overdue though nobody did, such as after the death of its guardian; return the rest.

    An application that is being made at this moment is ours to finish, and left alone.
    """
    found = applied.look_at_all(folder)
    for each in found:
        if each.phase in _OVER:
            with contextlib.suppress(OSError):  # its guardian was faster, or the next look finds it again
                applied.take_back(each.path, _OVER)
    return [each for each in found if each.phase not in _OVER]


def header_of(run_id: str, peer: tuple[int, int]) -> Reply:
    """Return the first line of a journal that this process keeps for a client."""
    own = processes.status(os.getpid())
    pid, uid = peer
    return {
        "run_id": run_id, "pid": os.getpid(), "pid_start": own.start if own else 0,
        "boot_id": files.boot_identity(), "namespace": files.namespace_identity(),
        "client": {"pid": pid, "uid": uid},
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
