"""How much is still to be gained, so that a search may end before its budget does.

A Gaussian process (:mod:`oppertune.models`) is fitted to the logarithms of what was measured, its
hyperparameters drawn from their posterior as in :mod:`oppertune.importance`. Functions drawn from it are
compared at the default, at the best measured configuration and at many others: how often does any of these
gain more than is worth having? Only differences at the top matter, so whatever lies far below the default
counts as one floor: a cliff, a failure and a disturbed run alike, none of which sets the model's scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from oppertune.core.configurations import checked_parameters
from oppertune.core.space import Constraint, Space
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.errors import InvalidArgumentError
from oppertune.importance import likely_hyperparameters
from oppertune.models.gp import GaussianProcess, Measurements, Posterior, Prior
from oppertune.models.inputs import Array, Inputs

__all__ = ("Prospects", "prospects")

_KNEE = 4.0
"""Levels so many noise deviations (or gains worth having) below the default count as that one; above it a
target grows with the logarithm only, so that one freak run does not set the scale."""

_PAIR = 0.954
"""The median distance of two normal numbers, in standard deviations."""

_RANDOM, _NEAR, _CENTRES = 200, 15, 4
_MODELS, _FUNCTIONS = 6, 60
_NEWEST, _BEST = 100, 40
"""So many of the newest measurements count, and so many of the best before."""


_PRIOR = Prior(
    scale=(math.log(0.4), 0.6),
    penalty=(math.log(0.4), 0.8),
    effect=(-7.0, 0.1),
    smoothness=(math.log(0.3), 0.1),
    signal=(math.log(0.1), 1.5),
    noise=(math.log(0.5), 1.0),
)
"""Unlike a search, this begins by doubting that there is any effect: a signal a fifth as strong as the noise.
Effects of single parameters are left to the kernel over all of them, with which the levels of
:mod:`tactician.stopping` were measured."""


class Prospects(NamedTuple):
    """What may still be gained, as probabilities under the model.

    Attributes:
        over_default: that some configuration gains more than what is worth having over the default.
        over_best: the same over the best measured one.
        best: the measured configuration of the highest posterior mean, the default included.
        best_gain: its expected gain over the default, as a difference of levels.
    """

    over_default: float
    over_best: float
    best: dict[str, Value]
    best_gain: float


def prospects(
    parameters: Iterable[Parameter | Mapping[str, object]],
    measurements: Sequence[tuple[Mapping[str, Value], float | None]],
    default: Mapping[str, Value],
    worth: float,
    constraints: Iterable[Constraint | str] = (),
    random_seed: int = 0,
) -> Prospects:
    """Judge what further measurements could still bring.

    Args:
        parameters: the space.
        measurements: (configuration, level) pairs, those of the default among them, more is better; None
            where it failed. A level is a logarithm, so that differences are ratios.
        default: what is to be beaten.
        worth: the smallest difference of levels that is worth having.
        constraints: what must hold in every configuration.
        random_seed: of the draws.

    Raises:
        InvalidArgumentError: fewer than 2 measurements of the default, or of other configurations.
        OppertuneError: parameters that contradict themselves, or values that are not allowed.
    """
    checked = checked_parameters(parameters, (Categorical, Integer, Real), "prospects")
    inputs = Inputs(p for p in checked if not p.is_constant)
    space = Space(checked, constraints)
    rng = np.random.default_rng(random_seed)
    home = inputs.encode([default])
    rows, levels, at_home = _arrays(inputs, measurements, home)
    if np.isfinite(levels[at_home]).sum() < 2 or (~at_home).sum() < 2:
        raise InvalidArgumentError("prospects need 2 measurements of the default and 2 of others at least")
    scale = _Scale(levels, at_home, worth)
    model = GaussianProcess(inputs.feature_sizes, prior=_PRIOR)
    data = Measurements.merged(inputs.features(rows), scale(levels))
    distinct = np.unique(rows, axis=0)
    tally = np.zeros(3)
    means = np.zeros(len(distinct))
    drawn = []
    for theta in likely_hyperparameters(model, data, _MODELS, rng):
        posterior = Posterior(model, theta, data)
        means += posterior.mean(inputs.features(distinct))
        drawn.append(posterior)
    best = int(means.argmax())
    elsewhere = _candidates(inputs, space, distinct[np.argsort(-means)[:_CENTRES]], rng)
    points = inputs.features(np.vstack([home, distinct[best][None, :], distinct, elsewhere]))
    for posterior in drawn:
        f = scale.levels(posterior.sample(points, _FUNCTIONS, rng))
        top = f.max(1)
        tally += [(top - f[:, 0] > worth).sum(), (top - f[:, 1] > worth).sum(), (f[:, 1] - f[:, 0]).sum()]
    tally /= _MODELS * _FUNCTIONS
    best_values = {**space.defaults, **inputs.decode(distinct[best])}
    return Prospects(float(tally[0]), float(tally[1]), best_values, float(tally[2]))


def _arrays(
    inputs: Inputs, measurements: Sequence[tuple[Mapping[str, Value], float | None]], home: Array
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Rows, levels and which are the default's. A failure is lower than everything; the cost is bounded."""
    rows = inputs.encode([configuration for configuration, _ in measurements])
    levels = np.array([-math.inf if level is None else level for _, level in measurements])
    at_home = np.array([bool((np.abs(row - home[0]) < 1e-9).all()) for row in rows], dtype=np.bool_)
    others = np.flatnonzero(~at_home)
    older = others[:-_NEWEST]
    kept = [
        *np.flatnonzero(at_home)[-_NEWEST:],
        *older[np.argsort(-levels[older])[:_BEST]],
        *others[-_NEWEST:],
    ]
    return rows[kept], levels[kept], at_home[kept]


