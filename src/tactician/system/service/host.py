"""The host with its services: a place whose path is a name is a service, every other one the kernel's."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from tactician.ports import Host, Journal, Place, Undo
from tactician.system.service.base import Service, Settings, parse, render


class ServiceHost:
    """Routes places to the kernel or to services.

    Args:
        kernel: reads and writes files.
        services: by name.
        journal: told of every program that is started to change a service.
    """

    def __init__(self, kernel: Host, services: Mapping[str, Service], journal: Journal | None = None) -> None:
        self._kernel = kernel
        self._services = dict(services)
        for service in self._services.values():
            service.runner.journal = journal

    def read(self, place: Place) -> str:
        """Return a file's text, or a service's settings line by line. Raises OSError."""
        if not place.of_service:
            return self._kernel.read(place)
        return render(self._service(place).read())

    def write(self, place: Place, text: str) -> None:
        """Write to a file, or change those settings of a service that differ, with one reload or restart.

        Raises:
            OSError: with the kernel's errno; KnobWriteError in the words of a service.
        """
        if not place.of_service:
            self._kernel.write(place, text)
        elif changed := self._changed(place, text):
            self._service(place).write(changed)

    def undo(self, place: Place, text: str) -> Undo | None:
        """Return a service's way back from ``text``. Raises OSError."""
        if not place.of_service:
            return self._kernel.undo(place, text)
        return self._service(place).undo(self._changed(place, text))

    def family(self, place: Place) -> Mapping[Place, str]:
        """Return a file's neighbours; a service's settings move nobody else's."""
        return {} if place.of_service else self._kernel.family(place)

    def _changed(self, place: Place, text: str) -> Settings:
        now = self._service(place).read()
        return {name: value for name, value in parse(text).items() if now.get(name) != value}

    def _service(self, place: Place) -> Service:
        try:
            return self._services[place.path]
        except KeyError:
            raise OSError(errno.ENOENT, "no such service is tuned here", place.path) from None
