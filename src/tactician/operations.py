"""What an operator does with a run that is over: apply, revert, recover, export."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from oppertune.core.values import Value
from tactician import catalogue
from tactician.config import parse_experiment
from tactician.errors import OperatorError, PreflightError, Problem, RefusedError, RestoreError
from tactician.experiment import Experiment
from tactician.interrupts import Interrupts
from tactician.options import Options
from tactician.plan import make_plan
from tactician.ports import Place
from tactician.storage.records import RunRecord
from tactician.system import namespace
from tactician.system.files import RealHost
from tactician.system.guarding import NoGuardian, RunJournal, run_header
from tactician.system.home import Home, recorded_homes
from tactician.system.hostlock import HostLock
from tactician.system.preflight import inspect
from tactician.system.sysctl import file_knob, path_of
from tactician.transaction import Transaction
from tactician.undo.recover import Recovery, leftover_journals, recover_folder, recover_journal
from tactician.undo.restore import command_for, sysctl_name
from tactician.wiring import check

FORMATS = ("sysctl", "sh")
_REFERENCES = {"original": "what was set before", "kernel defaults": "that kernel's own defaults"}


class Applied(NamedTuple):
    """What ``apply`` did.

    Attributes:
        changed: parameters and their new values.
        unchanged: parameters that had their value already.
        by_hand: parameters that are no places on the host: arguments of the benchmark's command.
    """

    changed: dict[str, Value]
    unchanged: tuple[str, ...]
    by_hand: dict[str, Value]


class _Kept(Transaction):
    """A transaction whose changes stay when it ends well."""

    def keep(self) -> None:
        self._undos.clear()


def apply_run(record: RunRecord, home: Home, root: str = "") -> Applied:
    """Put a run's winner in place, with a journal by which :func:`revert` takes it back.

    Raises:
        RefusedError: the run proved nothing, was simulated, or was made in a namespace that is gone.
        PreflightError, LockHeldError: it cannot be done now; nothing was written.
        HostError: a value was refused; everything is as it was.
    """
    _refuse_to_apply(record)
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    check(experiment, Options(allow_durability=experiment.names))
    netns = namespace.path_of(experiment.network_namespace)
    path = home.applied / f"{record.id}.jsonl"
    if path.exists():
        raise RefusedError(
            [Problem("", f"run {record.id} is applied already; tactician revert {record.id} takes it back")]
        )
    lock = HostLock(netns)
    lock.acquire()
    try:
        host = RealHost(root)
        seen = inspect(experiment, host, netns)
        if seen.problems:
            raise PreflightError(seen.problems)
        best: dict[str, Value] = dict(record.result["best_config"]) if record.result else {}
        on_host = {knob.name for knob in seen.knobs}
        current = {knob.place: host.read(knob.place) for knob in seen.knobs}
        plan = make_plan(seen.knobs, current, best, seen.experiment.constraints)
        header = {**run_header(record.id, teardown=None, environment={}), "pid": None, "pid_start": None}
        journal = RunJournal.create(home.applied, header)
        try:
            with _Kept(host, journal, NoGuardian(), Interrupts()) as transaction:
                transaction.apply(plan)
                transaction.keep()
        except BaseException:
            journal.file.discard()
            raise
        journal.file.release()
        if not plan.changes:
            path.unlink(missing_ok=True)
    finally:
        lock.release()
    changed = {name: value for change in plan.changes for name, value in change.values}
    return Applied(
        changed, plan.unchanged, {name: value for name, value in best.items() if name not in on_host}
    )


def revert(home: Home, run_id: str | None = None) -> Recovery:
    """Take back what was applied; the latest where no run is named.

    Raises:
        OperatorError: nothing is applied.
        RestoreError: some value could not be put back.
    """
    applied = sorted(leftover_journals(home.applied), key=lambda path: path.stat().st_mtime)
    chosen = [path for path in applied if run_id is None or path.stem.startswith(run_id)]
    if not chosen:
        known = ", ".join(path.stem for path in applied) or "none"
        raise OperatorError(
            f"nothing to revert{f' for run {run_id}' if run_id else ''}; applied runs: {known}"
        )
    lock = HostLock()
    lock.acquire()
    try:
        recovery = recover_journal(chosen[-1])
    finally:
        lock.release()
    if recovery is None:
        raise OperatorError(f"run {chosen[-1].stem} is being applied at this moment; try again")
    if recovery.leftovers:
        raise RestoreError([Problem(leftover.path, str(leftover)) for leftover in recovery.leftovers])
    return recovery


def recover_everywhere(home: Home) -> list[Recovery]:
    """Restore what dead runs left behind, in this home and, as root, in those that tuners recorded."""
    recoveries = recover_folder(home.journals)
    for other, note in recorded_homes():
        recoveries += recover_folder(other.journals)
        if not leftover_journals(other.journals):
            with contextlib.suppress(OSError):
                note.unlink()
    return recoveries


def export(record: RunRecord, form: str) -> str:
    """Return a run's best configuration as a sysctl.d file or as a shell script with its own undo.

    Raises:
        RefusedError: there is no such format, or the run has no winner.
    """
    if form not in FORMATS:
        raise RefusedError([Problem("--format", f"{form!r} is unknown; there are {', '.join(FORMATS)}")])
    if record.summary.dry_run:
        raise RefusedError([Problem("", f"run {record.id} was a dry run: its benchmark was simulated")])
    if record.result is None or not record.result.get("significant"):
        raise RefusedError([Problem("", f"run {record.id} has no proven winner; there is nothing to export")])
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    best = dict(record.result["best_config"])
    header = _export_header(record)
    texts = _texts(experiment, best, dict(record.original))
    if form == "sysctl":
        lines = [f"{sysctl_name(path)} = {new}" for path, new, _ in texts if path.startswith("/proc/sys/")]
        return "\n".join([*header, *lines, ""])
    forward = [f"    {command_for(path, new)}" for path, new, _ in texts]
    backward = [f"    {command_for(*_way_back(path, old))}" for path, _, old in reversed(texts)]
    usage = '*) echo "usage: $0 [apply|undo]" >&2; exit 2 ;;'
    lines = ["#!/bin/sh", *header, "set -eu", 'case "${1:-apply}" in']
    lines += ["apply)", *forward, "    ;;", "undo)", *backward, "    ;;", usage, "esac", ""]
    return "\n".join(lines)


def _texts(
    experiment: Experiment, best: dict[str, Value], original: dict[str, Value]
) -> list[tuple[str, str, str]]:
    """Return (path, new text, old text) per place; fields of one key are joined where all are known."""
    host = RealHost()
    texts: dict[str, tuple[str, str]] = {}
    for tuned in experiment.parameters:
        if not tuned.on_host or tuned.name not in best:
            continue
        knob = file_knob(tuned)
        try:
            shown = host.read(knob.place)
        except OSError:
            shown = str(original.get(tuned.name, ""))
        new, old = texts.get(knob.place.path, (shown, shown))
        texts[knob.place.path] = (knob.encode(new, best[tuned.name]), knob.encode(old, original[tuned.name]))
    return [(path, new, old) for path, (new, old) in texts.items()]


def _way_back(path: str, old: str) -> tuple[str, str]:
    """Return what to write; of a pair whose zero cannot be written, the half that can."""
    known = catalogue.entry(sysctl_name(path))
    for name in known.pair if known and old.strip() == "0" else ():
        with contextlib.suppress(OSError):
            other = RealHost().read(Place(path_of(name)))
            if other.strip() not in ("", "0"):
                return path_of(name), other
    return path, old


def _export_header(record: RunRecord) -> Sequence[str]:
    result: Any = record.result or {}
    lines = [f"# {record.summary.workload_name}: {result['reward_metric']}"]
    for verdict in result["verdicts"]:
        against = _REFERENCES.get(verdict["reference"], verdict["reference"])
        if verdict["significant"] and verdict["interval"]:
            low, high = verdict["interval"]
            lines.append(f"# {verdict['improvement']:+.1f} % [{low:+.1f}, {high:+.1f}] against {against}")
        else:
            lines.append(f"# no significant improvement against {against}")
    return [*lines, f"# tactician run {record.id} on {record.host.get('kernel', 'an unknown kernel')}"]


def _refuse_to_apply(record: RunRecord) -> None:
    export_hint = f"tactician export {shlex.quote(record.id)} --format sysctl writes the values to a file"
    reason = ""
    if record.summary.throw_away:
        reason = f"it was made in a throw-away network namespace, and this host is another one; {export_hint}"
    elif record.summary.dry_run:
        reason = "it was a dry run: its benchmark was simulated"
    elif record.result is None:
        reason = f"it is {record.summary.state} and has no result"
    elif not record.result.get("significant"):
        reason = "it proved no improvement; keep what you have"
    if reason:
        raise RefusedError([Problem("", f"run {record.id} is not applied: {reason}")])
