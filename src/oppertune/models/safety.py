"""What is known to be safe: where a search may go that must not fall below a floor more than rarely.

The floor is relative to the level of the parameters' own values. Two models say where it holds. A Gaussian
process over the logarithms of the levels gives a lower confidence bound, as in safe Bayesian optimisation
(Sui, Gotovos, Burdick and Krause, "Safe exploration for optimization with Gaussian processes", ICML 2015). It
cannot foresee a cliff, so all the limits that agree with what stood and fell (:mod:`oppertune.models.limits`)
bound how far a step may lead, also before anything fell. Evidence widens the region, and every fall makes it
demand more.
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
from oppertune.models.limits import Limits
from oppertune.models.success import telling
from oppertune.models.window import Window, has_failed

LEVEL = "performance"
"""The key of a reward's data under which the level stands, where the reward itself is not what must hold."""

DEVIATIONS = 0.4
"""The lower confidence bound is so many standard deviations below the mean."""

RISK = 0.1
"""The probability to lie beyond a limit that is put up with; half of it after one fall, a third after two."""

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
        limits: where limits may lie.
        bearable: the risk that is put up with.
    """

    def __init__(
        self, inputs: Inputs, posterior: Posterior, floor: float, limits: Limits, bearable: float
    ) -> None:
        self._inputs = inputs
        self._posterior = posterior
        self._floor = floor
        self._limits = limits
        self._bearable = bearable

    def margins(self, rows: Array) -> tuple[Array, Array]:
        """Per row by how much it lies outside, 0 for those inside, and the risk that these may still take."""
        mean, std = self._posterior.predict(self._inputs.features(rows))
        below = np.maximum(self._floor - (mean - DEVIATIONS * std), 0.0)
        spare = 1.0 - self._limits.risk(rows) / self._bearable
        return below + np.maximum(-spare, 0.0), np.maximum(spare, 0.0)

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
        stood, fell = rows[told][~fallen[told]], rows[told][fallen[told]]
        home = inputs.encode([{p.name: p.val for p in inputs.parameters}])[0]
        limits = Limits(inputs, home, stood, fell)
        bearable = RISK / (1 + len(fell))
        return SafeRegion(inputs, Posterior(model, theta, kept), floor / scale, limits, bearable)

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
