"""Watches the host beside a benchmark, from a thread of its own that nothing ever waits for long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tactician.experiment import Guardrails
from tactician.guardrails.checks import Checks
from tactician.guardrails.levels import Levels, Usual
from tactician.guardrails.readings import HostReader
from tactician.ports import Crossing

EVERY_S = 0.25
_FIRST_CHECK_S = 0.5
_PATIENCE_S = 0.2


class HostGuard:
    """The ``Guard`` port on this host.

    A run of the baseline teaches what is usual, so it is ended only where a check fails that succeeded
    before: the operator's way in may be gone.

    Args:
        limits: of the experiment.
        checks: of services; without them none.
        reader: of /proc.
    """

    def __init__(
        self, limits: Guardrails, checks: Checks | None = None, reader: HostReader | None = None
    ) -> None:
        self._limits = limits
        self._checks = checks or Checks(limits)
        self._reader = reader or HostReader()
        self._usual = Usual()
        self._watch: _Watch | None = None

    def prepare(self) -> None:
        """Find out what holds before the run. Raises PreflightError where a check fails already."""
        self._checks.prepare()

    @property
    def crossing(self) -> Crossing | None:
        """What the run that is being watched, or was watched last, has crossed."""
        return None if self._watch is None else self._watch.crossing

    def crossed(self) -> bool:
        """Whether the benchmark has to end. Costs nothing, so it may be asked all the time."""
        return self.crossing is not None

    @contextlib.contextmanager
    def watching(self, purpose: str) -> Iterator[None]:
        """Watch for as long as the block lasts."""
        baseline = purpose == "baseline"
        levels = Levels(self._limits, self._usual)
        watch = self._watch = _Watch(levels, self._checks, self._reader, learning=baseline)
        watch.start(self._limits.health_interval_s)
        try:
            yield
        finally:
            watch.stop()
            if baseline:
                self._usual = self._usual.and_also(levels.seen)


class _Watch:
    """One benchmark run under watch."""

    def __init__(self, levels: Levels, checks: Checks, reader: HostReader, *, learning: bool) -> None:
        self._levels = levels
        self._checks = checks
        self._reader = reader
        self._learning = learning
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._taking = threading.Lock()
        self.crossing: Crossing | None = None

    def start(self, interval_s: float) -> None:
        """Begin; services are asked by a thread of their own, since they may be slow to answer."""
        self._look()
        self._begin(self._follow)
        if self._checks.any:
            self._begin(lambda: self._ask(interval_s))

    def stop(self) -> None:
        """End, with a last look; a thread that hangs is left to itself, as the host waits to be restored."""
        self._ended.set()
        deadline = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._look()

    def _begin(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="guardrails", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _follow(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        with self._taking:
            why = self._levels.take(self._reader.read())
        if why and not self._learning:
            self._cross(Crossing(why))

    def _ask(self, interval_s: float) -> None:
        pause_s = _FIRST_CHECK_S
        while not self._ended.wait(pause_s):
            pause_s = interval_s
            why = self._checks.ask(self._ended.is_set)
            if why and not self._ended.is_set():
                self._cross(Crossing(why, control=True))

    def _cross(self, crossing: Crossing) -> None:
        if self.crossing is None:
            self.crossing = crossing
