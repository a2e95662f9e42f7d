"""Takes back what was applied, by its journal alone: the run's history may be gone by then."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tactician.errors import OperatorError, Problem, RestoreError
from tactician.operations import helped
from tactician.system.applications import note_name, settle
from tactician.system.home import Home, recorded_homes
from tactician.system.hostlock import HostLock
from tactician.undo.applied import begun, laid_over, take_back
from tactician.undo.recover import Recovery, leftover_journals, recover_folder


def revert(home: Home, run_id: str | None = None) -> Recovery:
    """Take back what was applied; the latest where no run is named.

    Raises:
        OperatorError: nothing is applied, or a later application changed the same places.
        RestoreError: some value could not be put back.
    """
    if not helped.is_ours(home.applied, run_id):
        with helped.application(run_id) as found:
            if found is not None:
                connection, known = found
                return helped.revert(connection, known["run_id"])
    path = chosen(home, run_id, "revert")
    _refuse_out_of_order(home, path)
    lock = HostLock()
    lock.acquire()
    try:
        recovery = take_back(path)
    except FileNotFoundError:
        raise OperatorError(f"run {path.stem} was taken back at this very moment") from None
    finally:
        lock.release()
    if recovery is None:
        raise OperatorError(f"run {path.stem} is being applied at this moment; try again")
    if recovery.leftovers:
        raise RestoreError([Problem(leftover.path, str(leftover)) for leftover in recovery.leftovers])
    home.unregister(note_name(path.stem))
    return recovery


def recover_everywhere(home: Home) -> list[Recovery]:
    """Restore what dead runs left, and take back applications that were cut short or not confirmed.

    In this home and, as root, in those that tuners recorded.
    """
    recoveries = recover_folder(home.journals) + settle(home)
    for other, note in recorded_homes():
        recoveries += recover_folder(other.journals) + settle(other)
        if not leftover_journals(other.journals) and not leftover_journals(other.applied):
            with contextlib.suppress(OSError):
                note.unlink()
    return recoveries


def chosen(home: Home, run_id: str | None, verb: str) -> Path:
    """Return the journal of the application that is meant; the latest where no run is named.

    Raises:
        OperatorError: there is none.
    """
    applied = sorted(leftover_journals(home.applied), key=lambda path: (begun(path), path.stem))
    meant = [path for path in applied if run_id in (None, "last") or path.stem.startswith(str(run_id))]
    if not meant:
        known = ", ".join(path.stem for path in applied) or "none"
        raise OperatorError(
            f"nothing to {verb}{f' for run {run_id}' if run_id else ''}; applied runs: {known}"
        )
    return meant[-1]


def _refuse_out_of_order(home: Home, path: Path) -> None:
    """A later application of the same places took this one's values for originals."""
    if (later := laid_over(path, home.applied)) is not None:
        other, places = later
        raise OperatorError(
            f"run {other} was applied later and changed {', '.join(places)} as well; "
            f"take that back first: tactician revert {other}"
        )
