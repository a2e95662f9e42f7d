"""Settings of PostgreSQL: ``ALTER SYSTEM``, a reload or restart, and the file byte for byte at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tactician.errors import KnobWriteError
from tactician.experiment import ServiceAccess
from tactician.ports import Check, Undo
from tactician.system.service.base import Runner, Setting, Settings, refuse, refuse_elsewhere, tail
from tactician.system.service.postgresql_client import Client, QueryError
from tactician.system.service.postgresql_control import Control
from tactician.system.service.postgresql_instance import find
from tactician.system.service.running import LogTail
from tactician.undo import whole_files

_RELOAD_S = 10.0
_PAUSE_S = 0.02
_ACTS = {
    "postmaster": "restart", "sighup": "reload", "superuser": "reload", "user": "reload",
    "backend": "reload", "superuser-backend": "reload",
}  # fmt: skip
# What was set in one of these ways does not change with the server's own file.
_STRONGER = {
    "command line": "on the command line of the server",
    "environment variable": "by an environment variable of the server",
    "override": "by the server itself",
    "database": "for the database by ALTER DATABASE",
    "user": "for the user by ALTER ROLE",
    "database user": "for user and database by ALTER ROLE",
    "client": "by the client",
}
_WORDS = ("FATAL", "PANIC", "ERROR", "HINT")


class PostgreSQL:
    """One server on this host.

    Args:
        name: of the service.
        access: how it is reached; what is None is found.

    Raises:
        PreflightError: it cannot be found, asked, or told.
    """

    def __init__(self, name: str, access: ServiceAccess) -> None:
        self.name = name
        self.runner = Runner()
        instance = find(access)
        refuse_elsewhere(instance.pid)
        self._file = str(Path(instance.data, "postgresql.auto.conf"))
        self._client = Client(instance, access, self.runner)
        self._control = Control(instance, access)
        self._tuned: dict[str, str] = {}
        self._undo: Undo | None = None
        [(user, superuser)] = self._client.rows(
            "SELECT rolname, rolsuper::text FROM pg_roles WHERE rolname = current_user"
        )
        if superuser != "true":
            raise refuse(f"ALTER SYSTEM needs a superuser, and {user} is none; give one in user")
        [(data, version, alterable)] = self._client.rows(
            "SELECT current_setting('data_directory'), current_setting('server_version'), "
            "coalesce(current_setting('allow_alter_system', true), 'on')"
        )
        if os.path.realpath(data) != os.path.realpath(instance.data):
            raise refuse(f"the server that answers has its data in {data}, not in {instance.data}")
        if alterable != "on":
            raise refuse("the server forbids ALTER SYSTEM (allow_alter_system = off)")
        self._version = version
        if not os.access(instance.data, os.W_OK) or not os.access(self._file, os.R_OK):
            raise refuse(f"{self._file} could not be put back; be root, or {instance.owner}")

    def inspect(self, setting: str) -> Setting:
        """Look at a setting, which is tuned from now on. Raises PreflightError."""
        rows = self._client.rows(
            "SELECT name, setting, context, source, pending_restart::text FROM pg_settings "
            f"WHERE lower(name) = lower({_quoted(setting)})"
        )
        if not rows:
            raise refuse(f"PostgreSQL {self._version} has no setting {setting}{self._near(setting)}")
        [(name, value, context, source, pending)] = rows
        if context not in _ACTS:
            raise refuse(f"{name} is fixed when the server is built or its data directory is made")
        if source in _STRONGER:
            raise refuse(f"{name} is set {_STRONGER[source]}, which is stronger than ALTER SYSTEM")
        if pending == "true":
            raise refuse(f"{name} was changed and waits for a restart; restart the server first")
        acts = _ACTS[context]
        if acts == "restart" and self._control.obstacle:
            raise refuse(f"{name} acts only after a restart, but {self._control.obstacle}")
        self._tuned[setting] = acts
        return Setting(value, acts)

    def show(self, setting: str) -> str | None:
        """Ask for a setting that is not tuned. Raises OSError."""
        try:
            rows = self._client.rows(
                f"SELECT setting FROM pg_settings WHERE lower(name) = lower({_quoted(setting)})"
            )
        except QueryError as error:
            raise OSError(5, str(error), self.name) from error
        return rows[0][0] if rows else None

    def ready(self, acts: Sequence[str]) -> None:
        """Refuse where our reload or restart would bring in changes of somebody else, or is not allowed."""
        problems = []
        waiting = [
            name for (name,) in self._client.rows("SELECT name FROM pg_settings WHERE pending_restart")
        ]
        if waiting and "restart" in acts:
            problems.append(
                f"{', '.join(waiting)} wait for a restart, which ours would be; restart the server first"
            )
        changed = self._client.rows(
            "SELECT DISTINCT sourcefile FROM pg_file_settings "
            "WHERE (pg_stat_file(sourcefile)).modification > pg_conf_load_time()"
        )
        if changed:
            listed = ", ".join(path for (path,) in changed)
            problems.append(
                f"{listed} was changed after it was last loaded, and our reload would load it; "
                "reload the server first: SELECT pg_reload_conf()"
            )
        if problems:
            raise refuse(*problems)

    def read(self) -> Settings:
        """Return what a new session has. Raises OSError."""
        try:
            rows = self._client.rows(self._shown())
        except QueryError as error:
            raise OSError(5, str(error), self.name) from error
        found = {row[0]: row[1] for row in rows}
        return {setting: found[setting.lower()] for setting in self._tuned}

    def write(self, changed: Settings) -> None:
        """Set, reload or restart, and wait for new sessions to have it. Raises KnobWriteError."""
        self._refuse_other(changed)
        for name, value in changed.items():
            self._alter(name, value)
        self.runner.wrote(self._undo, self._file, Path(self._file).read_bytes())
        log = LogTail(self._control.log)
        try:
            if self._needs_restart(changed):
                self._restart(changed, log)
            else:
                self._reload()
            shown = self.read()
        except (QueryError, OSError) as error:
            if isinstance(error, KnobWriteError):
                raise
            raise self._failed(f"does not answer with {_listed(changed)}: {error}", log) from error
        for name, value in changed.items():
            if not _same(shown[name], value):
                raise self._failed(f"{name}={value}: it keeps {shown[name]}{self._objection()}", None)

    def undo(self, changed: Settings) -> Undo:
        """Return the file as it is, and the way to make the server read it. Raises OSError."""
        now = self.read()
        restart = self._needs_restart(changed)
        asked = self._client.asking(self._shown())
        expected = "\n".join(f"{name}|{now[name]}" for name in sorted(now, key=str.lower))
        self._undo = Undo(
            service=self.name,
            files=(whole_files.record(self._file),),
            commands=self._control.restart if restart else self._control.reload,
            rescue=self._control.restart,
            checks=(Check(self._control.running()) if asked is None else Check(asked, expected),),
        )
        return self._undo

    def _refuse_other(self, changed: Settings) -> None:
        """Refuse to change what is not what was journalled: the difference would be taken for ours."""
        for kept in self._undo.files if self._undo else ():
            if whole_files.record(self._file)["content"] != kept["content"] and isinstance(kept, dict):
                kept["written"] = []  # nothing of it is ours
                raise KnobWriteError(
                    11, f"{self.name}: {_listed(changed)}: somebody else changed {self._file} at this moment"
                )

    def _alter(self, name: str, value: str) -> None:
        try:
            self._client.rows(f"ALTER SYSTEM SET {_identifier(name)} = {_quoted(value)}", changing=True)
        except QueryError as error:
            raise KnobWriteError(22, f"{self.name}.{name}={value} was refused: {error}") from error

    def _needs_restart(self, changed: Settings) -> bool:
        return any(self._tuned[name] == "restart" for name in changed)

    def _reload(self) -> None:
        """Reload, and return when new sessions are born with the new settings."""
        [(before,)] = self._client.rows("SELECT pg_conf_load_time() FROM pg_reload_conf()")
        deadline = time.monotonic() + _RELOAD_S
        while self._client.rows("SELECT pg_conf_load_time()") == [(before,)]:
            if time.monotonic() > deadline:
                raise QueryError(f"it has not reloaded within {_RELOAD_S:g} s{self._objection()}")
            time.sleep(_PAUSE_S)

    def _restart(self, changed: Settings, log: LogTail) -> None:
        for command in self._control.restart:
            said = self.runner.run(command)
            if said.status != 0:
                raise self._failed(f"did not come back with {_listed(changed)}: {tail(said.text)}", log)

    def _failed(self, what: str, log: LogTail | None) -> KnobWriteError:
        """Return the error, with the last words that the server wrote about it."""
        lines = log.text().splitlines() if log else []
        words = "\n".join([line for line in lines if any(word in line for word in _WORDS)] or lines)
        return KnobWriteError(5, f"{self.name} {what}{f'; its log: {tail(words)}' if words else ''}")

    def _objection(self) -> str:
        """Return what the server holds against its own files."""
        try:
            rows = self._client.rows("SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL")
        except QueryError:
            return ""
        return "".join(f"; {name}: {error}" for name, error in rows)

    def _near(self, setting: str) -> str:
        rows = self._client.rows(
            f"SELECT name FROM pg_settings WHERE name LIKE {_quoted('%' + setting[:7] + '%')}"
        )
        return f"; did you mean {rows[0][0]}?" if rows else ""

    def _shown(self) -> str:
        names = ", ".join(_quoted(name.lower()) for name in self._tuned)
        return (
            f"SELECT lower(name), setting FROM pg_settings WHERE lower(name) IN ({names}) "
            'ORDER BY lower(name) COLLATE "C"'
        )


def _same(shown: str, wanted: str) -> bool:
    try:
        return shown == wanted or abs(float(shown) - float(wanted)) <= 1e-9 * abs(float(wanted))
    except ValueError:
        return shown.lower().split() == wanted.lower().split()


def _listed(changed: Settings) -> str:
    return ", ".join(f"{name}={value}" for name, value in changed.items())


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"


def _identifier(name: str) -> str:
    return ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in name.split("."))
