"""How a PostgreSQL server is reloaded and restarted: as it was started, by whoever started it."""

from __future__ import annotations

import re
from pathlib import Path

from tactician.errors import PreflightError
from tactician.experiment import ServiceAccess
from tactician.ports import Command
from tactician.system.service.base import as_user, refuse
from tactician.system.service.postgresql_instance import Instance
from tactician.system.service.running import environment_of, is_detached, output_of, unit_of

_RELATIVE_DATA = re.compile(r'"-D" "(?!/)')
_MARGIN_S = 10.0


class Control:
    """The commands for one server.

    Attributes:
        reload: makes it read its files again.
        restart: stops and starts it, and starts it where it is down; empty where that is not ours to do.
        obstacle: why not; empty where it is.
        log: the file that its first words go to, None where there is none.
    """

    def __init__(self, instance: Instance, access: ServiceAccess) -> None:
        self.log = output_of(instance.pid)
        self.obstacle = ""
        self._instance = instance
        self._timeout_s = access.timeout_s
        owner = as_user(instance.uid, instance.gid)
        program = instance.program("pg_ctl")
        if program is None:
            raise refuse("pg_ctl is not installed; it belongs to the server's package")
        self._pg_ctl = (*owner, program)
        self.reload = (self._command("reload"),)
        self.restart: tuple[Command, ...] = ()
        try:
            self.restart = self._restart(access)
        except PreflightError as error:
            self.obstacle = error.problems[0].message

    def _restart(self, access: ServiceAccess) -> tuple[Command, ...]:
        timeout_s = self._timeout_s + _MARGIN_S
        if access.restart:
            return (Command(access.restart, {}, timeout_s),)
        unit = unit_of(self._instance.pid)
        if unit is not None:
            # Also forgets how often it was started of late, which has a limit.
            again = Command(("systemctl", "reset-failed", unit), {}, _MARGIN_S)
            return (again, Command(("systemctl", "restart", unit), {}, timeout_s))
        if not is_detached(self._instance.pid):
            raise refuse(
                "another program started the server and waits for it, so a restart is not ours to do; "
                "give that program's command in restart"
            )
        options = Path(self._instance.data, "postmaster.opts").read_text(encoding="utf-8")
        if _RELATIVE_DATA.search(options):
            raise refuse(
                "the server was started with a relative data directory; start it with an absolute one"
            )
        # The options of the running server are in postmaster.opts, which pg_ctl restart takes over.
        log = ("-l", self.log or "/dev/null")
        return (self._command("restart", "-m", "fast", "-w", "-t", str(int(self._timeout_s)), *log),)

    def running(self) -> Command:
        """Return a command that ends with 0 while the server runs."""
        return self._command("status")

    def _command(self, *arguments: str) -> Command:
        argv = (*self._pg_ctl, *arguments[:1], "-D", self._instance.data, "-s", *arguments[1:])
        argv = tuple(word for word in argv if not (word == "-s" and arguments[0] == "status"))
        return Command(argv, environment_of(self._instance.pid), self._timeout_s + _MARGIN_S)
