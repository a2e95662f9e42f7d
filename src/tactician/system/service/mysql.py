"""Settings of a running MySQL or MariaDB, by ``SET GLOBAL`` alone: its option files are never touched."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tactician import catalogue
from tactician.errors import HostError, KnobWriteError
from tactician.experiment import ServiceAccess
from tactician.ports import Check, Command, Undo
from tactician.system.service.base import Runner, Setting, Settings, refuse, tail

_PROGRAMS = ("mariadb", "mysql")
_PATIENCE_S = 60.0
"""A buffer pool that shrinks takes its time."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")
_RIGHTS = ("ALL PRIVILEGES ON *.*", "SUPER", "SYSTEM_VARIABLES_ADMIN")
_LOCALE = {"LC_ALL": "C"}


class MySQL:
    """One server, asked through its own client program.

    Args:
        name: of the service.
        access: how it is reached; what is None is left to the client's own defaults and option files.

    Raises:
        PreflightError: there is no client program, nobody answers, or we may not set what is global.
    """

    def __init__(self, name: str, access: ServiceAccess) -> None:
        self.name = name
        self.runner = Runner()
        program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if program is None:
            raise refuse("neither mariadb nor mysql is installed; they belong to the package mariadb-client")
        self._reaching = (program, *_options(access))
        self._tuned: list[str] = []
        try:
            self._known = self._rows("SHOW GLOBAL VARIABLES")
            self._fixed = self._read_only()
        except _QueryError as error:
            raise refuse(f"the server cannot be asked ({' '.join(self._reaching)}): {error}") from error
        self._version = self._known.get("version", "")

    def inspect(self, setting: str) -> Setting:
        """Look at a setting, which is tuned from now on. Raises PreflightError."""
        if setting not in self._known:
            near = difflib.get_close_matches(setting, self._known, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise refuse(f"the server {self._version} has no global variable {setting}{hint}")
        known = catalogue.entry(f"mysql.{setting}")
        if setting in self._fixed or (known is not None and known.acts == "restart"):
            raise refuse(
                f"the server takes {setting} only from its option file and at its start; "
                "to tune it with restarts describe that file as a service of type file"
            )
        self._tuned.append(setting)
        return Setting(self._known[setting], "at once")

    def show(self, setting: str) -> str | None:
        """Return what the server had when it was opened."""
        return self._known.get(setting)

    def ready(self, acts: Sequence[str]) -> None:
        """Refuse where SET GLOBAL is not ours to use."""
        try:
            granted = self._ask("SHOW GRANTS")
        except _QueryError as error:
            raise refuse(f"the server does not say what we may do: {error}") from error
        if not any(right in granted for right in _RIGHTS):
            raise refuse("SET GLOBAL needs SUPER or SYSTEM_VARIABLES_ADMIN, which we lack; give another user")

    def read(self) -> Settings:
        """Ask the server. Raises OSError."""
        try:
            found = self._rows(_showing(self._tuned))
            return {name: found[name] for name in self._tuned}
        except (_QueryError, KeyError) as error:
            raise OSError(5, f"the server does not say: {error}", self.name) from error

    def write(self, changed: Settings) -> None:
        """Set them together, and compare with what the server has then. Raises KnobWriteError."""
        listed = ", ".join(f"{name}={value}" for name, value in changed.items())
        try:
            self._ask(_setting(changed), self.runner)
            shown = self._rows(_showing(changed))
        except _QueryError as error:
            raise KnobWriteError(22, f"{self.name}: {listed} was refused: {error}") from error
        for name, value in changed.items():
            if not _same(shown.get(name, ""), value):
                raise KnobWriteError(22, f"{self.name}: {name}={value}: it keeps {shown.get(name)}")

    def undo(self, changed: Settings) -> Undo:
        """Return the statement that sets what it has now, partners included. Raises OSError."""
        names = list(
            dict.fromkeys([*self._tuned, *(each for name in changed for each in self._partners(name))])
        )
        try:
            now = self._rows(_showing(names))
        except _QueryError as error:
            raise OSError(5, str(error), self.name) from error
        # Twice: of two that bound one another the first may be cut at the second's value of the trial.
        back = f"{_setting(now)}; {_setting(now)}"
        expected = "\n".join(f"{name}\t{value}" for name, value in sorted(now.items()))
        check = Check(self._command(_showing(names)), expected)
        return Undo(service=self.name, commands=(self._command(back),), checks=(check,))

    def _partners(self, setting: str) -> Iterable[str]:
        """Return the settings that the server may move along, as the catalogue knows them."""
        known = catalogue.entry(f"mysql.{setting}")
        for text in known.constraints if known is not None else ():
            for word in text.split():
                name = word.removeprefix("mysql.")
                if name != word and name in self._known and name not in self._fixed:
                    yield name

    def _read_only(self) -> set[str]:
        """Return what cannot be set at run time, where the server says so: MariaDB does."""
        statement = (
            "SELECT LOWER(VARIABLE_NAME), 1 FROM information_schema.SYSTEM_VARIABLES WHERE READ_ONLY = 'YES'"
        )
        return set(self._rows(statement)) if "MariaDB" in self._known.get("version", "") else set()

    def _rows(self, statement: str) -> dict[str, str]:
        lines = (line.partition("\t") for line in self._ask(statement).splitlines())
        return {name: value for name, _, value in lines}

    def _ask(self, statement: str, runner: Runner | None = None) -> str:
        said = (runner or Runner()).run(self._command(statement))
        if said.status != 0:
            raise _QueryError(tail(said.text))
        return said.text

    def _command(self, statement: str) -> Command:
        home = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
        argv = (*self._reaching, "--batch", "--skip-column-names", "--raw", "--execute", statement)
        return Command(argv, {**_LOCALE, **home}, _PATIENCE_S, ("MYSQL_PWD",))


class _QueryError(HostError):
    """The server, or its client program, refused in these words."""


def _options(access: ServiceAccess) -> list[str]:
    """Return the client's options; that of the password's file must be the first."""
    given = {
        "socket": access.socket,
        "host": access.host or ("127.0.0.1" if access.port and not access.socket else None),
        "port": access.port,
        "user": access.user,
    }
    first = [f"--defaults-extra-file={Path(access.password_file)}"] if access.password_file else []
    return first + [f"--{name}={value}" for name, value in given.items() if value is not None]


def _setting(values: Settings) -> str:
    return "SET " + ", ".join(f"GLOBAL {_name(name)} = {_quoted(value)}" for name, value in values.items())


def _showing(names: Iterable[str]) -> str:
    listed = ", ".join(_quoted(name, text=True) for name in names)
    return f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _QueryError(f"{name} is no name of a variable")
    return name


def _quoted(value: str, *, text: bool = False) -> str:
    """Return a literal: numbers bare, since the server takes no text for them."""
    if _NUMBER.fullmatch(value) and not text:
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _same(shown: str, wanted: str) -> bool:
    if _NUMBER.fullmatch(shown) and _NUMBER.fullmatch(wanted):
        return abs(float(shown) - float(wanted)) <= 1e-9 * abs(float(wanted))
    on_off = {"1": "ON", "0": "OFF"}
    return on_off.get(shown, shown).upper() == on_off.get(wanted, wanted).upper()
