"""A bandit that looks at the context and values each parameter's choices separately, because most of what a
context changes, it changes for one knob at a time.

The reward of a configuration is modelled as a sum over its slots (Swaminathan et al., "Off-policy evaluation
for slate recommendation", NeurIPS 2017, assumption 1). In place of their pseudo-inverse a Kalman filter with
a diagonal covariance fits all slots together, reward by reward (compare AROW; Crammer, Kulesza and Dredze,
NeurIPS 2009). Each slot explores by inverse gap weighting (SquareCB; Foster and Rakhlin, "Beyond UCB: optimal
and efficient contextual bandits with regression oracles", ICML 2020, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard
from zlib import crc32

import numpy as np

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.encoding import from_unit
from oppertune.core.rewards import RobustScaler
from oppertune.core.state import stateful
from oppertune.core.types import Context
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidArgumentError

if TYPE_CHECKING:
    import numpy.typing as npt

_PRIOR = 1.0  # variance of a weight nothing is known about, in squared units of the standardised reward
_NOISE = 1.0  # of one reward, given context and choices, in the same units
_LARGEST_FEATURE = 3.0  # standard deviations
_LARGEST_NUMBER = 1e75  # squares of raw features stay finite


@stateful
class _Features:
    """Context to vector: a constant, then one column for each number and each text seen in training.

    Numbers are standardised by their running mean and variance (Welford, 1962), texts are indicators. When
    the columns are used up, further features share them by hash.

    Args:
        size: d, the number of columns.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._columns: dict[str, int] = {}
        # By name: count, mean, sum of squares about the mean.
        self._moments: dict[str, list[float]] = {}

    def learn(self, context: Context) -> None:
        """Make columns for what is new, and take the numbers into their moments."""
        for name, value in (context.data or {}).items():
            key = _key(name, value)
            if key not in self._columns and len(self._columns) < self.size - 1:
                self._columns[key] = len(self._columns) + 1
            if _is_number(value) and key in self._columns:
                moments = self._moments.setdefault(key, [0.0, 0.0, 0.0])
                moments[0] += 1.0
                before = _number(value) - moments[1]
                moments[1] += before / moments[0]
                moments[2] += before * (_number(value) - moments[1])

    def vector(self, context: Context) -> npt.NDArray[np.float64]:
        """The features, shape (d,); those without a column are left out."""
        x = np.zeros(self.size)
        x[0] = 1.0
        for name, value in (context.data or {}).items():
            key = _key(name, value)
            column = self._columns.get(key)
            if column is None:
                if len(self._columns) < self.size - 1 or self.size == 1:
                    continue
                column = 1 + crc32(key.encode()) % (self.size - 1)
            x[column] += self._standardised(key, value) if _is_number(value) else 1.0
        return x

    def _standardised(self, key: str, value: float) -> float:
        count, mean, squares = self._moments.get(key, (0.0, 0.0, 0.0))
        if squares == 0.0:
            return 0.0
        z = (_number(value) - mean) / math.sqrt(squares / count)
        return min(max(z, -_LARGEST_FEATURE), _LARGEST_FEATURE)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(name: str, value: object) -> str:
    """What has a column of its own: the name of a number, the name and value of anything else."""
    return name if _is_number(value) else f"{name}={value}"


def _number(value: float) -> float:
    return float(min(max(value, -_LARGEST_NUMBER), _LARGEST_NUMBER))


