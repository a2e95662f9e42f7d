"""Puts a run's winner in place: journalled, guarded while it is written, and perhaps on probation."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oppertune.core.values import Value
from tactician.config import parse_experiment
from tactician.errors import PreflightError, Problem, RefusedError, RestoreError
from tactician.experiment import Experiment
from tactician.interrupts import Interrupts
from tactician.operations import helped
from tactician.operations.persisting import Planned, intend, place, plan_files
from tactician.operations.settings import proven, settings_of
from tactician.options import Options
from tactician.plan import Plan, make_plan
from tactician.ports import Place, Undo
from tactician.storage.records import RunRecord
from tactician.system import namespace
from tactician.system.applications import awaiting, command, note_name, settle
from tactician.system.files import RealHost
from tactician.system.guarding import GuardianProcess, RunJournal, run_header
from tactician.system.helper_host import Helped, find_help
from tactician.system.home import Home
from tactician.system.hostlock import HostLock
from tactician.system.ownership import survey
from tactician.system.preflight import Preflight, inspect, misfits
from tactician.system.service.host import ServiceHost
from tactician.transaction import Transaction
from tactician.undo import processes
from tactician.undo.applied import boot_clock, look, take_back
from tactician.undo.journal import JournalFile, append
from tactician.wiring import check

LONGEST_S = 86400.0


class Confirmation(NamedTuple):
    """Until when, and how, an application is to be confirmed.

    Attributes:
        within_s: how long there was at first.
        until: the local time of its end.
        command: what to type.
    """

    within_s: float
    until: str
    command: str


class Applied(NamedTuple):
    """What ``apply`` did.

    Attributes:
        changed: parameters and their new values.
        unchanged: parameters that had their value already.
        by_hand: parameters that are no places on the host: arguments of the benchmark's command.
        files: written so that the values return at every boot; with a confirmation, once it has come.
        notices: what the operator should know: who else may set these values.
        confirm: None where nothing is to be confirmed.
    """

    changed: dict[str, Value]
    unchanged: tuple[str, ...]
    by_hand: dict[str, Value]
    files: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    confirm: Confirmation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {**self._asdict(), "confirm": None if self.confirm is None else self.confirm._asdict()}


class _Journal(RunJournal):
    """Knows the places by their real paths, also below another root."""

    def __init__(self, file: JournalFile, root: str) -> None:
        super().__init__(file)
        self._root = root

    def originals(self, undos: Sequence[Undo]) -> None:
        super().originals(
            [
                undo._replace(writes=self._below(undo.writes), expected=self._below(undo.expected))
                for undo in undos
            ]
        )

    def _below(self, pairs: Sequence[tuple[Place, str]]) -> tuple[tuple[Place, str], ...]:
        return tuple(
            (place if place.of_service else place._replace(path=self._root + place.path), text)
            for place, text in pairs
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for."""

    record: RunRecord
    home: Home
    root: str
    confirm_within_s: float | None
    persist: bool

    @property
    def path(self) -> Path:
        return self.home.applied / f"{self.record.id}.jsonl"


def apply_run(
    record: RunRecord,
    home: Home,
    root: str = "",
    *,
    confirm_within_s: float | None = None,
    persist: bool = False,
) -> Applied:
    """Put a run's winner in place, with a journal by which ``revert`` takes it back.

    Args:
        record: the run.
        home: where state lives.
        root: put before every path of the host; for tests.
        confirm_within_s: take everything back after so many seconds unless it is confirmed.
        persist: have it set at every boot too; with a time to confirm, from the confirmation on.

    Raises:
        RefusedError: the run proved nothing, was simulated, or was made in a namespace that is gone;
            another application awaits its confirmation; another file would override it at a boot.
        PreflightError, LockHeldError: it cannot be done now; nothing was written.
        HostError: a value was refused, or no guardian holds the timer; everything is as it was.
        Interrupted: a signal arrived; everything is as it was.
    """
    _refuse_to_apply(record, persist)
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    check(experiment, Options(allow_durability=experiment.names, allow_uncatalogued=experiment.names))
    wish = _Wish(record, home, root, confirm_within_s, persist)
    if not root and (help_found := find_help(experiment)) is not None:
        with contextlib.closing(help_found.connection):
            return _apply_helped(wish, experiment, help_found)
    lock = HostLock(namespace.path_of(experiment.network_namespace))
    lock.acquire()
    try:
        return _apply(wish, experiment, lock)
    finally:
        lock.release()


def _apply(wish: _Wish, experiment: Experiment, lock: HostLock) -> Applied:
    only_files = _stands_in_the_way(wish)
    host = RealHost(wish.root)
    seen, best = _fitting(wish, experiment, host)
    planned = Planned()
    if wish.persist:
        settings = settings_of(experiment, best, dict(wish.record.original), host)
        planned = plan_files(wish.record, settings, wish.root, seen.services)
    owners = [owner.notice for owner in survey(seen.experiment, wish.root)]
    done = _unwritten(seen, best, [*planned.notices, *_lasting(seen), *owners])._replace(files=planned.paths)
    if only_files:
        place(planned, wish.path, wish.root)
        return done
    plan = _plan(seen, ServiceHost(host, seen.services), best)
    if not plan.changes and not planned:
        return done
    confirmation = _write(wish, plan, planned, seen, lock)
    changed = {name: value for change in plan.changes for name, value in change.values}
    return done._replace(changed=changed, unchanged=plan.unchanged, confirm=confirmation)


