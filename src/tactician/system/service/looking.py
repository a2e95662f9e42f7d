"""Looks at services before the first write: do they run, have they the setting, may we change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from oppertune.core.values import Value
from tactician import catalogue
from tactician.errors import PreflightError, Problem
from tactician.experiment import ServiceAccess, TunedParameter
from tactician.system.service.base import Service
from tactician.system.service.configured import open_file
from tactician.system.service.knob import ServiceKnob, number_in
from tactician.system.service.mysql import MySQL
from tactician.system.service.nginx import Nginx
from tactician.system.service.postgresql import PostgreSQL
from tactician.system.service.redis import RedisService

_OPEN: Mapping[str, Callable[[str, ServiceAccess], Service]] = {
    "postgresql": PostgreSQL,
    "redis": RedisService,
    "nginx": Nginx,
    "mysql": MySQL,
    "file": open_file,
}


class Seen(NamedTuple):
    """A setting as it can be tuned, and its value now."""

    knob: ServiceKnob
    value: Value


class ServiceLook:
    """Goes through the parameters that are settings of services.

    Args:
        accesses: how each service is reached, by name.

    Attributes:
        services: those that answered, by name.
        problems: what stands in the way.
        notices: what the operator should know of the cost.
    """

    def __init__(self, accesses: Mapping[str, ServiceAccess]) -> None:
        self._accesses = accesses
        self._acts: dict[str, dict[str, str]] = {}
        self._closed: set[str] = set()
        self.services: dict[str, Service] = {}
        self.problems: list[Problem] = []
        self.notices: list[str] = []

    def at(self, path: str, tuned: TunedParameter) -> Seen | None:
        """Look at one parameter; None where it cannot be tuned, which is a problem then."""
        name, _, setting = tuned.target.partition(".")
        service = self._service(name)
        if service is None:
            return None
        try:
            found = service.inspect(setting)
        except PreflightError as error:
            self._note(path, f"{name}: ", error)
            return None
        if found.acts == "restart" and not self._accesses[name].allow_restart:
            message = f"{tuned.name} acts only after a restart, and services.{name}.allow_restart is false"
            self.problems.append(Problem(path, f"{message}; leave it out, or allow restarts"))
        self._acts.setdefault(name, {})[setting] = found.acts
        unit = self._unit(tuned.target)
        knob = ServiceKnob(tuned.parameter, name, setting, unit, found.numbers, found.acts)
        try:
            return Seen(knob, knob.decode(f"{setting} = {found.value}"))
        except ValueError as error:
            self.problems.append(Problem(path, str(error)))
            return None

    def number_of(self, target: str) -> str | None:
        """Return the number of a setting that is not tuned, of a service that is; None where it has none."""
        name, _, setting = target.partition(".")
        service = self.services.get(name)
        try:
            shown = None if service is None else service.show(setting)
        except OSError:
            return None
        number = None if shown is None else number_in(shown, self._unit(target), {})
        return None if number is None else format(number, "f")

    def finish(self) -> None:
        """Look at what concerns a service as a whole, once all its settings are known."""
        for name, service in self.services.items():
            acts = self._acts.get(name, {})
            try:
                service.ready(sorted(set(acts.values())))
            except PreflightError as error:
                self._note(f"services.{name}", "", error)
            restarts = [setting for setting, how in acts.items() if how == "restart"]
            if restarts:
                self.notices.append(
                    f"{name} is restarted twice in every trial that changes {', '.join(restarts)}, "
                    "there and back; whoever is connected then is cut off"
                )
            elif any(how == "reload" for how in acts.values()):
                self.notices.append(f"{name} is reloaded twice in every trial, there and back")

    def _unit(self, target: str) -> str:
        """Return the unit where a settings file may write it: other services take numbers without one."""
        known = catalogue.entry(target)
        name = target.partition(".")[0]
        return known.unit if known is not None and self._accesses[name].type in ("nginx", "file") else ""

    def _service(self, name: str) -> Service | None:
        """Open a service once; what it says when it cannot be opened is said once."""
        if name in self.services or name in self._closed:
            return self.services.get(name)
        access = self._accesses[name]
        try:
            self.services[name] = _OPEN[access.type](name, access)
        except PreflightError as error:
            self._closed.add(name)
            self._note(f"services.{name}", "", error)
        return self.services.get(name)

    def _note(self, path: str, prefix: str, error: PreflightError) -> None:
        self.problems += [Problem(path, f"{prefix}{problem.message}") for problem in error.problems]
