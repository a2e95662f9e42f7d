"""A host in memory that starts from values read on the real one, and a clock-free benchmark on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

import numpy as np

from tactician.outcomes import Configuration
from tactician.ports import BenchmarkRun, Place
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


class SimulatedBenchmark:
    """Answers from a surface, at once.

    Args:
        surface: the truth and its noise.
        maximize: whether more is better.
        seconds: what a run is said to take.
        random_seed: of the noise.
    """

    def __init__(
        self,
        surface: Surface,
        *,
        maximize: bool = True,
        seconds: float = 10.0,
        random_seed: int | None = None,
    ) -> None:
        self._surface = surface
        self._maximize = maximize
        self._seconds = seconds
        self._rng = np.random.default_rng(random_seed)
        self.runs = 0

    def run(self, configuration: Configuration) -> BenchmarkRun:
        """Return one noisy value."""
        self.runs += 1
        value = self._surface.sample(configuration, self._rng, self.runs)
        if value is None:
            return BenchmarkRun(
                None, "", self._maximize, {}, self._seconds, "the simulated workload failed here"
            )
        return BenchmarkRun(value, "simulated", self._maximize, {"simulated": value}, self._seconds)

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
