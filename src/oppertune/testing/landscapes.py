"""Reward surfaces with a known optimum, shaped like systems rather than like test functions, and their noise.

``system_like`` is base * exp(-loss): a weighted sum over parameters, few of which weigh much, of quadratic,
narrow, saturating and plateau shapes; interactions move one parameter's optimum by another's deviation; wrong
categories cost and shift; and beyond a cliff, just past the optimum, almost nothing is left, as when memory
runs out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oppertune.core.values import Parameter, Real, Value
from oppertune.errors import InvalidArgumentError
from oppertune.testing._system import Units, drawn_system, units

Noise = Literal["none", "gaussian3", "gaussian5", "gaussian10", "heavy"]

_SIGMA: dict[Noise, float] = {
    "none": 0.0,
    "gaussian3": 0.03,
    "gaussian5": 0.05,
    "gaussian10": 0.10,
    "heavy": 0.03,
}

_HARTMANN6_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN6_A = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
_HARTMANN6_P = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)
_HARTMANN6_BEST = np.array([0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573])


@dataclass(frozen=True)
class Landscape:
    """A reward surface; more is better.

    Attributes:
        name: what it is called in tables.
        parameters: its space; their own values are the default configuration.
        optimum: the best configuration, free of noise.
        noise: relative: Gaussian of 3, 5 or 10 %, or 3 % with heavy tails (5 % of the samples at 35 to
            85 % of the truth and 1 % at 115 to 145 %).
        surface: the noise-free reward of a configuration.
        gap: what a regret of 1 is in rewards; None means what the default configuration lacks.
    """

    name: str
    parameters: tuple[Parameter, ...]
    optimum: dict[str, Value]
    noise: Noise
    surface: Callable[[Mapping[str, Value]], float]
    gap: float | None = None

    def noise_free(self, values: Mapping[str, Value]) -> float:
        """The true reward. Raises OppertuneError for values that are not allowed."""
        return self.surface(values)

    def sample(self, values: Mapping[str, Value], rng: np.random.Generator) -> float:
        """One measurement of the reward."""
        truth = self.noise_free(values)
        factor = 1.0 + _SIGMA[self.noise] * float(rng.normal())
        if self.noise == "heavy":
            tail = rng.random()
            if tail < 0.05:
                factor = rng.uniform(0.35, 0.85)
            elif tail < 0.06:
                factor = rng.uniform(1.15, 1.45)
        return float(truth * factor)

    def regret(self, values: Mapping[str, Value]) -> float:
        """0.0 at the optimum, free of noise; 1.0 at the default configuration unless there is a gap."""
        best = self.noise_free(self.optimum)
        gap = self.gap
        if gap is None:
            gap = best - self.noise_free({p.name: p.val for p in self.parameters})
        return (best - self.noise_free(values)) / gap


def checked(noise: Noise) -> Noise:
    """A kind of noise that there is. Raises InvalidArgumentError."""
    if noise not in _SIGMA:
        raise InvalidArgumentError(f"noise must be one of {sorted(_SIGMA)}, not {noise!r}")
    return noise


def quadratic(n_parameters: int = 2, seed: int = 0, noise: Noise = "none") -> Landscape:
    """One minus the mean squared distance to an optimum in [0.55, 0.9]^n; reals that start at 0.25."""
    rng = np.random.default_rng(seed)
    parameters: tuple[Parameter, ...] = tuple(
        Real(f"x{i}", val=0.25, min=0.0, max=1.0) for i in range(n_parameters)
    )
    best = rng.uniform(0.55, 0.9, n_parameters)

    def surface(values: Mapping[str, Value]) -> float:
        return 1.0 - float(np.mean((units(parameters, values) - best) ** 2))

    optimum: dict[str, Value] = {p.name: float(x) for p, x in zip(parameters, best, strict=True)}
    return Landscape(f"quadratic{n_parameters}", parameters, optimum, checked(noise), surface)


def ackley(n_parameters: int = 10, seed: int = 0, noise: Noise = "none") -> Landscape:
    """Ackley's function upside down, at most 20 + e, in [-10, 10]^n around an optimum in the inner half."""
    rng = np.random.default_rng(seed)
    parameters: tuple[Parameter, ...] = tuple(
        Real(f"x{i}", val=-8.0, min=-10.0, max=10.0) for i in range(n_parameters)
    )
    best = rng.uniform(-5.0, 5.0, n_parameters)

    def surface(values: Mapping[str, Value]) -> float:
        x = np.array([float(p.cast(values[p.name])) for p in parameters]) - best
        slope = 20.0 * math.exp(-0.2 * math.sqrt(float(np.mean(x * x))))
        return slope + math.exp(float(np.mean(np.cos(2.0 * math.pi * x))))

    optimum: dict[str, Value] = {p.name: float(x) for p, x in zip(parameters, best, strict=True)}
    return Landscape(f"ackley{n_parameters}", parameters, optimum, checked(noise), surface)


def hartmann6(seed: int = 0, noise: Noise = "none") -> Landscape:
    """Hartmann's function of six variables upside down, at most 3.32, its axes permuted and mirrored by seed.

    Source: Dixon and Szegö, "The global optimization problem: an introduction", 1978.
    """
    rng = np.random.default_rng(seed)
    order, mirrored = rng.permutation(6), rng.random(6) < 0.5
    parameters: tuple[Parameter, ...] = tuple(
        Real(f"x{i}", val=float(rng.uniform(0.05, 0.95)), min=0.0, max=1.0) for i in range(6)
    )

    def place(x: Units) -> Units:
        moved: Units = np.where(mirrored, 1.0 - x, x)[order]
        return moved

    def surface(values: Mapping[str, Value]) -> float:
        away = place(units(parameters, values)) - _HARTMANN6_P
        return float(_HARTMANN6_ALPHA @ np.exp(-(_HARTMANN6_A * away * away).sum(1)))

    best = np.empty(6)
    best[order] = _HARTMANN6_BEST
    best = np.where(mirrored, 1.0 - best, best)
    optimum: dict[str, Value] = {p.name: float(x) for p, x in zip(parameters, best, strict=True)}
    return Landscape("hartmann6", parameters, optimum, checked(noise), surface)


def system_like(n_parameters: int = 8, seed: int = 0, noise: Noise = "gaussian3") -> Landscape:
    """A mixed space in which the default, in the lower half, earns 30 to 65 % of the optimum.

    Args:
        n_parameters: 3, 8 and 20 are the usual sizes.
        seed: draws the instance.
        noise: as in :class:`Landscape`.
    """
    system = drawn_system(n_parameters, seed)
    return Landscape(
        f"system{n_parameters}", system.parameters, system.optimum, checked(noise), system.surface
    )
