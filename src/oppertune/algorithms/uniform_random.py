"""The baseline that searches blindly, which every search must beat (Bergstra and Bengio, 2012)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import from_unit
from oppertune.core.values import Categorical, Parameter, Value


class UniformRandom(Algorithm):
    """Draws every parameter independently: categories and grid points with equal chances.

    With ``log=True`` the logarithm is uniform, and the value is rounded to the grid. Special values are drawn
    with their own probabilities.

    Args:
        parameters: what to tune.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.
    """

    class Meta:
        """Takes everything."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(self, parameters: Iterable[Parameter | Mapping[str, Any]], **options: Any) -> None:
        super().__init__(parameters, **options)
        self._rng = np.random.default_rng(self._random_seed)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        return _PredictResponse({p.name: self._value(p) for p in self.params})

    def _value(self, parameter: Parameter) -> Value:
        if isinstance(parameter, Categorical):
            return parameter.categories[int(self._rng.integers(parameter.n_categories))]
        if parameter.special or parameter.log or parameter.steps is None:
            return from_unit(parameter, float(self._rng.random()))
        # Grids of more points than an int64 can count are drawn by position.
        if parameter.steps >= 2**62:
            return from_unit(parameter, float(self._rng.random()))
        index = int(self._rng.integers(parameter.steps + 1))
        return parameter.at(index)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        """There is nothing to learn."""
