"""What was applied on purpose: kept, awaiting a confirmation, or overdue and to be taken back.

The journal of an application lies in ``applied/`` and has these lines beside those of every journal:

==========  ===================================================================================
applying    who is at it: ``pid``, ``start``; without ``applied`` after it, it was cut short
applied     everything is in place
armed       to be taken back at ``deadline_s`` of the boot clock, unless ``confirmed`` comes first;
            ``stated`` is the local time that the operator was told
held        the process that waits for that moment: ``pid``, ``start``
confirmed   it stays
placed      files for the boot are written, and set these ``values``: path and text
folders     of files that were placed: ``path``, ``made``, ``before_ns`` and ``after_ns`` (mtime)
==========  ===================================================================================

The boot clock counts through a suspend, and no change of the date moves it.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tactician.undo import files, journal, processes, recover
from tactician.undo.journal import append, locked
from tactician.undo.restore import restore

Phase = Literal["applying", "half", "kept", "unconfirmed", "expired", "gone"]
OVERDUE: frozenset[Phase] = frozenset({"half", "expired", "gone"})
"""To be taken back by whoever finds it."""


class Application(NamedTuple):
    """One journal of an application, judged now.

    Attributes:
        path: the journal.
        run_id: of the run whose winner was applied.
        phase: ``half`` was cut short; ``gone`` ended with a restart of the host and left nothing.
        remaining_s: until it is taken back; 0 where no time was set.
        stated: the local time of that moment, as the operator was told.
        guardian: pid of the process that waits for it, None where there is none.
        namespace: the network namespace in which it was applied.
    """

    path: Path
    run_id: str
    phase: Phase
    remaining_s: float = 0.0
    stated: str = ""
    guardian: int | None = None
    namespace: str = ""


def boot_clock() -> float:
    """Return seconds since the boot, those of a suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def look(path: Path) -> Application:
    """Judge one journal.

    Raises:
        OSError: it cannot be read; FileNotFoundError where it was taken back already.
    """
    content = journal.read(path)
    latest = {entry["kind"]: entry for entry in content.entries}
    run_id = str(content.header.get("run_id", path.stem))
    rebooted = content.header.get("boot_id") not in ("", None, files.boot_identity())
    armed = None if "confirmed" in latest else latest.get("armed")
    found = Application(path, run_id, "kept", namespace=str(content.header.get("namespace", "")))
    if "applying" in latest and "applied" not in latest:
        # Whoever asks about its own has given up on it.
        busy = not rebooted and _alive(latest["applying"]) and latest["applying"].get("pid") != os.getpid()
        return found._replace(phase="applying" if busy else "half")
    if armed is not None:
        remaining = 0.0 if rebooted else max(0.0, _deadline(armed) - boot_clock())
        phase: Phase = "unconfirmed" if remaining > 0 else "expired"
        return found._replace(
            phase=phase, remaining_s=remaining, stated=str(armed.get("stated", "")), guardian=_holder(latest)
        )
    if rebooted and not any(undo.get("files") for undo in content.pending()):
        return found._replace(phase="gone")
    return found


def look_at_all(folder: Path) -> list[Application]:
    """Judge every journal in ``folder``; one that nobody can read is left to those who try to use it."""
    found = []
    for path in recover.leftover_journals(folder):
        with contextlib.suppress(OSError):
            found.append(look(path))
    return found


def confirm(path: Path) -> Application:
    """Let it stay, if the time for that is not over; return what was found.

    Raises:
        OSError: the journal cannot be written; FileNotFoundError where it was taken back already.
    """
    with locked(path):
        found = look(path)
        if found.phase == "unconfirmed":
            append(path, {"kind": "confirmed"})
    return found


def take_back(path: Path, only: frozenset[Phase] | None = None) -> recover.Recovery | None:
    """Undo an application; None where it is being made at this moment, or is in none of the phases ``only``.

    Raises:
        OSError: the journal cannot be read; FileNotFoundError where it was taken back already.
    """
    with locked(path):
        phase = look(path).phase
        if phase == "applying" or (only is not None and phase not in only):
            return None
        content = journal.read(path)
        folders = _folders(content)
        untouched = [folder for folder in folders if _mtime(folder["path"]) == folder.get("after_ns")]
        changed, leftovers = restore(_set_by_the_boot(content))
        if leftovers:
            return recover.Recovery(path.stem, changed, leftovers, 0)
        recovery = recover.recover_locked(path)
        if recovery is not None and not recovery.leftovers:
            _tidy(folders, untouched)
    return None if recovery is None else recovery._replace(changed=changed + recovery.changed)


