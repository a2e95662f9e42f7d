"""Opens the history's file so that a crash loses nothing: durable commits, and migrations under a lock.

Choices that hold for every connection:

- WAL, so that ``tactician runs`` reads while a run writes.
- ``synchronous=FULL``: in WAL mode NORMAL would lose the last commits when the kernel dies, and here
  the kernel is what is being experimented with. A commit costs a few milliseconds between benchmarks
  of seconds.
- No pool: a connection lives for one transaction. Nothing is open while a benchmark runs or a process
  forks, and the last one to close folds the WAL back, so that between writes the file is complete.
- Writers begin with ``BEGIN IMMEDIATE``: SQLite's busy timeout does not cover a reader that turns
  writer half-way.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import NullPool

from tactician.storage.errors import HistoryError, NewerHistoryError
from tactician.storage.schema import REVISION

_BUSY_SECONDS = 5.0
_SMALLEST_FREE = 256 * 1024
_WRITING = "tactician_writing"
_ADVICE = "set TACTICIAN_HOME to a folder that can be written"


class Database:
    """One SQLite file, migrated to the newest schema on opening.

    Args:
        path: of the file; it and its folder are made where they are missing, for the owner alone.
        busy_seconds: how long a statement waits for another process's transaction.

    Raises:
        HistoryError: it cannot be opened, made or migrated.
        NewerHistoryError: a newer version of Tactician wrote it.
    """

    def __init__(self, path: Path, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.path = path
        self._engine = _engine(path, busy_seconds)
        self._writer = self._engine.execution_options(**{_WRITING: True})
        try:
            if self._revision() != REVISION:
                self._migrate()
        except (OSError, DatabaseError, sqlite3.Error) as error:
            # A cursor of the driver's own, as for the PRAGMA, raises the driver's own error.
            raise _explained(self.path, "opened", error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read transaction: a consistent view, whatever is written meanwhile.

        Raises:
            HistoryError: the file cannot be read.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as error:
            raise _explained(self.path, "read", error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, on disk when the block has ended, undone when the block raises.

        Raises:
            HistoryError: the file cannot be written.
            sqlalchemy.exc.IntegrityError: a row contradicts the schema; our bug or the caller's.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise _explained(self.path, "written", error) from error

    def _revision(self) -> str | None:
        """Which migration the file has seen last; None for a file that is missing or empty."""
        if not self.path.exists():
            return None
        with self._engine.begin() as connection:
            tables = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            if connection.exec_driver_sql(tables).first() is None:
                return None
            row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])

    def _migrate(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.path.with_name(self.path.name + ".lock")):
            # SQLite gives its -wal and -shm files the mode of the database.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            found = self._revision()  # another process may have been faster
            if found == REVISION:
                return
            with self._engine.connect() as connection:
                # Outside a transaction, and only here: the mode stays with the file. A file system that
                # cannot do it (NFS) keeps the rollback journal, which is as durable.
                connection.connection.cursor().execute("PRAGMA journal_mode = WAL").close()
            with self._writer.begin() as connection:
                _upgrade(connection, found, self.path)


def _engine(path: Path, busy_seconds: float) -> Engine:
    # ASCII only: names from the host may hold bytes that are no UTF-8, and those SQLite would refuse.
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"timeout": busy_seconds},
        json_serializer=partial(json.dumps, ensure_ascii=True, allow_nan=False),
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # None stops the driver from opening and closing transactions on its own, which it does
        # around DML only: with it a migration would not be one transaction.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _upgrade(connection: Connection, found: str | None, path: Path) -> None:
    # Here and not above: a history that is up to date never needs alembic, and it loads slowly.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory

    folder = str(Path(__file__).parent / "migrations")
    scripts = ScriptDirectory(folder, version_locations=[folder])
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise NewerHistoryError(
            f"the history {path} was written by a newer version of Tactician (schema {found}, this version "
            f"knows up to {REVISION}); update Tactician, or set TACTICIAN_HOME to another folder"
        )

    def steps(revision: str, _context: MigrationContext) -> list[RevisionStep]:
        return list(scripts._upgrade_revs("head", revision))

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock on a file of its own; SQLite's locks on the database must stay SQLite's."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _explained(path: Path, verb: str, error: OSError | DatabaseError | sqlite3.Error) -> HistoryError:
    if isinstance(error, FileExistsError):
        cause = f"{error.filename} is no folder"
    elif isinstance(error, OSError):
        cause = error.strerror or str(error)
    elif isinstance(error, sqlite3.Error):
        cause = str(error)
    else:
        cause = str(error.orig) if error.orig is not None else str(error)
    advice = f"; {_ADVICE}"
    if "I/O error" in cause and _is_full(path):
        # What SQLite says where there is no space left for its -shm file.
        cause = "No space left on device"
    if "full" in cause or "No space" in cause:
        advice = f"; make room on that file system, or {_ADVICE}"
    elif "locked" in cause:
        advice = "; another process holds it, try again"
    elif "not a database" in cause or "malformed" in cause:
        advice = "; move the file away, and a new one is made"
    return HistoryError(f"the history {path} cannot be {verb}: {cause}{advice}")


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _SMALLEST_FREE
    except OSError:
        return False