class Slates(Algorithm):
    """Contextual semi-bandit: for each context the choices of each parameter that add most to the reward.

    Rewards of any scale are standardised inside. Time and memory are proportional to the number of choices
    times ``n_features``, however long it runs. What two parameters are worth together beyond their sum is
    not learnt.

    Args:
        parameters: what to tune; numbers are tried at ``n_discretized_values`` places.
        n_discretized_values: so many values of a number at most, spread evenly (over the logarithm with
            ``log=True``), both bounds among them, and its own value besides.
        gamma: how soon it settles; after t rewards a choice that is one standard deviation of the rewards
            worse than the best of K has a chance of 1 / (K + gamma sqrt(t)).
        n_features: so many columns for numbers and texts of the context, the constant included.
        drift: how much variance each reward gives back to the weights it concerned, in squared standard
            deviations; 0 for a world that never changes.
        random_seed: seeds the draws, one uniform number per parameter and prediction.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True
        supports_context = True

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        n_discretized_values: int = 20,
        gamma: float = 10.0,
        n_features: int = 64,
        drift: float = 1e-4,
        random_seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(parameters, random_seed=random_seed, **options)
        if n_discretized_values < 2:
            raise InvalidArgumentError(f"n_discretized_values must be at least 2, {n_discretized_values=}")
        if not 0 < gamma < math.inf:
            raise InvalidArgumentError(f"gamma must be positive, not {gamma}")
        if n_features < 1:
            raise InvalidArgumentError(f"n_features must be at least 1, not {n_features}")
        if not 0 <= drift <= _PRIOR:
            raise InvalidArgumentError(f"drift must lie in [0, {_PRIOR}], not {drift}")
        self.gamma = float(gamma)
        self.drift = float(drift)
        self.slots = {p.name: _choices(p, n_discretized_values) for p in self.params}
        # The choices of all slots are the rows of one matrix; slot s has those from _first[s].
        sizes = [len(choices) for choices in self.slots.values()]
        self._first = [sum(sizes[:s]) for s in range(len(sizes))]
        self._w = np.zeros((sum(sizes), n_features))
        self._variance = np.full((sum(sizes), n_features), _PRIOR)
        self._features = _Features(n_features)
        self._scale = RobustScaler()
        self._t = 0
        self._rng = np.random.default_rng(random_seed)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        # y = W x: what each choice adds, in standard deviations
        y = self._w @ self._features.vector(tuning_request.context)
        draws = self._rng.random(len(self._first)).tolist()
        chosen: dict[str, Value] = {}
        rows = []
        for (name, choices), first, draw in zip(self.slots.items(), self._first, draws, strict=True):
            k = len(choices)
            position = _pick(self._probabilities(y[first : first + k]), draw)
            chosen[name] = choices[position]
            rows.append(first + position)
        return _PredictResponse(chosen, rows)

    def _probabilities(self, y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Inverse gap weighting over one slot, shape (K,)."""
        best = int(y.argmax())
        # p_a = 1 / (K + gamma (y_best - y_a)), and the rest to the best
        p: npt.NDArray[np.float64] = 1.0 / (len(y) + self.gamma * math.sqrt(self._t) * (y[best] - y))
        p[best] = 0.0
        p[best] = 1.0 - p.sum()
        return p

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        self._features.learn(tuning_request.context)
        x = self._features.vector(tuning_request.context)
        columns = np.flatnonzero(x)
        x = x[columns]
        at = np.ix_(tuning_request.metadata, columns)
        w, v = self._w[at], self._variance[at]
        error = self._scale.standardise(tuning_request.reward or 0.0) - float((w @ x).sum())
        # Gain K = V x / (x' V x + sigma^2), then w += K error and V -= K x V, diagonal only
        gain = v * x / (float((v @ (x * x)).sum()) + _NOISE)
        self._w[at] = w + gain * error
        self._variance[at] = np.minimum(v * (1.0 - gain * x) + self.drift, _PRIOR)
        self._t += 1


def _choices(parameter: Parameter, most: int) -> tuple[Value, ...]:
    """The values that are tried, in order, without repetition."""
    if isinstance(parameter, Categorical):
        return tuple(parameter.categories)
    count = most
    if parameter.steps is not None and not parameter.log and not parameter.special:
        count = min(most, parameter.steps + 1)
    spread = {from_unit(parameter, i / (count - 1)) for i in range(count)}
    return tuple(sorted(spread | {parameter.val}, key=float))


def _pick(p: npt.NDArray[np.float64], draw: float) -> int:
    """The position that a uniform number in [0, 1) stands for."""
    return min(int(p.cumsum().searchsorted(draw, side="right")), len(p) - 1)
