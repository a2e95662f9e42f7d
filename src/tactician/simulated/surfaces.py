"""Response surfaces of imaginary workloads: bumps, plateaus, cliffs and the noise of real machines."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oppertune.core.encoding import to_unit
from oppertune.core.values import Categorical, Parameter
from tactician.outcomes import Configuration

Noise = Callable[[np.random.Generator, int], float]
"""``noise(rng, run_number)`` returns the factor by which one run differs from the truth."""


@dataclass(frozen=True)
class Surface:
    """The truth and its noise.

    Attributes:
        truth: noise-free value of a configuration; None where the workload fails.
        noise: factor per run.
    """

    truth: Callable[[Configuration], float | None]
    noise: Noise

    def sample(self, configuration: Configuration, rng: np.random.Generator, run: int) -> float | None:
        """Return one noisy value, None for a failure."""
        value = self.truth(configuration)
        return None if value is None else value * self.noise(rng, run)


def workload_surface(parameters: Sequence[Parameter], name: str, level: float = 0.03) -> Surface:
    """Return the surface of a dry run: the same for the same workload name, different for another.

    Each numeric parameter has an optimum and a weight, each category a penalty; the value is a base
    times ``exp(-loss)``.

    Args:
        parameters: what is tuned.
        name: seeds the surface.
        level: relative standard deviation of a run.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    optima: NDArray[np.float64] = rng.uniform(0.15, 0.95, len(parameters))
    weights: NDArray[np.float64] = rng.exponential(0.4, len(parameters))
    penalties = {
        parameter.name: dict(
            zip(parameter.categories, rng.uniform(0, 0.25, len(parameter.categories)), strict=True)
        )
        for parameter in parameters
        if isinstance(parameter, Categorical)
    }

    def truth(configuration: Configuration) -> float:
        loss = 0.0
        for parameter, optimum, weight in zip(parameters, optima, weights, strict=True):
            value = configuration[parameter.name]
            if isinstance(parameter, Categorical):
                loss += float(penalties[parameter.name].get(str(value), 0.1))
            else:
                loss += float(weight) * (to_unit(parameter, parameter.nearest(value)) - float(optimum)) ** 2
        return 1500.0 * math.exp(-loss)

    return Surface(truth, gaussian(level))


def gaussian(level: float) -> Noise:
    """Normal noise of this relative standard deviation."""
    return lambda rng, run: max(0.01, 1.0 + level * float(rng.standard_normal()))


def heavy_tailed(level: float = 0.03) -> Noise:
    """Normal noise; 5 % of runs at 35 to 85 % of the truth, 1 % at 115 to 145 %."""

    def noise(rng: np.random.Generator, run: int) -> float:
        draw = rng.random()
        if draw < 0.05:
            return float(rng.uniform(0.35, 0.85))
        if draw < 0.06:
            return float(rng.uniform(1.15, 1.45))
        return max(0.01, 1.0 + level * float(rng.standard_normal()))

    return noise


def drifting(level: float = 0.03, depth: float = 0.2, period: float = 60.0) -> Noise:
    """Normal noise on a machine that gets slower and faster again."""
    return lambda rng, run: (1.0 + depth * math.sin(2 * math.pi * run / period)) * gaussian(level)(rng, run)
