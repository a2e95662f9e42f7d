"""Services that read settings files: an edited copy, checked by them, replaces one in one step."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tactician import catalogue
from tactician.errors import JournalError, KnobWriteError
from tactician.experiment import ServiceAccess
from tactician.ports import Check, Command, Undo
from tactician.system.service.base import Runner, Setting, Settings, refuse, tail
from tactician.system.service.directives import Directives
from tactician.system.service.settings_file import Edited, SettingsFile
from tactician.system.service.syntax import Lines, SettingsTextError, Syntax
from tactician.undo import whole_files

_PAUSE_S = 0.05


class ConfiguredService:
    """A service and its settings file.

    Attributes:
        path: of the file, which may include others.
        reload, restart: how it takes notice; one of them may be empty.
        rescue: what brings it back where that did not.
        health: holds while it works; None where nobody said how to tell.
        check: with ``{path}`` for the edited copy; must end with 0 before the copy is used.
        numbers: by setting, words that stand for a number.
    """

    def __init__(self, name: str, path: str, syntax: Syntax, timeout_s: float) -> None:
        self.name = name
        self.runner = Runner()
        self.path = path
        self.reload: tuple[Command, ...] = ()
        self.restart: tuple[Command, ...] = ()
        self.rescue: tuple[Command, ...] = ()
        self.health: Check | None = None
        self.check: Command | None = None
        self.numbers: dict[str, dict[str, int]] = {}
        self._main = SettingsFile(path, syntax)
        self._timeout_s = timeout_s
        self._tuned: list[str] = []
        self._defaults: dict[str, str] = {}
        self._undo: Undo | None = None
        try:
            self._main.text()
        except OSError as error:
            raise refuse(f"{path} cannot be read: {error.strerror}") from error
        if not self._main.is_replaceable:
            raise refuse(f"no right to replace {path}; be root, or its owner")

    def inspect(self, setting: str) -> Setting:
        """Look at a setting, which is tuned from now on. Raises PreflightError."""
        file = self._file_of(setting)
        try:
            value = file.value(setting)
        except SettingsTextError as error:
            raise refuse(f"{file.path}: {error}") from error
        if value is None:
            value = self._default(setting)
        self._tuned.append(setting)
        return Setting(value, self._acts(setting), self.numbers.get(setting, {}))

    def show(self, setting: str) -> str | None:
        """Return what the file says, or the catalogue's default. Raises OSError."""
        value = self._value(setting)
        return self._catalogued(setting) if value is None else value

    def ready(self, acts: Sequence[str]) -> None:
        """Refuse where the file as it is does not pass its own check, or the service does not work."""
        if self.check is not None:
            said = self.runner.run(_about(self.check, os.path.realpath(self.path)))
            if said.status != 0:
                raise refuse(f"{self.path} does not pass its own check as it is: {tail(said.text)}")
        if self.health is not None and (trouble := self._unhealthy(0.0)):
            raise refuse(f"the service does not work: {trouble}")

    def read(self) -> Settings:
        """Return what the files say, defaults where they say nothing. Raises OSError."""
        found = {name: self._value(name) for name in self._tuned}
        return {name: self._defaults[name] if value is None else value for name, value in found.items()}

    def write(self, changed: Settings) -> None:
        """Edit, check, replace, tell the service, and wait until it works. Raises KnobWriteError."""
        listed = ", ".join(f"{name}={value}" for name, value in changed.items())
        edits: list[Edited] = []
        try:
            for file, settings in self._by_file(changed).items():
                edits.append(Edited(file, settings))
                self._refuse_other(edits[-1].kept, listed)
            self._judge(edits, listed)
            for edit in edits:
                edit.prepare()
            for edit in edits:  # its check took a moment, in which an editor may have been faster
                self._refuse_other(whole_files.record(edit.path), listed)
                self.runner.wrote(self._undo, edit.path, edit.content)
                edit.take()
        except SettingsTextError as error:
            raise KnobWriteError(22, f"{self.name}: {listed}: {error}") from error
        except (KnobWriteError, JournalError):
            raise
        except OSError as error:
            raise KnobWriteError(error.errno, f"{self.name}: {error.filename}: {error.strerror}") from error
        finally:  # also at an interrupt: the copies lie beside the operator's files
            for edit in edits:
                edit.forget()
        self._activate(self._ways(changed), listed)

    def undo(self, changed: Settings) -> Undo:
        """Return the files as they are, and how the service takes notice of them. Raises OSError."""
        self._undo = Undo(
            service=self.name,
            files=tuple({**whole_files.record(file.path), "written": []} for file in self._by_file(changed)),
            commands=self._ways(changed),
            rescue=self.rescue,
            checks=(self.health,) if self.health is not None else (),
        )
        return self._undo

    def _file_of(self, setting: str) -> SettingsFile:
        """Return the file that holds a setting, or is to hold it."""
        return self._main

    def _tried(self, text: str, copies: Mapping[str, str]) -> str:
        """Return the main file's text for the check, with copies of other files, by path, in their place."""
        return text

    def _judge(self, edits: Sequence[Edited], listed: str) -> None:
        """Let the service check the edited files before one of them is used. Raises KnobWriteError."""
        if self.check is None:
            return
        text, copies = self._main.text(), {}
        for edit in edits:
            if edit.path == self._main.real:
                text = edit.content.decode("utf-8", "surrogateescape")
            else:
                edit.prepare()
                copies[edit.path] = edit.copy
        kept = whole_files.record(self.path)
        copy = whole_files.write_beside(kept, self._tried(text, copies).encode("utf-8", "surrogateescape"))
        try:
            said = self.runner.run(_about(self.check, copy))
        finally:
            whole_files.forget(copy)
        if said.status != 0:
            raise KnobWriteError(22, f"{self.name}: {listed} was refused: {tail(said.text)}")

    def _by_file(self, changed: Settings) -> dict[SettingsFile, dict[str, str]]:
        found: dict[SettingsFile, dict[str, str]] = {}
        for name, value in changed.items():
            found.setdefault(self._file_of(name), {})[name] = value
        return found

    def _value(self, setting: str) -> str | None:
        """Return what its file says of a setting. Raises OSError."""
        file = self._file_of(setting)
        try:
            return file.value(setting)
        except SettingsTextError as error:
            raise OSError(22, str(error), file.path) from error

    def _refuse_other(self, now: Mapping[str, Any], listed: str) -> None:
        """Refuse to edit what is not what was journalled: the difference would be taken for ours."""
        known = {kept["path"]: kept["content"] for kept in self._undo.files} if self._undo else {}
        if known.get(now["path"], now["content"]) != now["content"]:
            raise KnobWriteError(
                11, f"{self.name}: {listed}: somebody else changed {now['path']} at this moment"
            )

    def _activate(self, ways: Sequence[Command], listed: str) -> None:
        for command in ways:
            said = self.runner.run(command)
            if said.status != 0:
                raise KnobWriteError(
                    5, f"{self.name} did not take {listed}: {tail(said.text)}{self._words()}"
                )
        trouble = self._unhealthy(self._timeout_s)
        if trouble:
            raise KnobWriteError(5, f"{self.name} did not come back with {listed}: {trouble}{self._words()}")

    def _words(self) -> str:
        """Return what the service itself wrote last, where that is known."""
        return ""

    def _unhealthy(self, timeout_s: float) -> str:
        """Return what its health check says after so many seconds; empty once it holds."""
        if self.health is None:
            return ""
        deadline = time.monotonic() + timeout_s
        while (said := Runner().run(self.health.command)).status != 0:
            if time.monotonic() >= deadline:
                return tail(said.text) or f"its health check ends with {said.status}"
            time.sleep(_PAUSE_S)
        return ""

    def _ways(self, changed: Settings) -> tuple[Command, ...]:
        return self.restart if any(self._acts(name) == "restart" for name in changed) else self.reload

    def _acts(self, setting: str) -> str:
        if not self.reload:
            return "restart"
        known = catalogue.entry(f"{self.name}.{setting}")
        return "restart" if self.restart and known is not None and known.acts == "restart" else "reload"

    def _default(self, setting: str) -> str:
        default = self._catalogued(setting)
        if default is None:
            raise refuse(f"{setting} is not set in {self.path}, and its default is not known; set it there")
        self._defaults[setting] = default
        return default

    def _catalogued(self, setting: str) -> str | None:
        """Return the default that the catalogue has, as the file would have it."""
        known = catalogue.entry(f"{self.name}.{setting}")
        default = None if known is None else known.default
        if known is None or default is None or (known.type in ("int", "float") and isinstance(default, str)):
            return None
        return f"{default}{'ms' if known.unit == 'ms' else ''}"


def open_file(name: str, access: ServiceAccess) -> ConfiguredService:
    """Return a service of type ``file``. Raises PreflightError."""
    syntaxes: dict[str, Syntax] = {
        "key value;": Directives(),
        "key value": Lines(equals=False),
        "key = value": Lines(equals=True),
        "ini": Lines(equals=True, section=access.section or ""),
    }
    service = ConfiguredService(
        name, access.path or "", syntaxes[access.format or "key value"], access.timeout_s
    )
    service.reload = (Command(access.reload, {}, access.timeout_s),) if access.reload else ()
    service.restart = (Command(access.restart, {}, access.timeout_s),) if access.restart else ()
    service.rescue = service.restart
    if access.check:
        service.check = Command(access.check, {}, access.timeout_s)
    if access.health:
        service.health = Check(Command(access.health, {}, access.timeout_s))
    return service


def _about(check: Command, path: str) -> Command:
    return check._replace(argv=tuple(word.replace("{path}", path) for word in check.argv))
