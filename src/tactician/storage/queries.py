"""The history's questions to the database, and its rows as records."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Select, case, func, select

from tactician.errors import UnknownRunError
from tactician.storage.records import MeasurementRecord, Purpose, RunRecord, RunState, RunSummary, outcome_of
from tactician.storage.schema import measurements, runs
from tactician.undo import processes

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def own_process() -> dict[str, Any]:
    """The calling process as columns of a run: pid, start and boot tell it from a later one of its number."""
    found = processes.status(os.getpid())
    return {"pid": os.getpid(), "pid_start": None if found is None else found.start, "boot_id": _boot_id()}


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return None


def crashed(row: RowMapping) -> bool:
    """Whether a run says that it is running while its process is gone."""
    if row["state"] != "running" or row["pid"] is None or row["pid_start"] is None:
        return False
    return row["boot_id"] != _boot_id() or not processes.is_alive(row["pid"], row["pid_start"])


def summaries() -> Select[Any]:
    """The query for all runs, newest first, each with the number of its trials."""
    trials = measurements.c.purpose == "trial"
    # A trial that was ended early because enough was known has a reward, and did not fail.
    went_well = (measurements.c.status == "measured") | (
        (measurements.c.status == "aborted") & measurements.c.reward.is_not(None)
    )
    counts = (
        select(
            measurements.c.run_id,
            func.count().label("trials"),
            func.sum(case((went_well, 0), else_=1)).label("failed_trials"),
        )
        .where(trials)
        .group_by(measurements.c.run_id)
        .subquery()
    )
    return (
        select(runs, counts.c.trials, counts.c.failed_trials)
        .outerjoin(counts, counts.c.run_id == runs.c.id)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
    )


def summary(row: RowMapping) -> RunSummary:
    """One row of :func:`summaries`."""
    result = row["result"] or {}
    return RunSummary(
        id=row["id"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        state=cast("RunState", row["state"]),
        crashed=crashed(row),
        workload_name=row["workload_name"],
        algorithm=row["algorithm"],
        dry_run=row["dry_run"],
        throw_away=row["throw_away"],
        trials=row["trials"] or 0,
        failed_trials=row["failed_trials"] or 0,
        improvement=result.get("improvement"),
        significant=bool(result.get("significant", False)),
    )


def record(connection: Connection, run_id: str) -> RunRecord:
    """The run with exactly this id, with its measurements."""
    row = connection.execute(summaries().where(runs.c.id == run_id)).mappings().one()
    found = select(measurements).where(measurements.c.run_id == run_id).order_by(measurements.c.sequence)
    return RunRecord(
        summary=summary(row),
        document=row["document"],
        random_seed=row["random_seed"],
        network_namespace=row["network_namespace"],
        host=row["host"],
        original=row["original"] or {},
        baseline=row["baseline"] or {},
        result=row["result"],
        pid=row["pid"],
        pid_start=row["pid_start"],
        boot_id=row["boot_id"],
        measurements=tuple(_measurement(entry) for entry in connection.execute(found).mappings()),
    )


def _measurement(row: RowMapping) -> MeasurementRecord:
    return MeasurementRecord(
        run_id=row["run_id"],
        sequence=row["sequence"],
        purpose=cast("Purpose", row["purpose"]),
        number=row["number"],
        arm=row["arm"],
        reference=row["reference"],
        outcome=outcome_of(dict(row)),
        request_id=row["request_id"],
        context=row["context"],
        started_at=row["started_at"],
    )


def resolved(connection: Connection, prefix: str) -> str:
    """The id that this is, or that alone begins like this.

    Raises:
        UnknownRunError: none or several do; the message names the nearest.
    """
    ids = _ids(connection)
    if prefix in ids:
        return prefix
    matches = [run_id for run_id in ids if prefix and run_id.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownRunError(f"{len(matches)} runs begin with {prefix!r}: {', '.join(matches[-5:])}")
    raise UnknownRunError(unknown(connection, prefix))


def unknown(connection: Connection, wanted: str) -> str:
    """The message for a run that does not exist."""
    ids = _ids(connection)
    if not ids:
        return f"there is no run {wanted!r}: the history holds none yet"
    near = difflib.get_close_matches(wanted, ids, n=3, cutoff=0.5) or ids[-1:]
    return f"there is no run {wanted!r}; the nearest: {', '.join(near)}"


def _ids(connection: Connection) -> list[str]:
    return list(connection.execute(select(runs.c.id).order_by(runs.c.id)).scalars())
