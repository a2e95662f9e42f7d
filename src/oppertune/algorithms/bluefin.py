"""BlueFin, because most knobs are numbers and a bandit gradient needs one or two runs per step, whatever
their count.

One-point feedback is Flaxman, Kalai and McMahan, "Online convex optimization in the bandit setting" (SODA
2005), eq. (2); two-point feedback is Agarwal, Dekel and Xiao, "Optimal algorithms for online convex
optimization with multi-point bandit feedback" (COLT 2010), eq. (3), with the difference of rewards made
relative as in SelfTune (NSDI 2023, section 4) and OPPerTune (NSDI 2024, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from oppertune.algorithms._steppers import LARGEST, SGD, RMSprop
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.space import Space
from oppertune.core.state import stateful
from oppertune.core.values import Integer, Parameter, Real
from oppertune.errors import InvalidArgumentError

if TYPE_CHECKING:
    import numpy.typing as npt

_STEPPERS = {"rmsprop": RMSprop, "sgd": SGD}


@stateful
class _Pair:
    """A direction and the rewards of its two ends; with one-point feedback there is the first end only."""

    def __init__(self, u: list[float], delta: float) -> None:
        self.u = u
        self.delta = delta
        self.reward_plus: float | None = None
        self.reward_minus: float | None = None


class BlueFin(Algorithm):
    """Bandit gradient ascent on numbers.

    Args:
        parameters: integers and reals.
        eta: learning rate, in units of each parameter's range.
        delta: how far from the centre it plays, in the same units; below 0.5.
        eta_decay_rate: eta_t = eta / (1 + rate (t + 1)) and delta_t = sqrt(eta_t) after update t = 0, 1, ...
        feedback: how many runs make one update, 1 or 2.
        optimizer: ``rmsprop`` or ``sgd``.
        optimizer_args: arguments of the optimizer; ``eta`` among them is its own learning rate.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Attributes:
        eta, delta, feedback, eta_decay_rate: as above, the first two as decayed so far.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class.

    Several predictions may be open at once. They play the ends that still lack a reward; when there is none
    left, another direction is drawn from a stream of its own, so that the sequence of those who ask one at a
    time stays what it is.
    """

    class Meta:
        """Takes numbers, in the inside representation."""

        supported_parameter_types = (Integer, Real)

    _changed_by_predict = frozenset({"_pairs", "_next_pair"})

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        eta: float = 0.01,
        delta: float = 0.1,
        eta_decay_rate: float = 0.0,
        feedback: int = 1,
        optimizer: str = "rmsprop",
        optimizer_args: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(parameters, **options)
        if feedback not in (1, 2):
            raise InvalidArgumentError(f"feedback must be 1 or 2, not {feedback!r}")
        if not eta > 0 or not math.isfinite(eta):
            raise InvalidArgumentError(f"eta must be positive, not {eta}")
        if not 0 < delta <= 0.5:
            raise InvalidArgumentError(f"delta must lie in (0, 0.5], not {delta}")
        if not eta_decay_rate >= 0:
            raise InvalidArgumentError(f"eta_decay_rate must not be negative, {eta_decay_rate=}")
        if optimizer not in _STEPPERS:
            raise InvalidArgumentError(f"optimizer must be one of {sorted(_STEPPERS)}, not {optimizer!r}")
        self.eta = float(eta)
        self.delta = float(delta)
        self.eta_decay_rate = float(eta_decay_rate)
        self.feedback = int(feedback)
        self._eta_0 = self.eta
        self.optimizer = _STEPPERS[optimizer](**({"eta": eta} if optimizer_args is None else optimizer_args))
        self._updates = 0
        # w in [0, 1]^d: inside value over inside maximum.
        self._max = [float(p.max) for p in self.params if not isinstance(p.val, str)]
        self._w = [float(p.val) / m for p, m in zip(self.params, self._max, strict=True)]
        self._clip(self._w)
        self._rng = np.random.default_rng(self._random_seed)
        self._parallel_rng = np.random.default_rng(np.random.SeedSequence(self._random_seed).spawn(1)[0])
        self._current = 0
        self._next_pair = 1
        self._pairs = {0: _Pair(self._direction(self._rng), self.delta)}

    def _set_space(self, space: Space) -> None:
        super()._set_space(space)
        self._names = [p.name for p in self.params]
        self._is_integer = [isinstance(p, Integer) for p in self.params]

    def _direction(self, rng: np.random.Generator) -> list[float]:
        """U = g/|g|, g ~ N(0, I_d): uniform on the sphere."""
        g: list[float] = rng.standard_normal(len(self._w)).tolist()
        norm = math.sqrt(sum([x * x for x in g]))
        return [x / norm for x in g] if norm else g

    def _clip(self, moved: list[float]) -> None:
        # A delta that decay has let grow beyond 1/2 leaves the middle only.
        low = min(self.delta, 0.5)
        high = 1 - low
        self._w = [low if w < low else high if w > high else w for w in moved]

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        number, sign = self._free_end()
        pair = self._pairs[number]
        delta = sign * pair.delta
        inside: dict[str, float] = {}
        for name, c, u, top, is_integer in zip(
            self._names, self._w, pair.u, self._max, self._is_integer, strict=True
        ):
            x = (c + delta * u) * top
            inside[name] = round(x) if is_integer else x
        return _PredictResponse(inside, (number, sign))

    def _free_end(self) -> tuple[int, int]:
        """The first end of a pair that has neither a reward nor an open request."""
        taken = set(self._open_metadata())
        for number, pair in self._pairs.items():
            if pair.reward_plus is None and (number, 1) not in taken:
                return number, 1
            if self.feedback == 2 and pair.reward_minus is None and (number, -1) not in taken:
                return number, -1
        number = self._next_pair
        self._next_pair += 1
        self._pairs[number] = _Pair(self._direction(self._parallel_rng), self.delta)
        return number, 1

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        number, sign = tuning_request.metadata
        pair = self._pairs[number]
        if sign > 0:
            pair.reward_plus = tuning_request.reward
        else:
            pair.reward_minus = tuning_request.reward
        if pair.reward_plus is None or (self.feedback == 2 and pair.reward_minus is None):
            return
        if pair.reward_minus is None:
            difference = pair.reward_plus  # (2): (d r / delta) u
        else:
            # (3): (d D / (2 delta)) u with D = (r+ - r-) / max(|r+|, |r-|)
            scale = max(abs(pair.reward_plus), abs(pair.reward_minus))
            difference = (pair.reward_plus - pair.reward_minus) / scale if scale else 0.0
            if math.isinf(difference):  # rewards near the largest float
                difference = pair.reward_plus / scale - pair.reward_minus / scale
        self._ascend(pair, difference)
        del self._pairs[number]
        if number == self._current:
            # First in the dictionary, so that it is the first to be played.
            self._current = self._next_pair
            self._next_pair += 1
            pair = _Pair(self._direction(self._rng), self.delta)
            self._pairs = {self._current: pair, **self._pairs}

    def _ascend(self, pair: _Pair, difference: float) -> None:
        d = len(self._w)
        factor = d * difference / (self.feedback * pair.delta)
        if not -LARGEST <= factor <= LARGEST:
            factor = math.copysign(LARGEST, factor)
        step = self.optimizer.step([factor * u for u in pair.u])
        self._clip([w + s for w, s in zip(self._w, step, strict=True)])
        if self.eta_decay_rate > 0:
            self.eta = self._eta_0 / (1 + self.eta_decay_rate * (self._updates + 1))
            self.optimizer.eta = self.eta
            self.delta = math.sqrt(self.eta)
        self._updates += 1

    @property
    def iteration(self) -> int:
        """How many updates were made; with two-point feedback each takes two rewards."""
        return self._updates

    @property
    def at_first_perturbation(self) -> bool:
        """Whether the current pair still waits for its first reward; always so with one-point feedback."""
        return self._pairs[self._current].reward_plus is None

    @property
    def w_center(self) -> npt.NDArray[np.float64]:
        """The centre, shape (d,), in units of each parameter's range."""
        return np.array(self._w)

    @property
    def u(self) -> npt.NDArray[np.float64]:
        """The current direction, shape (d,), of length one."""
        return np.array(self._pairs[self._current].u)

    @property
    def w_plus(self) -> npt.NDArray[np.float64]:
        """The first end of the current pair, shape (d,)."""
        return self.w_center + self.delta * self.u

    @property
    def w_minus(self) -> npt.NDArray[np.float64]:
        """The second end of the current pair, shape (d,)."""
        return self.w_center - self.delta * self.u