def _apply_helped(wish: _Wish, experiment: Experiment, help_found: Helped) -> Applied:
    """Do it through the root helper, which takes hold of the host, and has journal and guardian."""
    helped.refuse_unhelped(experiment, persist=wish.persist)
    _stands_in_the_way(wish)
    help_found.connection.begin(wish.record.id, help_found.hold, apply=True)
    seen, best = _fitting(wish, experiment, help_found.host)
    done = _unwritten(seen, best, [owner.notice for owner in survey(seen.experiment)])
    plan = _plan(seen, ServiceHost(help_found.host, {}), best)
    if not plan.changes:
        return done
    stated = helped.write(help_found, plan, wish.confirm_within_s)
    return done._replace(
        changed={name: value for change in plan.changes for name, value in change.values},
        unchanged=plan.unchanged,
        confirm=None if wish.confirm_within_s is None else _confirmation(wish, wish.confirm_within_s, stated),
    )


def _fitting(wish: _Wish, experiment: Experiment, host: RealHost) -> tuple[Preflight, dict[str, Value]]:
    """Look at the host, and return what to apply to it. Raises PreflightError where that does not fit."""
    seen = inspect(experiment, host, namespace.path_of(experiment.network_namespace))
    if seen.problems:
        raise PreflightError(seen.problems)
    best = dict(proven(wish.record, "applied"))
    if wrong := misfits(seen, best):
        raise PreflightError(wrong)
    return seen, best


def _unwritten(seen: Preflight, best: Mapping[str, Value], notices: Sequence[str]) -> Applied:
    """Return what is so before anything is written."""
    names = tuple(knob.name for knob in seen.knobs)
    by_hand = {name: value for name, value in best.items() if name not in names}
    return Applied({}, names, by_hand, (), tuple(notices))


def _lasting(seen: Preflight) -> list[str]:
    """Say which services write their settings down by themselves, so that no boot ends them."""
    return [
        f"{name} keeps its settings in its own file: they stay over boots, until they are reverted"
        for name in seen.services
        if seen.experiment.services[name].type not in ("redis", "mysql")
    ]


def _plan(seen: Preflight, host: ServiceHost, best: Mapping[str, Value]) -> Plan:
    current = {knob.place: host.read(knob.place) for knob in seen.knobs}
    return make_plan(seen.knobs, current, best, seen.experiment.constraints)


def _write(wish: _Wish, plan: Plan, planned: Planned, seen: Preflight, lock: HostLock) -> Confirmation | None:
    """Write with a guardian at hand, and leave the host as it was if anything at all goes wrong."""
    header = {**run_header(wish.record.id, teardown=None, environment={}), "pid": None, "pid_start": None}
    journal = _Journal(RunJournal.create(wish.home.applied, header).file, wish.root)
    host = ServiceHost(RealHost(wish.root), seen.services, journal)
    own = processes.status(os.getpid())
    guardian = GuardianProcess(wish.path, lock)
    confirmation = None
    if not wish.root:
        wish.home.register(note_name(wish.record.id))
    try:
        append(wish.path, {"kind": "applying", "pid": os.getpid(), "start": own.start if own else 0})
        interrupts = Interrupts()
        with interrupts.installed(), Transaction(host, journal, guardian, interrupts) as transaction:
            guardian.ensure()
            transaction.apply(plan)
            if wish.confirm_within_s is None:
                place(planned, wish.path, wish.root)
            else:
                intend(planned, wish.path)
                confirmation = _arm(wish, wish.confirm_within_s)
            append(wish.path, {"kind": "applied"})
            if confirmation is not None:
                guardian.arm()
            transaction.keep()
    except RestoreError:
        raise  # the journal stays: by it the rest can be put back
    except BaseException:  # a signal too: half an application is none
        with contextlib.suppress(FileNotFoundError):
            take_back(wish.path)
        raise
    finally:
        guardian.dismiss()
        journal.file.release()
    return confirmation


def _arm(wish: _Wish, seconds: float) -> Confirmation:
    """Write the deadline down before anybody waits for it."""
    stated = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(time.time() + seconds))
    append(wish.path, {"kind": "armed", "deadline_s": boot_clock() + seconds, "stated": stated})
    return _confirmation(wish, seconds, stated)


def _confirmation(wish: _Wish, seconds: float, stated: str) -> Confirmation:
    return Confirmation(seconds, stated, command(wish.home, "confirm", wish.record.id))


def _stands_in_the_way(wish: _Wish) -> bool:
    """Refuse where something else is applied; True where only the files for the boot are still to be written.

    Raises:
        RestoreError: what is overdue cannot be taken back.
    """
    leftovers = [left for recovery in settle(wish.home) for left in recovery.leftovers]
    if leftovers:
        raise RestoreError([Problem(left.path, str(left)) for left in leftovers])
    if waiting := awaiting(wish.home):
        raise RefusedError(waiting)
    if not wish.path.exists():
        return False
    if wish.persist and look(wish.path).phase == "kept" and wish.confirm_within_s is None:
        return True
    run_id = wish.record.id
    raise RefusedError(
        [Problem("", f"run {run_id} is applied already; tactician revert {run_id} takes it back")]
    )


def _refuse_to_apply(record: RunRecord, persist: bool) -> None:
    hint = f"tactician export {record.id} --format sysctl writes the values to a file"
    if record.summary.throw_away:
        reason = f"it was made in a throw-away network namespace, and this host is another one; {hint}"
        raise RefusedError([Problem("", f"run {record.id} is not applied: {reason}")])
    proven(record, "applied")
    if persist and record.document.get("network_namespace"):
        reason = "a boot sets the values of the host's own network namespace only, and it was made in another"
        raise RefusedError([Problem("--persist", f"run {record.id} is not persisted: {reason}; {hint}")])