class _Scale:
    """How levels become targets: about the default's, floored below, pulled in far above.

    Args:
        levels: minus infinity for failures.
        at_home: which of them are the default's.
        worth: the smallest difference that matters.
    """

    def __init__(self, levels: Array, at_home: npt.NDArray[np.bool_], worth: float) -> None:
        own = levels[at_home & np.isfinite(levels)]
        self.middle = float(np.median(own))
        pairs = np.abs(own[:, None] - own[None, :])[np.triu_indices(len(own), 1)]
        noise = float(np.median(pairs)) / _PAIR if len(pairs) else 0.0
        self.knee = _KNEE * max(noise, worth)
        self.unit = 1.0
        targets = self(levels)
        self.unit = max(float(np.sqrt(np.mean(targets**2))), 0.1 * worth)

    def __call__(self, levels: Array) -> Array:
        """Targets; of the order of one."""
        k = self.knee
        relative = np.maximum(levels - self.middle, -k)
        pulled = np.where(relative > k, k * (1.0 + np.log(np.maximum(relative, k) / k)), relative)
        targets: Array = pulled / self.unit
        return targets

    def levels(self, targets: Array) -> Array:
        """The reverse, the default's level taken off."""
        k = self.knee
        pulled = targets * self.unit
        relative: Array = np.where(
            pulled > k, k * np.exp(np.minimum(np.maximum(pulled / k, 1.0) - 1.0, 50.0)), pulled
        )
        return relative


def _candidates(inputs: Inputs, space: Space, centres: Array, rng: np.random.Generator) -> Array:
    """Rows from everywhere, and around the best ones."""
    d = len(inputs.parameters)
    near = np.repeat(centres, _NEAR, axis=0)
    moves = rng.random(near.shape) < max(1.0 / d, 0.3)
    near = np.where(
        moves,
        np.where(inputs.is_category, rng.random(near.shape), near + 0.15 * rng.normal(size=near.shape)),
        near,
    )
    return inputs.admitted(space, np.vstack([inputs.draw(rng, _RANDOM), inputs.snap(near)]))
