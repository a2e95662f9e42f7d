"""Two-point steps around an optimum that is known already and moves, at a cost that never grows.

Two mirrored ends of a random move are played and their relative difference is one projection of the gradient,
as in Agarwal, Dekel and Xiao (COLT 2010, eq. (3)). Here a Kalman filter keeps the gradient from pair to pair,
so that a pair need not tell everything, and steps can be small.
"""

from __future__ import annotations

import math

import numpy as np

from oppertune.core.state import stateful
from oppertune.models.inputs import Array

_RADIUS = 0.08
"""Length of a move, in ranges; longer ones fall off cliffs that lie behind most optima."""

_COARSE = 0.15
"""Where one grid step needs a longer move than this, the value stays as it is."""

_CURVATURE, _LARGEST_STEP, _GAIN = 4.0, 0.015, 0.5
_DRIFT, _LEAST_NOISE = 0.1, 0.007
_OUTLYING = 3.0
_FALLEN, _RETREAT = 0.5, 2.0
_FAST, _SLOW = 0.15, 0.01
_DROP, _SURE = 0.15, 4.0
_SETTLED = 20


@stateful
class Walk:
    """One centre and what the pairs played around it have told.

    Args:
        centre: where it begins, shape (d,), in [0, 1].
        scales: how far each column may move in comparison; 0 for one that stays.
        low: bounds of the columns, shape (d,).
        high: the same.
        least: the smallest move that may change a column's value; 0 where it is continuous.

    Attributes:
        centre: as moved so far.
        moves: how far each column is moved to either side, shape (d,).
        rounds: how many rewards were learnt from.
        level: a slowly moving mean of the rewards; None before any.
        has_dropped: whether rewards have lately been far below it.
    """

    def __init__(self, centre: Array, scales: Array, low: Array, high: Array, least: Array) -> None:
        self.centre = np.clip(centre, low, high)
        self._low, self._high = low, high
        n = max(1, int((scales > 0.0).sum()))
        moves = np.maximum(_RADIUS / math.sqrt(n) * scales, np.where(scales > 0.0, 0.51 * least, 0.0))
        self.moves = np.where(moves > _COARSE, 0.0, moves)
        self._scales = np.where(self.moves > 0.0, scales, 0.0)
        self._inverse = np.where(
            self._scales > 0.0, 1.0 / np.where(self._scales > 0.0, self._scales, 1.0), 0.0
        )
        self._gradient = np.zeros(len(centre))
        self._covariance = np.diag((self._scales > 0.0).astype(np.float64))
        self._drift = _DRIFT * self._covariance
        self._noise = _LEAST_NOISE
        self.rounds = 0
        self.level: float | None = None
        self._lately = self._spread = 0.0

    def afresh(self) -> Walk:
        """A walk from the present centre that has not learnt anything yet."""
        walk = object.__new__(Walk)
        vars(walk).update(vars(self))
        walk._gradient = np.zeros(len(self.centre))
        walk._covariance = self._drift / _DRIFT
        walk._noise, walk.rounds, walk.level = _LEAST_NOISE, 0, None
        walk._lately = walk._spread = 0.0
        return walk

    def ends(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Two rows, mirrored at the centre; nothing learnt changes."""
        move = self.moves * (1.0 - 2.0 * rng.integers(0, 2, len(self.moves)))
        return self._within(self.centre + move), self._within(self.centre - move)

    def _within(self, row: Array) -> Array:
        # Three times as fast as np.clip on so few numbers.
        bounded: Array = np.minimum(np.maximum(row, self._low), self._high)
        return bounded

    def fell(self, reward: float) -> bool:
        """Whether a reward is so low that it tells of a cliff and not of a slope."""
        return self.level is not None and reward < self.level - _FALLEN * abs(self.level)

    def hear(self, reward: float) -> None:
        """Keep what is usual up to date, by every reward once."""
        if self.level is None:
            self.level = self._lately = reward
        away = reward - self.level
        settling = max(_SLOW, 1.0 / (1 + self.rounds))
        self._spread += settling * (abs(away) - self._spread)
        self._lately += max(_FAST, settling) * (reward - self._lately)
        self.level += settling * away
        self.rounds += 1

    @property
    def has_dropped(self) -> bool:
        """Whether the latest rewards are lower than noise and a few falls explain."""
        if self.level is None or self.rounds < _SETTLED:
            return False
        lacking = self.level - self._lately
        # The standard deviation of the fast mean, from the mean absolute deviation.
        noise = 1.25 * self._spread * math.sqrt(_FAST / (2.0 - _FAST))
        return lacking > _DROP * abs(self.level) and lacking > min(_SURE * noise, 0.6 * abs(self.level))

    def learn(self, rows: tuple[Array, Array], rewards: tuple[float, float], fell: tuple[bool, bool]) -> None:
        """Move the centre by what a pair tells.

        An end that fell off a cliff tells how far not to go, and nothing about the slope: the centre steps
        back to the other side, and the part of the gradient that led there is forgotten.
        """
        if fell[0] != fell[1]:
            self._retreat(0.5 * (rows[1] - rows[0] if fell[0] else rows[0] - rows[1]))
        if fell[0] or fell[1]:
            return
        scale = max(abs(rewards[0]), abs(rewards[1]))
        difference = rewards[0] / scale - rewards[1] / scale if scale else 0.0
        x = (rows[0] - rows[1]) * self._inverse
        if not x.any():
            return
        self._filter(x, difference)
        step = np.minimum(np.maximum(_GAIN / _CURVATURE * self._gradient, -_LARGEST_STEP), _LARGEST_STEP)
        moved = self._within(self.centre + step * self._scales)
        went = (moved - self.centre) * self._inverse
        self.centre = moved
        # Nearer to the optimum the slope is less.
        self._gradient = self._gradient - _CURVATURE * went

    def _filter(self, x: Array, difference: float) -> None:
        """Take one projection of the gradient in; an outlying one counts as one at the limit."""
        covariance = self._covariance + self._drift
        told: Array = covariance @ x
        variance = float(x @ told) + self._noise
        limit = _OUTLYING * math.sqrt(variance)
        error = min(max(difference - float(self._gradient @ x), -limit), limit)
        self._gradient = self._gradient + told * (error / variance)
        self._covariance = covariance - told[:, None] * (told / variance)
        self._noise = max(_LEAST_NOISE, self._noise + 0.05 * (error * error - variance))

    def _retreat(self, back: Array) -> None:
        self.centre = self._within(self.centre + _RETREAT * back)
        direction = back * self._inverse
        length = float(direction @ direction)
        along = float(self._gradient @ direction)
        if length > 0.0 and along < 0.0:
            self._gradient = self._gradient - direction * (along / length)
