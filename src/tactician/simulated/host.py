"""A host in memory that starts from values read on the real one, and a clock-free benchmark on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

import numpy as np

from tactician.outcomes import Configuration
from tactician.pacing.series import Series
from tactician.ports import BenchmarkRun, Place, Undo, Watch
from tactician.simulated.intervals import Intervals
from tactician.simulated.surfaces import Surface


class SimulatedHost:
    """Places in a dictionary. A name that is not there does not exist.

    Args:
        texts: what each place shows at the start.
    """

    def __init__(self, texts: Mapping[Place, str]) -> None:
        self.texts = dict(texts)

    def read(self, place: Place) -> str:
        """Return the text. Raises OSError ENOENT."""
        if place not in self.texts:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), place.path)
        return self.texts[place]

    def write(self, place: Place, text: str) -> None:
        """Replace the text. Raises OSError ENOENT."""
        self.read(place)
        self.texts[place] = text

    def family(self, place: Place) -> Mapping[Place, str]:
        """Nothing changes on the side here."""
        return {}

    def undo(self, place: Place, text: str) -> Undo | None:
        """Leave it to the transaction, also for a service: here it is a text like the others."""


class SimulatedBenchmark:
    """Answers from a surface, at once.

    Args:
        surface: the truth and its noise.
        maximize: whether more is better.
        seconds: what a run is said to take.
        random_seed: of the noise.
        intervals: what a run is made of; without them it is one number, whatever its length.
        streams: whether the intervals are reported while the run lasts.
        cut_warmup: whether warm-up is left out of the value.
    """

    def __init__(
        self,
        surface: Surface,
        *,
        maximize: bool = True,
        seconds: float = 10.0,
        random_seed: int | None = None,
        intervals: Intervals | None = None,
        streams: bool = False,
        cut_warmup: bool = True,
    ) -> None:
        self._surface = surface
        self._maximize = maximize
        self._seconds = seconds
        self._rng = np.random.default_rng(random_seed)
        self._intervals = intervals
        self._streams = streams
        self._cut_warmup = cut_warmup
        self.runs = 0

    def run(
        self, configuration: Configuration, watch: Watch | None = None, share: float = 1.0
    ) -> BenchmarkRun:
        """Return one noisy value, or what a watched run came to."""
        self.runs += 1
        seconds = self._seconds * share
        value = self._surface.sample(configuration, self._rng, self.runs)
        if value is None:
            return BenchmarkRun(None, "", self._maximize, {}, seconds, "the simulated workload failed here")
        if self._intervals is not None:
            return self._in_intervals(value, self._intervals, watch if self._streams else None, share)
        return BenchmarkRun(value, "simulated", self._maximize, {"simulated": value}, seconds)

    def _in_intervals(
        self, level: float, intervals: Intervals, watch: Watch | None, share: float
    ) -> BenchmarkRun:
        values = level * intervals.draw(self._rng, share)
        each_s = self._seconds / intervals.count
        series = Series()
        for number, value in enumerate(values.tolist(), start=1):
            series.add(number * each_s, value)
            if watch is not None and watch(number * each_s, value):
                ran = number * each_s
                return BenchmarkRun(None, "simulated", self._maximize, {}, ran, "stopped", stopped=True)
        kept = series.kept(cut=self._cut_warmup and self._streams)
        value = float(values.mean()) * kept.factor
        metrics = {"simulated": value, **(kept.metrics if self._streams else {})}
        notes = (kept.note,) if kept.note and self._streams else ()
        ran = len(values) * each_s
        return BenchmarkRun(value, "simulated", self._maximize, metrics, ran, notes=notes)

    def reseed(self, seed: int) -> None:
        """Begin the noise anew."""
        self._rng = np.random.default_rng(seed)
        self.runs = 0

    def setup(self) -> None:
        """There is nothing to set up."""

    def teardown(self) -> None:
        """There is nothing to tear down."""


class SimulatedMonitor:
    """A calm machine.

    Args:
        random_seed: of its small fluctuations.
    """

    def __init__(self, random_seed: int | None = None) -> None:
        self._rng = np.random.default_rng(random_seed)

    def reseed(self, seed: int) -> None:
        """Begin the fluctuations anew."""
        self._rng = np.random.default_rng(seed)

    def start(self) -> None:
        """Begin the interval."""

    def so_far(self) -> dict[str, float]:
        """Return what a machine looks like that is neither calmer nor busier than usual."""
        return {"io_wait": 0.025, "memory_pressure": 0.0}

    def stop(self) -> dict[str, float]:
        """Return plausible shares."""
        busy, waiting, memory = self._rng.uniform((0.5, 0.0, 0.3), (0.9, 0.05, 0.35))
        return {
            "cpu_utilization": float(busy),
            "io_wait": float(waiting),
            "memory_usage": float(memory),
            "cpu_pressure": float(waiting),
            "io_pressure": float(waiting),
            "memory_pressure": 0.0,
        }
