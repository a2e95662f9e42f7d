"""Faults on purpose: wrappers over the ports that fail, hang, lie or die at the n-th step.

A step is counted before and after every call, so that a process can be made to die between any two
things it does::

    trip = Trip(at=7)                       # dies by SIGKILL at the seventh step
    bench.host = FaultyHost(bench.host, trip)
    bench.journal = FaultyJournal(bench.journal, trip)

A first pass with ``Trip()`` counts the steps; one process for each of them is then a systematic test.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tactician.outcomes import Configuration
from tactician.ports import (
    Benchmark,
    BenchmarkRun,
    Clock,
    Guardian,
    Host,
    Journal,
    Place,
    Undo,
    Watch,
)
from tactician.trial import Bench
from tactician.undo import files, journal, whole_files

_CHANGING = ("write", "fsync", "ftruncate", "rename", "unlink", "fchown", "fchmod", "utime")
Act = Callable[[str], None]
"""What happens at a step; it is told the step's name."""


def die(step: str) -> None:
    """End this process at once, as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int) -> Act:
    """Return an act that raises OSError with this errno."""

    def act(step: str) -> None:
        raise OSError(number, os.strerror(number), step)

    return act


def hang(seconds: float) -> Act:
    """Return an act that takes so many seconds longer than it should."""
    return lambda step: time.sleep(seconds)


class Trip:
    """Counts steps and acts at one of them.

    Args:
        at: number of the step, from 1; 0 only counts.
        act: what happens there.
        only: first words of the steps that are counted; all by default.

    Attributes:
        steps: the names of all steps so far.
    """

    def __init__(self, at: int = 0, act: Act = die, only: Sequence[str] = ()) -> None:
        self.steps: list[str] = []
        self._at = at
        self._act = act
        self._only = tuple(only)

    def __call__(self, step: str) -> None:
        """Count a step."""
        if self._only and step.partition(" ")[0] not in self._only:
            return
        self.steps.append(step)
        if len(self.steps) == self._at:
            self._act(step)


class FaultyHost:
    """A host whose calls are steps.

    Args:
        host: does the work.
        trip: counts.
        lies: what a place is said to show at its next reading, whatever it shows.
    """

    def __init__(self, host: Host, trip: Trip, lies: Mapping[Place, str] | None = None) -> None:
        self._host = host
        self._trip = trip
        self._lies = dict(lies or {})

    def read(self, place: Place) -> str:
        """Read, between two steps."""
        self._trip(f"read {place.path}")
        text = self._host.read(place)
        self._trip(f"was-read {place.path}")
        return self._lies.pop(place, text)

    def write(self, place: Place, text: str) -> None:
        """Write, between two steps."""
        self._trip(f"write {place.path}")
        self._host.write(place, text)
        self._trip(f"written {place.path}")

    def family(self, place: Place) -> Mapping[Place, str]:
        """Look at the neighbours, after one step."""
        self._trip(f"family {place.path}")
        return self._host.family(place)

    def undo(self, place: Place, text: str) -> Undo | None:
        """Work out a service's way back, after one step."""
        self._trip(f"undo {place.path}")
        return self._host.undo(place, text)


class FaultyJournal:
    """A journal whose calls are steps.

    Args:
        journal: does the work.
        trip: counts.
    """

    def __init__(self, journal: Journal, trip: Trip) -> None:
        self._journal = journal
        self._trip = trip

    def originals(self, undos: Sequence[Undo]) -> None:
        """Journal, between two steps."""
        self._trip("journal originals")
        self._journal.originals(undos)
        self._trip("journalled originals")

    def process_started(self, pid: int, marker: str) -> None:
        """Note a process, between two steps."""
        self._trip("journal process")
        self._journal.process_started(pid, marker)
        self._trip("journalled process")

    def process_ended(self, pid: int) -> None:
        """Note the end of one, between two steps."""
        self._trip("journal ended")
        self._journal.process_ended(pid)
        self._trip("journalled ended")

    def restored(self) -> None:
        """Note the restore, between two steps."""
        self._trip("journal restored")
        self._journal.restored()
        self._trip("journalled restored")


class FaultyGuardian:
    """A guardian whose call is a step.

    Args:
        guardian: does the work.
        trip: counts.
    """

    def __init__(self, guardian: Guardian, trip: Trip) -> None:
        self._guardian = guardian
        self._trip = trip

    def ensure(self) -> None:
        """Start one, between two steps."""
        self._trip("guardian")
        self._guardian.ensure()
        self._trip("guarded")


class FaultyBenchmark:
    """A benchmark whose calls are steps.

    Args:
        benchmark: does the work.
        trip: counts.
        value: what it is said to have measured, whatever it measured; None for the truth.
    """

    def __init__(self, benchmark: Benchmark, trip: Trip, value: float | None = None) -> None:
        self._benchmark = benchmark
        self._trip = trip
        self._value = value

    def run(
        self, configuration: Configuration, watch: Watch | None = None, share: float = 1.0
    ) -> BenchmarkRun:
        """Run, between two steps."""
        self._trip("benchmark")
        run = self._benchmark.run(configuration, watch, share)
        self._trip("benchmarked")
        return run if self._value is None else run._replace(value=self._value, problem="")

    def setup(self) -> None:
        """Set up, after one step."""
        self._trip("setup")
        self._benchmark.setup()

    def teardown(self) -> None:
        """Tear down, after one step."""
        self._trip("teardown")
        self._benchmark.teardown()


def jumping(clock: Clock, at: int, by_s: float) -> Clock:
    """Return a clock that jumps by so many seconds, also backwards, at its n-th reading."""
    readings = 0

    def read() -> float:
        nonlocal readings
        readings += 1
        return clock() + (by_s if readings >= at else 0.0)

    return read


def rig(bench: Bench, trip: Trip) -> None:
    """Count every step of a bench."""
    bench.host = FaultyHost(bench.host, trip)
    bench.journal = FaultyJournal(bench.journal, trip)
    bench.guardian = FaultyGuardian(bench.guardian, trip)
    bench.benchmark = FaultyBenchmark(bench.benchmark, trip)


class _CountedOs:
    """Stands for the module ``os`` where a system call that changes something is to be a step."""

    def __init__(self, trip: Trip) -> None:
        self._trip = trip

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in _CHANGING:
            return real

        def counted(*arguments: Any, **named: Any) -> Any:
            self._trip(f"os.{name}")
            result = real(*arguments, **named)
            self._trip(f"os.{name}-done")
            return result

        return counted


@contextlib.contextmanager
def system_calls(trip: Trip) -> Iterator[None]:
    """Make steps of every system call by which the way back changes something, in this process."""
    modules: tuple[Any, ...] = (files, journal, whole_files)
    for module in modules:
        module.os = _CountedOs(trip)
    try:
        yield
    finally:
        for module in modules:
            module.os = os
