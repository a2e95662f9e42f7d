"""Applies, confirms and reverts for a caller who is not root, through the root helper.

The helper owns such an application: journal, guardian and timer are on its side, so that it stands and falls
without us. What is not of the kernel is not offered: the way back of a service would be another journal, and
the two could part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tactician.errors import GuardianError, OperatorError, Problem, RefusedError, RestoreError
from tactician.experiment import Experiment
from tactician.interrupts import Interrupts
from tactician.plan import Plan
from tactician.system.guarding import NoGuardian, NoJournal
from tactician.system.helper_client import HelperConnection, find_helper
from tactician.system.helper_host import Helped
from tactician.transaction import Transaction
from tactician.undo.recover import Recovery

_SUDO = "do it as root: sudo tactician"


def refuse_unhelped(experiment: Experiment, *, persist: bool) -> None:
    """Refuse what the helper does not do for us. Raises RefusedError with what to do."""
    problems = []
    if persist:
        message = f"the root helper writes no files for the boot; {_SUDO} apply --persist"
        problems.append(Problem("--persist", message))
    served = [tuned.name for tuned in experiment.parameters if tuned.kind == "service"]
    if served:
        message = "the root helper applies kernel values only, and a result is applied as a whole"
        problems.append(Problem(", ".join(served), f"{message}; {_SUDO} apply"))
    if problems:
        raise RefusedError(problems)


def write(helped: Helped, plan: Plan, within_s: float | None) -> str:
    """Write a plan through the helper, and let it stay; return until when it is to be confirmed.

    Args:
        helped: which has begun.
        plan: what to write.
        within_s: take it back after so many seconds unless it is confirmed.

    Raises:
        HostError: a value was refused, or nobody holds the timer; everything is as it was.
        Interrupted: a signal arrived; everything is as it was.
    """
    journal, guardian = helped.ports(NoJournal(), NoGuardian())
    interrupts = Interrupts()
    with interrupts.installed(), Transaction(helped.host, journal, guardian, interrupts) as transaction:
        transaction.apply(plan)
        try:
            stated = str(helped.connection.call("keep", within_s=within_s)["stated"])
        except OSError as error:
            raise GuardianError(f"the root helper lets nothing stay: {error.strerror}") from error
        transaction.keep()
    return stated


@contextlib.contextmanager
def application(run_id: str | None) -> Iterator[tuple[HelperConnection, dict[str, Any]] | None]:
    """Find what the root helper has applied for us, the latest where no run is named; None where nothing.

    Raises:
        PreflightError: the helper does not answer.
    """
    path = find_helper()
    if not path:
        yield None
        return
    connection = HelperConnection(path)
    try:
        found = connection.call("applications")["applications"]
        meant = [one for one in found if run_id in (None, "last") or one["run_id"].startswith(run_id)]
        yield (connection, meant[-1]) if meant else None
    finally:
        connection.close()


def confirm(connection: HelperConnection, run_id: str) -> float:
    """Let an application stay; return how much of its time was left, in seconds. Raises OperatorError."""
    return float(_asked(connection, "confirm", run_id)["remaining_s"])


def revert(connection: HelperConnection, run_id: str) -> Recovery:
    """Take an application back.

    Raises:
        OperatorError: it cannot be done now, with the reason.
        RestoreError: some value could not be put back.
    """
    said = _asked(connection, "revert", run_id)
    if said["leftovers"]:
        raise RestoreError(
            [
                Problem(path, f"shows {found!r}, was {wanted!r}; {way_back}")
                for path, found, wanted, way_back in said["leftovers"]
            ]
        )
    changed = [(str(path), str(found)) for path, found in said["changed"]]
    return Recovery(run_id, changed, [], 0, str(said["note"]))


def is_ours(folder: Path, run_id: str | None) -> bool:
    """Whether this user's own home holds an application that may be meant."""
    named = "" if run_id in (None, "last") else str(run_id)
    return any(path.stem.startswith(named) for path in folder.glob("*.jsonl"))


def _asked(connection: HelperConnection, do: str, run_id: str) -> dict[str, Any]:
    try:
        return connection.call(do, run_id=run_id)
    except OSError as error:
        raise OperatorError(str(error.strerror or error)) from error
