"""The operator's word that what was applied may stay: before the deadline, and not a moment after."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tactician.errors import HostError, OperatorError, Problem, RefusedError, RestoreError
from tactician.operations import helped
from tactician.operations.persisting import Planned, intended, overridden, place
from tactician.operations.reverting import chosen
from tactician.system.applications import unconfirmed
from tactician.system.home import Home
from tactician.system.hostlock import HostLock
from tactician.undo import applied, journal


class Confirmed(NamedTuple):
    """What ``confirm`` did.

    Attributes:
        run_id: of the run that stays.
        remaining_s: how much of the time was left.
        files: written so that the values return at every boot.
    """

    run_id: str
    remaining_s: float
    files: tuple[str, ...]


def confirm(home: Home, run_id: str | None = None, root: str = "") -> Confirmed:
    """Let an application stay; the one that waits where no run is named.

    Raises:
        OperatorError: there is none, or it awaits nothing.
        RefusedError: files that came since would override it at a boot; the time goes on.
        HostError: the time is over, and everything was taken back.
        RestoreError: the time is over, and not everything could be taken back.
    """
    if not helped.is_ours(home.applied, run_id):
        with helped.application(run_id) as found_there:
            if found_there is not None:
                connection, known = found_there
                left_s = helped.confirm(connection, known["run_id"])
                return Confirmed(known["run_id"], left_s, ())
    path = _meant(home, run_id)
    try:
        planned = _intended(path)
        if applied.look(path).phase == "unconfirmed" and (problems := overridden(planned.files, root)):
            raise RefusedError(problems)
        found = applied.confirm(path)
        if found.phase in applied.OVERDUE:
            _too_late(path, found)
        # A crash between the word and the files leaves the files to the next confirm.
        if found.phase != "unconfirmed" and not planned:
            raise OperatorError(f"run {found.run_id} awaits no confirmation; it stays until it is reverted")
        with journal.locked(path):
            place(planned, path, root)
    except FileNotFoundError:
        raise OperatorError(f"run {path.stem} was taken back: its time to be confirmed was over") from None
    return Confirmed(found.run_id, found.remaining_s, planned.paths)


def _meant(home: Home, run_id: str | None) -> Path:
    waiting = unconfirmed(home)
    if run_id in (None, "last") and waiting:
        return waiting[-1].path
    try:
        return chosen(home, run_id, "confirm")
    except OperatorError:
        if run_id is not None and (retired := _retired(home, run_id)):
            raise OperatorError(
                f"run {retired} was taken back already: its time was over, or it was reverted; "
                f"tactician apply {retired} --confirm-within 10m puts it in place again"
            ) from None
        raise


def _retired(home: Home, run_id: str) -> str:
    closed = sorted((home.applied / "closed").glob("*.jsonl"))
    return next((path.stem for path in reversed(closed) if path.stem.startswith(run_id)), "")


def _intended(path: Path) -> Planned:
    """Return the files that the confirmation is to bring, unless they are in place."""
    latest = {entry["kind"]: entry for entry in journal.read(path).entries}
    if "intended" not in latest or "placed" in latest:
        return Planned()
    return intended(latest["intended"])


def _too_late(path: Path, found: applied.Application) -> None:
    lock = HostLock()
    lock.acquire()
    try:
        recovery = applied.take_back(path, applied.OVERDUE)
    finally:
        lock.release()
    if recovery is not None and recovery.leftovers:
        raise RestoreError([Problem(left.path, str(left)) for left in recovery.leftovers])
    raise HostError(
        f"run {found.run_id} was to be confirmed until {found.stated or 'a restart of the host'}; "
        f"that is over, and everything is as it was before"
    )
