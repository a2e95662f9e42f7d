"""Keeps every trial of every run as it happens, so that a crash costs at most the one under way."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tactician.errors import MisuseError, UnknownRunError
from tactician.events import BaselineMeasured, Event, RunFinished, RunStarted, TrialFinished, VerificationRun
from tactician.experiment import Experiment
from tactician.outcomes import Configuration, Outcome
from tactician.storage import queries
from tactician.storage.database import Database
from tactician.storage.errors import HistoryError
from tactician.storage.records import (
    RUN_STATES,
    MeasurementRecord,
    Purpose,
    RunRecord,
    RunState,
    RunSummary,
    outcome_columns,
    plain,
    storable,
)
from tactician.storage.schema import measurements, runs

_log = logging.getLogger(__name__)
_STATE_AFTER: dict[str, RunState] = {
    "interrupted": "interrupted",
    "failures": "stopped",
    "safety": "stopped",
    "error": "failed",
}


def new_run_id(now: datetime | None = None) -> str:
    """A fresh id, ``YYYYMMDD-HHMMSS-xxxx``: UTC, sortable, and different for runs of one second."""
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class History:
    """All runs of one host.

    Args:
        path: of the SQLite file; made where it is missing.
        clock: gives the time with its zone.

    Raises:
        HistoryError: the file cannot be opened, made or migrated.
        NewerHistoryError: a newer version of Tactician wrote it.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] | None = None) -> None:
        self._database = Database(path)
        self._clock = clock if clock is not None else lambda: datetime.now(UTC)

    @property
    def path(self) -> Path:
        """Of the SQLite file."""
        return self._database.path

    # Writing

    def create_run(
        self,
        run_id: str,
        experiment: Experiment,
        *,
        dry_run: bool = False,
        host: Mapping[str, object] | None = None,
        random_seed: int | None = None,
        original: Configuration | None = None,
        baseline: Configuration | None = None,
    ) -> None:
        """Begin a run that belongs to the calling process; call it before anything is touched.

        Args:
            run_id: from :func:`new_run_id`.
            experiment: what is run.
            dry_run: whether the host is simulated.
            host: facts such as kernel, cores and memory.
            random_seed: the one that is used; the experiment's where it is None.
            original: what the host has; RunStarted brings it where it is not known yet.
            baseline: the baseline configuration, likewise.

        Raises:
            HistoryError: it cannot be written, for instance for want of space.
            MisuseError: there is such a run already.
        """
        namespace = experiment.network_namespace
        row = {
            "id": run_id,
            "started_at": self._now(),
            "state": "running",
            "workload_name": storable(experiment.workload_name),
            "algorithm": storable(experiment.algorithm),
            "document": plain(experiment.document),
            "random_seed": experiment.random_seed if random_seed is None else random_seed,
            "dry_run": dry_run,
            "throw_away": experiment.throw_away,
            "network_namespace": None if namespace is None else storable(namespace),
            "host": plain(host or {}),
            "original": None if original is None else plain(original),
            "baseline": None if baseline is None else plain(baseline),
            **queries.own_process(),
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(runs).values(row))
        except IntegrityError as error:
            raise MisuseError(f"there is a run {run_id} already") from error

    def continue_run(self, run_id: str) -> None:
        """Take over a run whose process is gone: it runs again, in the calling process.

        Raises:
            HistoryError: it cannot be written.
            UnknownRunError: there is no run with exactly this id.
            MisuseError: the process that runs it is alive.
        """
        with self._database.writing() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
            if row is None:
                raise UnknownRunError(queries.unknown(connection, run_id))
            if row["state"] == "running" and row["pid"] != os.getpid() and not queries.crashed(row):
                raise MisuseError(f"run {run_id} is still running, as process {row['pid']}")
            changes = {"state": "running", "finished_at": None, "result": None, **queries.own_process()}
            connection.execute(update(runs).where(runs.c.id == run_id).values(changes))

    def finish_run(self, run_id: str, state: RunState, result: Mapping[str, Any] | None = None) -> None:
        """Write how a run ended.

        Raises:
            HistoryError: it cannot be written.
            MisuseError: there is no such run, or no such state.
        """
        if state not in RUN_STATES:
            raise MisuseError(f"{state=} is none of {', '.join(RUN_STATES)}")
        changes: dict[str, Any] = {
            "state": state,
            "finished_at": None if state == "running" else self._now(),
            "result": None if result is None else plain(result),
        }
        with self._database.writing() as connection:
            if connection.execute(update(runs).where(runs.c.id == run_id).values(changes)).rowcount == 0:
                raise MisuseError(f"there is no run {run_id} to finish")

    def record(self, event: Event) -> None:
        """Write what one event says, if the history keeps it; on disk when this returns.

        Raises:
            HistoryError: it cannot be written.
            MisuseError: its run was never created.
        """
        match event:
            case RunStarted():
                self._begin(event)
            case BaselineMeasured():
                arm = "drift" if event.drift_check else ""
                self._measured(event.run_id, "baseline", event.number, event.outcome, arm=arm)
            case TrialFinished():
                request: dict[str, Any] = {
                    "request_id": storable(event.request_id),
                    "context": plain(event.context),
                }
                self._measured(event.run_id, "trial", event.number, event.outcome, **request)
            case VerificationRun():
                arms = {"arm": event.arm, "reference": event.reference_name}
                self._measured(event.run_id, "verification", event.round_number, event.outcome, **arms)
            case RunFinished():
                state = _STATE_AFTER.get(str(event.result.get("stopped_because")), "finished")
                self.finish_run(event.run_id, state, event.result)
            case _:
                pass

    def observer(self, warn: Callable[[str], None] | None = None) -> HistoryObserver:
        """An observer that writes every event and never ends the run.

        Args:
            warn: is told once when something cannot be written; the log where it is None.
        """
        return HistoryObserver(self, warn)

    # Reading

    def runs(self, limit: int | None = 20) -> list[RunSummary]:
        """The newest runs, newest first; all of them where ``limit`` is None.

        Raises:
            HistoryError: the file cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(queries.summaries().limit(limit)).mappings()
            return [queries.summary(row) for row in rows]

    def run(self, run_id_or_prefix: str) -> RunRecord:
        """One run by its id or by a beginning of it that no other run has.

        Raises:
            HistoryError: the file cannot be read.
            UnknownRunError: none or several begin like this; the message names the nearest.
        """
        with self._database.reading() as connection:
            return queries.record(connection, queries.resolved(connection, run_id_or_prefix))

    def latest(self) -> RunRecord:
        """The run that began last.

        Raises:
            HistoryError: the file cannot be read.
            UnknownRunError: there is none yet.
        """
        with self._database.reading() as connection:
            newest = select(runs.c.id).order_by(runs.c.started_at.desc(), runs.c.id.desc())
            run_id = connection.execute(newest).scalar()
            if run_id is None:
                raise UnknownRunError("the history holds no run yet")
            return queries.record(connection, run_id)

    def trials(self, run_id: str) -> list[MeasurementRecord]:
        """The trials of one run in their order, without baseline and verification.

        Raises:
            HistoryError: the file cannot be read.
            UnknownRunError: as for :meth:`run`.
        """
        return self.run(run_id).of("trial")

    # Helpers

    def _now(self) -> str:
        return _iso(self._clock())

    def _begin(self, event: RunStarted) -> None:
        found = select(runs.c.original, runs.c.id).where(runs.c.id == event.run_id)
        with self._database.reading() as connection:
            row = connection.execute(found).mappings().first()
        values = {"original": plain(event.original), "baseline": plain(event.baseline)}
        if row is None:
            self.create_run(event.run_id, event.experiment, dry_run=event.dry_run, **values)
        elif row["original"] is None:
            # A run that goes on keeps what it found the first time: that is what it promised to restore.
            with self._database.writing() as connection:
                connection.execute(update(runs).where(runs.c.id == event.run_id).values(values))

    def _measured(self, run_id: str, purpose: Purpose, number: int, outcome: Outcome, **more: Any) -> None:
        started = self._clock() - timedelta(seconds=outcome.seconds)
        row: dict[str, Any] = {"arm": "", "reference": "", "request_id": "", "context": {}}
        row |= {"run_id": run_id, "purpose": purpose, "number": number, "started_at": _iso(started)}
        row |= outcome_columns(outcome) | more
        try:
            with self._database.writing() as connection:
                last = select(func.max(measurements.c.sequence)).where(measurements.c.run_id == run_id)
                row["sequence"] = (connection.execute(last).scalar() or 0) + 1
                connection.execute(insert(measurements).values(row))
        except IntegrityError as error:
            raise MisuseError(f"a measurement of run {run_id}, which the history does not hold") from error


class HistoryObserver:
    """Writes events as they come; when that fails it warns once, and the run goes on.

    Attributes:
        lost: how many events could not be written.
    """

    def __init__(self, history: History, warn: Callable[[str], None] | None = None) -> None:
        self.lost = 0
        self._history = history
        self._warn = warn if warn is not None else _log.warning

    def __call__(self, event: Event) -> None:
        """Write the event if the history keeps its kind."""
        try:
            self._history.record(event)
        except HistoryError as error:
            self.lost += 1
            if self.lost == 1:
                # Later events are still tried: space may come back, and every row is worth having.
                self._warn(f"{error}; the run goes on, but what is not written cannot be resumed or shown")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
