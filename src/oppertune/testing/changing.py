"""Landscapes whose optimum depends on the context or moves with time, which a single best point cannot serve.

Both begin as one instance of ``system_like``; what changes moves its optimum, and its cliff along with it, so
that the optimum stays allowed. A regret of 1 means the same in every context and at every time: a share of
that optimum's reward as large as the parameters' own values lack on average over contexts or rounds.
Dividing by what they lack at that very place would not do, since the optimum may pass through them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidArgumentError
from oppertune.testing._system import System, Units, drawn_system
from oppertune.testing.landscapes import Landscape, Noise, checked

Drift = Literal["slow", "jumps"]

HORIZON = 600
"""Rounds over which a drifting landscape is judged."""

_PERIOD, _AMPLITUDE = 400, 0.3  # of slow drift
_STAY = 200  # rounds between jumps
_SHIFT, _SHIFTED, _LARGEST_FACTOR = 0.35, 0.7, 2.0  # of contexts


@dataclass(frozen=True)
class Contextual:
    """One landscape per value of a categorical feature.

    Attributes:
        name: what it is called in tables.
        feature: the feature's name.
        contexts: its values.
        landscapes: one for each, over the same parameters.
    """

    name: str
    feature: str
    contexts: tuple[str, ...]
    landscapes: tuple[Landscape, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The space; its own values are the default configuration."""
        return self.landscapes[0].parameters

    @property
    def features(self) -> list[dict[str, Any]]:
        """The feature as AutoScope declares it."""
        return [{"name": self.feature, "values": self.contexts}]

    def at(self, context: str) -> Landscape:
        """The landscape of one context. Raises InvalidArgumentError for an unknown one."""
        if context not in self.contexts:
            raise InvalidArgumentError(f"context must be one of {list(self.contexts)}, not {context!r}")
        return self.landscapes[self.contexts.index(context)]

    def regret(self, values: Mapping[str, Mapping[str, Value]]) -> float:
        """The mean over contexts of the regret of what is played in each."""
        return float(np.mean([self.at(context).regret(values[context]) for context in self.contexts]))


def contextual(
    n_parameters: int = 8, n_contexts: int = 3, seed: int = 0, noise: Noise = "gaussian3"
) -> Contextual:
    """Contexts that shift 70 % of the numeric optima by up to 0.35 of the range, and draw categories anew.

    The reward of a context's optimum is that of ``system_like`` times a factor between 1 and 2. The first
    context is ``system_like`` itself.

    Args:
        n_parameters: as for ``system_like``.
        n_contexts: how many values the feature has, at least one.
        seed: draws the instance.
        noise: as in :class:`~oppertune.testing.landscapes.Landscape`.

    Raises:
        InvalidArgumentError: no context, or no such noise.
    """
    if n_contexts < 1:
        raise InvalidArgumentError(f"n_contexts must be at least 1, not {n_contexts}")
    base = drawn_system(n_parameters, seed)
    # Not the seed alone, which has drawn the instance.
    rng = np.random.default_rng([seed, 1])
    systems = [base]
    for _ in range(n_contexts - 1):
        shift = rng.uniform(-_SHIFT, _SHIFT, n_parameters) * (rng.random(n_parameters) < _SHIFTED)
        places = _with_categories(base, np.clip(base.best + shift, 0.0, 1.0), rng)
        systems.append(base.moved(places, float(rng.uniform(1.0, _LARGEST_FACTOR))))
    share = float(np.mean([system.lacking() for system in systems]))
    name = f"contextual{n_parameters}x{n_contexts}"
    return Contextual(
        name,
        "workload",
        tuple(f"w{i}" for i in range(n_contexts)),
        tuple(_landscape(name, system, noise, share) for system in systems),
    )


def _with_categories(system: System, places: Units, rng: np.random.Generator) -> Units:
    """The places with those of categories drawn anew."""
    drawn = rng.random(len(places))
    return np.where([isinstance(p, Categorical) for p in system.parameters], drawn, places)


def _landscape(name: str, system: System, noise: Noise, share: float) -> Landscape:
    return Landscape(
        name, system.parameters, system.optimum, checked(noise), system.surface, gap=share * system.base
    )


class Drifting:
    """A landscape per round; :func:`drifting` makes it.

    Attributes:
        name: what it is called in tables.
        parameters: the space; its own values are the default configuration.
        kind: ``slow`` or ``jumps``.
        noise: as in :class:`~oppertune.testing.landscapes.Landscape`.
    """

    def __init__(self, n_parameters: int, kind: Drift, seed: int, noise: Noise) -> None:
        if kind not in ("slow", "jumps"):
            raise InvalidArgumentError(f"kind must be 'slow' or 'jumps', not {kind!r}")
        self._base = drawn_system(n_parameters, seed)
        self._seed = seed
        self._phases = np.random.default_rng([seed, 2]).uniform(0.0, 2.0 * math.pi, n_parameters)
        self.name = f"{kind}{n_parameters}"
        self.parameters = self._base.parameters
        self.kind = kind
        self.noise = checked(noise)
        # Every tenth round, which both kinds of change are slow against.
        self._share = float(np.mean([self._system(t).lacking() for t in range(0, HORIZON, 10)]))

    def at(self, t: int) -> Landscape:
        """The landscape of round t = 0, 1, ..."""
        return _landscape(self.name, self._system(t), self.noise, self._share)

    def _system(self, t: int) -> System:
        base, n = self._base, len(self.parameters)
        if self.kind == "slow":
            away = _AMPLITUDE * np.sin(2.0 * math.pi * (t % _PERIOD) / _PERIOD + self._phases)
            fixed = [isinstance(p, Categorical) for p in self.parameters]
            return base.moved(np.where(fixed, base.best, np.clip(base.best + away, 0.0, 1.0)))
        if t < _STAY:
            return base
        rng = np.random.default_rng([self._seed, 3, t // _STAY])
        return base.moved(_with_categories(base, rng.uniform(0.1, 0.9, n), rng))


def drifting(
    n_parameters: int = 8, kind: Drift = "slow", seed: int = 0, noise: Noise = "gaussian3"
) -> Drifting:
    """An optimum that moves.

    ``slow``: each numeric one as 0.3 sin(2 pi t / 400 + phase), clipped to the range. ``jumps``: to another
    place, categories included, every 200 rounds; the first 200 are ``system_like`` itself.

    The dynamic regret is the mean over rounds t = 0 ... 599 of ``at(t).regret(what is played)``.

    Args:
        n_parameters: as for ``system_like``.
        kind: ``slow`` or ``jumps``.
        seed: draws the instance.
        noise: as in :class:`~oppertune.testing.landscapes.Landscape`.

    Raises:
        InvalidArgumentError: no such kind or noise.
    """
    return Drifting(n_parameters, kind, seed, noise)
