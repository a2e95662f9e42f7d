"""Brings a host back from the journal of a run that died: ends its benchmark, restores, cleans up."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from tactician.undo import commands, files, foreign, journal, processes
from tactician.undo.leftover import Leftover
from tactician.undo.restore import command_for, restore

_TEARDOWN_SECONDS = 30.0


class Recovery(NamedTuple):
    """What recovering one journal came to.

    Attributes:
        run_id: of the run that died.
        changed: paths that were put back, with what they had shown.
        leftovers: what could not be put back.
        ended: how many benchmark processes were ended.
        note: one sentence where there was nothing to restore, and why.
    """

    run_id: str
    changed: list[tuple[str, str]]
    leftovers: list[Leftover]
    ended: int
    note: str = ""


def recover_journal(path: Path) -> Recovery | None:
    """Recover from one journal; None if its run is still alive.

    Its guardian may be at it: two that restart one service would undo each other, so we wait for it.

    Raises:
        OSError: the journal itself cannot be read; FileNotFoundError where somebody else has finished.
    """
    header = journal.read(path).header
    if _owner_alive(path, header):
        return None  # and holds the lock
    if header.get("pid") == os.getpid():
        return recover_locked(path)  # so may we, by a run of ours that we gave up
    with journal.locked(path):
        return recover_locked(path)


def recover_locked(path: Path) -> Recovery | None:
    """Do so where the lock is the caller's. Raises OSError."""
    content = journal.read(path)
    header = content.header
    if _is_running(header):
        return None
    run_id = str(header.get("run_id", path.stem))
    if content.closed:
        journal.retire(path)
        return Recovery(run_id, [], [], 0, "was closed already")
    if header.get("boot_id") not in ("", None, files.boot_identity()):
        return _after_reboot(path, run_id, content)
    ended = sum(processes.end(p["pid"], p["start"], p.get("marker", "")) for p in content.processes())
    undos, unreachable, note = _reachable(content)
    changed, leftovers = restore(undos)
    _note_theirs(path, changed)
    leftovers += unreachable
    _tear_down(header)
    if content.damaged:
        lost = f"{content.damaged} lines of its journal are damaged; what they held may be missing"
        note = f"{note}; {lost}" if note else lost
    if not leftovers:
        _finish(path)
    return Recovery(run_id, changed, leftovers, ended, note)


def _after_reboot(path: Path, run_id: str, content: journal.Content) -> Recovery:
    """Put back what outlives a restart of the host: files."""
    kept = [{**undo, "writes": [], "expected": []} for undo in content.pending() if undo.get("files")]
    changed, leftovers = restore(kept, occasion="reboot")
    _note_theirs(path, changed)
    if not leftovers:
        _finish(path)
    return Recovery(run_id, changed, leftovers, 0, "the host was restarted since, and its values with it")


def _note_theirs(path: Path, changed: list[tuple[str, str]]) -> None:
    """Write down what was kept of somebody else's: a guardian has nobody to tell it to."""
    for place, found in changed:
        if foreign.is_theirs(found):
            with contextlib.suppress(OSError):
                journal.append(path, {"kind": "kept", "path": place, "found": found})


def leftover_journals(folder: Path) -> list[Path]:
    """Return the journals in ``folder`` that were not closed, oldest first; none where we may not look."""
    try:
        return sorted(folder.glob("*.jsonl"))
    except PermissionError:
        return []


def recover_folder(folder: Path) -> list[Recovery]:
    """Recover every journal in ``folder`` whose run is dead; one that cannot be read is a leftover."""
    found = []
    for path in leftover_journals(folder):
        try:
            recovery = recover_journal(path)
        except FileNotFoundError:
            continue  # a guardian was faster
        except OSError as error:
            unread = Leftover(str(path), "", "a journal", f"unreadable: {error.strerror}", f"cat {path}")
            recovery = Recovery(path.stem, [], [unread], 0)
        if recovery is not None:
            found.append(recovery)
    return found


def _owner_alive(path: Path, header: dict[str, Any]) -> bool:
    # Containers may share a state folder and not see each other's pids.
    return _is_running(header) or (_has_owner(header) and _is_unseen(header) and journal.is_held(path))


def _is_running(header: dict[str, Any]) -> bool:
    """Whether its owner is among the processes that we can see."""
    return (
        _has_owner(header)
        and not _is_unseen(header)
        and processes.is_alive(header["pid"], header["pid_start"])
    )


def _has_owner(header: dict[str, Any]) -> bool:
    """Whether another process than ours held it, in this boot."""
    pid, start = header.get("pid"), header.get("pid_start")
    return (
        header.get("boot_id") in ("", None, files.boot_identity())
        and isinstance(pid, int)
        and isinstance(start, int)
        and pid != os.getpid()
    )


def _is_unseen(header: dict[str, Any]) -> bool:
    return header.get("pid_namespace") not in ("", None, processes.namespace())


def _reachable(content: journal.Content) -> tuple[list[dict[str, Any]], list[Leftover], str]:
    """Split what is pending into what we can restore from here and what we cannot."""
    home, here = content.header.get("namespace", ""), files.namespace_identity()
    if not home or home == here:
        return content.pending(), [], ""
    reachable: list[dict[str, Any]] = []
    elsewhere: list[dict[str, Any]] = []
    for undo in content.pending():
        foreign = any(not netns and files.is_per_namespace(path) for path, netns, _ in undo["expected"])
        # A service that is started from here would live in our namespace and not in its own.
        foreign = foreign or bool(undo.get("commands"))
        (elsewhere if foreign else reachable).append(undo)
    if not elsewhere:
        return reachable, [], ""
    if content.header.get("throw_away") or not _inhabited(home):
        # So are the services that lived in it; their files are not.
        reachable += [
            {**undo, "writes": [], "expected": [], "commands": [], "rescue": [], "checks": []}
            for undo in elsewhere
            if undo.get("files")
        ]
        return reachable, [], "its network namespace is gone, and its values with it"
    lost = [
        Leftover(path, netns, text, f"in namespace {home}", command_for(path, text, netns))
        for undo in elsewhere
        for path, netns, text in undo["expected"]
    ]
    lost += [
        Leftover(undo["name"], "", "as it was", f"in namespace {home}", "tactician recover")
        for undo in elsewhere
        if undo.get("commands")
    ]
    return reachable, lost, f"belongs to namespace {home}; run recover inside it"


def _inhabited(namespace: str) -> bool:
    """Whether some process still lives in a network namespace."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.readlink(f"/proc/{name}/ns/net") == namespace:
                    return True
            except OSError:
                continue
    return False


def _tear_down(header: dict[str, Any]) -> None:
    """Run the recorded teardown argv; its failure must not undo the restore."""
    argv = header.get("teardown")
    if argv:
        environment = header.get("teardown_environment") or os.environ
        commands.run(argv, environment, _TEARDOWN_SECONDS, directory=header.get("directory") or "/")


def _finish(path: Path) -> None:
    try:
        journal.JournalFile.open(path).close()
    except FileNotFoundError:
        return  # somebody else restored from it at the same moment, and finished first
