"""Asks a PostgreSQL server, through psycopg where it is installed, else through psql."""

from __future__ import annotations

from collections.abc import Sequence

from tactician.errors import HostError, PreflightError
from tactician.experiment import ServiceAccess
from tactician.ports import Command
from tactician.system.service.base import Runner, as_user, refuse, tail
from tactician.system.service.postgresql_instance import Instance

Rows = list[tuple[str, ...]]

_FIELD, _ROW = "\x01", "\x02"
_PATIENCE_S = 10


class QueryError(HostError):
    """The server refused a statement, or could not be asked."""

    code = "service"


class Client:
    """Opens a new session for every question, so that it sees what a new session sees.

    Args:
        instance: which server.
        access: as whom and where.
        runner: starts psql.

    Raises:
        PreflightError: neither psycopg nor psql gets an answer; it says what each of them was told.
    """

    def __init__(self, instance: Instance, access: ServiceAccess, runner: Runner) -> None:
        self._runner = runner
        self._host = access.host or access.socket or instance.sockets or "localhost"
        self._port = str(access.port or instance.port)
        self._user = access.user or instance.owner
        self._database = access.database or "postgres"
        self._password_file = access.password_file
        self._psql = instance.program("psql")
        try:
            # The socket knows the database's owner by its user id; a password needs no such thing.
            self._as_owner = () if access.password_file else as_user(instance.uid, instance.gid)
        except PreflightError:
            self._as_owner = ()
        self._by_psycopg = True
        troubles = []
        for self._by_psycopg in (True, False):
            try:
                self.rows("SELECT 1")
                return
            except QueryError as error:
                troubles.append(f"{'psycopg' if self._by_psycopg else 'psql'}: {error}")
        where = f"{self._host} port {self._port}, database {self._database}, user {self._user}"
        raise refuse(f"the server cannot be asked ({where}): {'; '.join(troubles)}")

    def rows(self, *statements: str, changing: bool = False) -> Rows:
        """Execute statements, each in a transaction of its own, and return the rows of the last.

        Args:
            statements: without parameters.
            changing: they change something, so that whoever restores must end a psql that still runs.

        Raises:
            QueryError: in the server's words.
        """
        if self._by_psycopg:
            return self._ask_psycopg(statements)
        return self._ask_psql(statements, self._runner if changing else Runner())

    def asking(self, statement: str) -> Command | None:
        """Return a command that prints the rows of a statement, for a journal; None without psql."""
        if self._psql is None:
            return None
        plain = ("-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", statement)
        return Command(
            (*self._reaching(self._psql), *plain), self._environment(), _PATIENCE_S, ("PGPASSWORD",)
        )

    def _ask_psycopg(self, statements: Sequence[str]) -> Rows:
        try:
            import psycopg
        except ImportError:
            raise QueryError("is not installed; python -m pip install 'tactician[postgres]'") from None
        found: Rows = []
        try:
            with psycopg.connect(
                host=self._host, port=self._port, user=self._user, dbname=self._database,
                passfile=self._password_file, connect_timeout=_PATIENCE_S, autocommit=True,
            ) as connection:  # fmt: skip
                for statement in statements:
                    answer = connection.execute(statement.encode())
                    rows = answer.fetchall() if answer.description else []
                    found = [tuple("" if value is None else str(value) for value in row) for row in rows]
        except psycopg.Error as error:
            raise QueryError(tail(str(error))) from error
        return found

    def _ask_psql(self, statements: Sequence[str], runner: Runner) -> Rows:
        if self._psql is None:
            raise QueryError("is not installed either; it belongs to the package postgresql-client")
        form = ("-X", "-A", "-t", "-q", "-w", "-F", _FIELD, "-R", _ROW, "-v", "ON_ERROR_STOP=1")
        each = [word for statement in statements for word in ("-c", statement)]
        argv = (*self._reaching(self._psql), *form, *each)
        said = runner.run(Command(argv, self._environment(), _PATIENCE_S, ("PGPASSWORD",)))
        if said.status != 0:
            raise QueryError(tail(said.text))
        return [tuple(row.split(_FIELD)) for row in said.text.split(_ROW) if row]

    def _reaching(self, program: str) -> tuple[str, ...]:
        where = ("-h", self._host, "-p", self._port, "-U", self._user, "-d", self._database)
        return (*self._as_owner, program, *where)

    def _environment(self) -> dict[str, str]:
        passed = {"PGPASSFILE": self._password_file} if self._password_file else {}
        return {"LC_ALL": "C", "PGOPTIONS": "-c client_min_messages=error", **passed}
