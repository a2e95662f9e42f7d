"""Asks the host's services whether they are well: the operator's command, and ports that answered before."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from tactician.errors import PreflightError, Problem
from tactician.experiment import Guardrails
from tactician.guardrails.answering import Port, answers, find
from tactician.system import command

_PREPARING_S = 1.0


class Checks:
    """The checks of one run. :meth:`prepare` finds out what holds before it.

    Args:
        limits: of the experiment.
        environment: of the benchmark, which the command gets too.
        netns: network namespace of the benchmark; the command runs there. Ports are the host's.
        prefix: argv that makes the command the benchmark's user's.
    """

    def __init__(
        self,
        limits: Guardrails,
        environment: dict[str, str] | None = None,
        netns: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        self._limits = limits
        self._environment = environment or {}
        self._netns = netns
        self._prefix = tuple(prefix)
        self.ports: tuple[Port, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.ports or self._limits.health_command)

    def prepare(self) -> None:
        """Find the ports that answer, and see that the health command succeeds.

        Raises:
            PreflightError: it fails before anything was changed, so it could only end every trial.
        """
        found = [find(number, _PREPARING_S) for number in self._limits.health_ports]
        self.ports = tuple(port for port in found if port is not None)
        if self._limits.health_command and (why := self._health(lambda: False)):
            message = f"{why}, before anything was changed; a run needs one that succeeds now"
            raise PreflightError([Problem("guardrails.health_command", message)])

    def ask(self, stopping: Callable[[], bool]) -> str:
        """Why the host is not well, by checks that fail twice in a row; empty where it is.

        Args:
            stopping: the answer is not needed any more; ends a command that runs.
        """
        limit = self._limits.health_timeout_s
        for port in self.ports:
            if not answers(port, limit) and not stopping() and not answers(port, limit):
                return f"port {port.number} does not answer any more"
        if self._limits.health_command and self._health(stopping) and not stopping():
            return self._health(stopping)
        return ""

    def _health(self, stopping: Callable[[], bool]) -> str:
        """Run the health command; why it failed, or nothing."""
        limit = self._limits.health_timeout_s
        # timeout(1) ends it also where we are killed meanwhile: no journal knows of it.
        line = f"exec timeout -s KILL {limit + 1:g} /bin/sh -c {shlex.quote(self._limits.health_command)}"
        try:
            result = command.run(
                line,
                timeout_s=limit,
                marker="",
                environment=self._environment,
                netns=self._netns,
                prefix=self._prefix,
                until=stopping,
            )
        except OSError as error:
            return f"the health command could not be started: {error.strerror}"
        if result.stopped:
            return ""
        if result.timed_out:
            return f"the health command did not end within {limit:g} s"
        if result.status != 0:
            said = (result.stderr or result.stdout).strip().splitlines()
            return f"the health command ended with exit {result.status}" + (f": {said[-1]}" if said else "")
        return ""
