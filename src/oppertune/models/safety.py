"""What is known to be safe: where a search may go that must not fall below a floor more than rarely.

The floor is relative to the level of the parameters' own values. Two models say where it holds. A Gaussian
process over the logarithms of the levels gives a lower confidence bound, as in safe Bayesian optimisation
(Sui, Gotovos, Burdick and Krause, "Safe exploration for optimization with Gaussian processes", ICML 2015). It
cannot foresee a cliff, so the classifier of :mod:`oppertune.models.success` bounds how far a step may lead
away from what has succeeded, also before anything fell: what nothing was measured near to is doubtful to it.
Evidence widens the region, and every fall makes it demand more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful
from oppertune.core.values import Value
from oppertune.models.gp import GaussianProcess, Measurements, Posterior
from oppertune.models.inputs import Array, Inputs
from oppertune.models.kernels import squared_distances
from oppertune.models.success import Success, telling
from oppertune.models.window import Window, has_failed

LEVEL = "performance"
"""The key of a reward's data under which the level stands, where the reward itself is not what must hold."""

DEVIATIONS = 0.4
"""The lower confidence bound is so many standard deviations below the mean."""

SUCCESS, DOUBT_PER_FALL, DOUBT_HALVES = 0.9, 0.3, 60.0
"""The least probability of success, relative to that of the surest measurement. What is put up with shrinks
by a factor with every fall, and by half with so many measurements."""

STEP, STEADY, SETBACK, LEAST_STEP, CATEGORY = 0.2, 8.0, 4.0, 0.1, 0.15
"""The first steps are so long, in a parameter's range; the length doubles with every eight configurations
that stood, and a fall counts against four of them. A category that differs is a step by itself."""

_LEAST_SPREAD = 0.5
"""Of levels over the space, on the logarithm, before enough of them are known."""

_LOWEST, _FALLEN = 1e-3, 0.25
_HOMES = 30
_FEWEST, _FITS, _AFRESH_UNTIL = 4, 12, 60