def take_back_overdue(folder: Path) -> list[recover.Recovery]:
    """Undo whatever in ``folder`` was cut short, or was to be confirmed and was not."""
    taken = []
    for found in look_at_all(folder):
        if found.phase in OVERDUE:
            with contextlib.suppress(FileNotFoundError):  # its guardian was faster
                recovery = take_back(found.path, OVERDUE)
                # A restart that left nothing to do is no news.
                if recovery is not None and found.phase != "gone":
                    taken.append(recovery)
    return taken


def laid_over(path: Path, folder: Path) -> tuple[str, list[str]] | None:
    """Return a later application that changed the same places, and those; None where there is none."""
    order = {other: begun(other) for other in recover.leftover_journals(folder)}
    own = _places(path)
    for other, moment in order.items():
        if other != path and moment > order[path] and (shared := own & _places(other)):
            return other.stem, sorted(shared)
    return None


def begun(path: Path) -> str:
    """Return when an application was begun; empty where its journal does not say."""
    try:
        return str(journal.read(path).header.get("started", ""))
    except OSError:
        return ""


def _places(path: Path) -> set[str]:
    places: set[str] = set()
    for undo in journal.read(path).pending():
        places |= {place for place, _, _ in undo["expected"]}
        places |= {kept["path"] for kept in undo.get("files", ())}
    return places


def _holder(latest: dict[str, journal.Entry]) -> int | None:
    held = latest.get("held")
    return int(held["pid"]) if held is not None and _alive(held) else None


def _alive(entry: journal.Entry) -> bool:
    pid, start = entry.get("pid"), entry.get("start")
    return isinstance(pid, int) and isinstance(start, int) and pid > 0 and processes.is_alive(pid, start)


def _deadline(armed: journal.Entry) -> float:
    """Return the moment on the boot clock; one that is no number is over."""
    moment = armed.get("deadline_s")
    return float(moment) if isinstance(moment, (int, float)) and math.isfinite(moment) else 0.0


def _folders(content: journal.Content) -> list[dict[str, Any]]:
    """Return what was noted of folders, the later note on each; outer ones first."""
    noted: dict[str, dict[str, Any]] = {}
    for entry in content.entries:
        if entry["kind"] == "folders":
            for folder in entry.get("folders", ()):
                noted[folder["path"]] = {**noted.get(folder["path"], {}), **folder}
    return [noted[path] for path in sorted(noted, key=len)]


def _set_by_the_boot(content: journal.Content) -> list[dict[str, Any]]:
    """Return the undos of values that this boot has read from our own files, and that still show them.

    A value that shows anything else was set by somebody else, and is not ours to move.
    """
    if content.header.get("boot_id") in ("", None, files.boot_identity()):
        return []
    placed = {
        path: text
        for entry in content.entries
        for path, text in entry.get("values", ())
        if entry["kind"] == "placed"
    }
    return [
        {**undo, "files": [], "commands": [], "rescue": [], "checks": []}
        for undo in content.pending()
        if any(_shows(path, placed.get(path)) for path, _, _ in undo["expected"])
    ]


def _shows(path: str, text: str | None) -> bool:
    try:
        return text is not None and files.same_text(files.read_text(path), text)
    except OSError:
        return False


def _tidy(folders: list[dict[str, Any]], untouched: list[dict[str, Any]]) -> None:
    """Remove the folders that were made and are empty again, and give the others their times back."""
    for folder in reversed(folders):
        if folder["made"]:
            with contextlib.suppress(OSError):
                Path(folder["path"]).rmdir()
    for folder in untouched:
        # Another file came or went since: then the time is not ours to set.
        with contextlib.suppress(OSError):
            if not folder["made"]:
                os.utime(folder["path"], ns=(Path(folder["path"]).stat().st_atime_ns, folder["before_ns"]))


def _mtime(path: str) -> int | None:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None