class SafeRegion:
    """Where the floor holds, by all that was measured.

    Args:
        inputs: what rows mean.
        posterior: over levels; targets are logarithms of levels relative to the default's, scaled.
        floor: the least target.
        success: the probability not to fall off a cliff.
        least: the least probability that is put up with.
        near: rows that did not fall.
        step: no parameter may lie further than this from the same parameter of all of them.
    """

    def __init__(
        self,
        inputs: Inputs,
        posterior: Posterior,
        floor: float,
        success: Success,
        least: float,
        near: Array,
        step: float,
    ) -> None:
        self._inputs = inputs
        self._posterior = posterior
        self._floor = floor
        self._success = success
        self._least = least
        self._near = near
        self._step = step

    def excess(self, rows: Array) -> Array:
        """Per row by how much it lies outside; 0 for those inside."""
        mean, std = self._posterior.predict(self._inputs.features(rows))
        below = np.maximum(self._floor - (mean - DEVIATIONS * std), 0.0)
        known = self._success.probability(self._near)
        # Beside what stood next to a cliff, nearly as much is put up with as was there.
        beside = known[squared_distances(rows, self._near).argmin(1)] / known.max()
        doubt = np.maximum(self._least * beside - self._success.probability(rows), 0.0)
        excess: Array = below + 10.0 * doubt + np.maximum(self._leap(rows) - self._step, 0.0)
        return excess

    def _leap(self, rows: Array) -> Array:
        """Per row the longest step of one parameter from the nearest row that did not fall.

        A category that differs is a step by itself, and several are as many steps at once.
        """
        if self._step >= 1.0:
            return np.zeros(len(rows))
        gaps = np.abs(rows[:, None, :] - self._near[None, :, :])
        others = (gaps > 1e-9) & self._inputs.is_category
        leaps = np.maximum(np.where(self._inputs.is_category, 0.0, gaps).max(2), CATEGORY * others.sum(2))
        longest: Array = leaps.min(1)
        return longest

    def success(self, rows: Array) -> Array:
        """Per row the probability not to fall off a cliff."""
        return self._success.probability(rows)

    def holds(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Which rows are expected above the floor; for rows that were measured."""
        holds: npt.NDArray[np.bool_] = self._posterior.mean(self._inputs.features(rows)) >= self._floor
        return holds


@stateful
class Floor:
    """Learns where a floor holds.

    Args:
        limit: of the window of measurements.
        max_regression: the floor lies by this share of the default's level below it.

    Attributes:
        window: configurations and their levels; failures have none.
    """

    def __init__(self, limit: int, max_regression: float) -> None:
        self.window = Window(limit)
        self.max_regression = max_regression
        self._homes: list[float] = []
        self._theta: list[float] = []
        self._fitted_at = 0

    @property
    def knows_home(self) -> bool:
        """Whether the level of the parameters' own values is known, without which there is no floor."""
        return bool(self._homes)

    def add(
        self, inputs: Inputs, configuration: Mapping[str, Value], reward: float, reward_data: object
    ) -> None:
        """Learn from one measurement, or from a failure."""
        failed = has_failed(reward_data)
        level = reward if failed else level_of(reward, reward_data)
        if not failed and all(configuration[p.name] == p.val for p in inputs.parameters):
            self._homes = [*self._homes, level][-_HOMES:]
        self.window.add(inputs.encode([configuration])[0], level, configuration, failed=failed)
        n = len(self.window)
        if self._homes and n >= _FEWEST and self.window.count - self._fitted_at >= n / _FITS:
            self._fit(inputs)

    def region(self, inputs: Inputs) -> SafeRegion:
        """Where the floor holds. At least one measurement that did not fail, and the default's level."""
        rows, targets, fallen, floor = self._targets()
        scale = self._scale(targets[~fallen])
        model = GaussianProcess(inputs.feature_sizes)
        theta = np.array(self._theta) if self._theta else model.prior_mean
        kept = Measurements.merged(inputs.features(rows[~fallen]), targets[~fallen] / scale)
        told = telling(~fallen)
        success = Success(rows[told], ~fallen[told])
        surest = float(success.probability(rows[~fallen]).max())
        falls = int((fallen | (targets < floor)).sum())
        doubt = (1.0 - SUCCESS) * DOUBT_PER_FALL**falls * 0.5 ** (len(rows) / DOUBT_HALVES)
        least = surest * (1.0 - doubt)
        near = np.unique(rows[~fallen], axis=0)
        step = STEP * 2.0 ** ((len(near) - 1 - SETBACK * falls) / STEADY)
        posterior = Posterior(model, theta, kept)
        return SafeRegion(inputs, posterior, floor / scale, success, least, near, max(step, LEAST_STEP))

    def _targets(self) -> tuple[Array, Array, npt.NDArray[np.bool_], float]:
        """Rows, levels as targets, which of them fell, and the floor on the same scale."""
        rows, levels = self.window.arrays()
        home, allowed = float(np.median(self._homes)), self.max_regression
        if home > 0.0:
            targets = np.log(np.maximum(levels / home, _LOWEST))
            floor, deep = math.log(1.0 - allowed), math.log(_FALLEN)
        else:
            targets = (levels - home) / (abs(home) or 1.0)
            floor, deep = -allowed, _FALLEN - 1.0
        return rows, targets, self.window.fallen() | (targets < min(deep, floor)), floor

    @staticmethod
    def _scale(targets: Array) -> float:
        return max(_LEAST_SPREAD, float(targets.std())) if len(targets) else _LEAST_SPREAD

    def _fit(self, inputs: Inputs) -> None:
        rows, targets, fallen, _ = self._targets()
        if fallen.all():
            return
        model = GaussianProcess(inputs.feature_sizes)
        data = Measurements.merged(
            inputs.features(rows[~fallen]), targets[~fallen] / self._scale(targets[~fallen])
        )
        starts = [np.array(self._theta)] if self._theta else []
        if not starts or self.window.count <= _AFRESH_UNTIL:
            starts.append(model.prior_mean)
        self._theta = [float(x) for x in model.fit(data, starts, max_iterations=20)]
        self._fitted_at = self.window.count


def level_of(reward: float, reward_data: object) -> float:
    """What must not fall below the floor: what the reward's data say, else the reward itself."""
    told: Any = reward_data.get(LEVEL) if isinstance(reward_data, Mapping) else None
    if isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told):
        return float(told)
    return reward
