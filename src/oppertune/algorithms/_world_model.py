"""What a policy learns in and looks ahead with: a model of the rewards, because a real trial costs a minute.

The model is the Gaussian process of :mod:`oppertune.models`. Imagined rewards are pessimistic, so that a
policy does not learn to exploit what the model does not know (as in Yu et al., "MOPO: model-based offline
policy optimization", NeurIPS 2020). Trials are chosen by what they may gain, so that it comes to be known.
Where almost nothing was left of the reward, as beyond a cliff, is kept apart: a smooth model would be bent by
it, and would promise most next to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from oppertune.core.space import Space
from oppertune.core.state import stateful
from oppertune.core.values import Value
from oppertune.models.acquisition import log_expected_improvement
from oppertune.models.contexts import ContextData
from oppertune.models.inputs import Array, Inputs
from oppertune.models.recommendation import best_measured, newest_contexts
from oppertune.models.surrogate import Surrogate, View

_LEAST = 3  # measurements to imagine from
_PESSIMISM = 0.5  # standard deviations
_TOLERATED = 0.3  # of the targets' standard deviation
_LEAST_GAIN, _LEAST_GAIN_IN_NOISE = 0.1, 0.5
_COLLAPSED = 0.7  # of the first reward is lost
_KEPT = 100
_BURNT = 100.0
_LONGEST = 0.5
_REPAIRED = 30


@stateful
class WorldModel:
    """Rewards as far as they are known.

    Args:
        window: so many measurements the model is fitted to.
    """

    def __init__(self, window: int) -> None:
        self._surrogate = Surrogate(window)
        self._first: float | None = None
        self._collapsed: deque[list[float]] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._surrogate.window)

    @property
    def knows_enough(self) -> bool:
        """Whether there is anything to imagine from."""
        return len(self) >= _LEAST

    @property
    def measurements(self) -> list[tuple[dict[str, Value], float]]:
        """The (configuration, reward) pairs that it is fitted to."""
        return self._surrogate.window.measurements

    def add(
        self, inputs: Inputs, configuration: Mapping[str, Value], reward: float, context: ContextData
    ) -> None:
        """Learn from a real trial."""
        self._surrogate.add(inputs, configuration, reward, context)
        # In halves, since the distance of two finite numbers may be infinite.
        first = reward if self._first is None else self._first
        if reward / 2 < first / 2 - _COLLAPSED * abs(first / 2):
            self._collapsed.append([float(u) for u in inputs.encode([configuration])[0]])
        self._first = first

    def imagine(self, inputs: Inputs, contexts: Sequence[ContextData], rows: Array) -> Array:
        """The rewards to expect at least, in the unit of the model's targets.

        Args:
            inputs: what the rows mean.
            contexts: an equal part of the rows is played in each.
            rows: in the order of the contexts. What the space does not admit was never measured near there,
                and is expected to earn little for that reason.
        """
        views = self._surrogate.views(inputs, contexts)
        rewards = []
        for view, part in zip(views, np.split(rows, len(contexts)), strict=True):
            mean, std = view.predict(part)
            rewards.append(mean - _PESSIMISM * std)
        return np.concatenate(rewards)

    def outlook(self, inputs: Inputs, here: ContextData, pending: tuple[Array, list[ContextData]]) -> Outlook:
        """What is known in one context, with pending trials taken to come out as expected."""
        (view,) = self._surrogate.views(inputs, [here], *pending)
        rows, _ = self._surrogate.window.arrays()
        return Outlook(inputs, view, rows, np.array(self._collapsed).reshape(-1, rows.shape[1]))

    def best(self, inputs: Inputs, context: ContextData, *, anywhere: bool) -> dict[str, Value]:
        """The measured configuration to expect most of, in one context or on average over the last ones."""
        contexts = newest_contexts(self._surrogate) if anywhere else [context]
        return best_measured(self._surrogate, inputs, contexts)


class Outlook:
    """What is known in one context.

    Args:
        inputs: what rows mean.
        view: the model there.
        measured: rows that were measured, in any context.
        collapsed: those of them where almost nothing was left of the reward.

    Attributes:
        incumbent: the measured row of the highest posterior mean.
    """

    def __init__(self, inputs: Inputs, view: View, measured: Array, collapsed: Array) -> None:
        self._inputs = inputs
        self._view = view
        self._collapsed = collapsed
        self._caution = 1.0 + _BURNT * len(collapsed) / len(measured)
        distinct = np.unique(measured, axis=0)
        means = view.mean(distinct)
        self.incumbent: Array = distinct[int(means.argmax())]
        self._goal = float(means.max()) + _LEAST_GAIN + _LEAST_GAIN_IN_NOISE * view.noise
        gone = np.zeros(len(distinct), dtype=bool)
        for row in collapsed:
            gone |= (distinct == row).all(axis=1)
        self._sound = distinct[~gone]

    def choose(self, space: Space, rows: Array) -> Array:
        """Of some rows the one to try next, made such that everything holds in it."""
        own = self._inputs.encode([space.repair(space.defaults)])
        worth = self._worth(own, rows)
        if space.is_restricted:
            rows = self._inputs.admitted(space, rows[np.argsort(-worth, kind="stable")[:_REPAIRED]])
            worth = self._worth(own, rows)
        chosen: Array = rows[int(worth.argmax())]
        return chosen

    def _worth(self, own: Array, rows: Array) -> Array:
        """The logarithm of the expected improvement, less how far the lower bound falls short of the default.

        Rows with any great odds of a collapse are worth nothing: the more collapsed so far, the smaller they
        must be. Where all have great odds, the smallest count.
        """
        mean, std = self._view.predict(np.vstack([own, rows]))
        gain = log_expected_improvement(mean[1:], std[1:], self._goal)
        short = np.maximum(mean[0] - _TOLERATED - (mean[1:] - std[1:]), 0.0)
        odds = self._odds_of_collapse(rows)
        safe = odds * self._caution <= 1.0
        worth: Array = np.where(safe, gain - short, -np.inf) if safe.any() else -odds
        return worth

    def _odds_of_collapse(self, rows: Array) -> Array:
        """The squared distance to the nearest sound row over that to the nearest collapsed one."""
        if not len(self._collapsed) or not len(self._sound):
            return np.zeros(len(rows))
        sound, collapsed = (self._nearest(rows, others) for others in (self._sound, self._collapsed))
        odds: Array = sound / np.maximum(collapsed, 1e-9)
        return odds

    def _nearest(self, rows: Array, others: Array) -> Array:
        """Squared distances to the nearest of some others, in length scales; a category counts as one.

        Columns that hardly matter for the reward may still matter for a collapse, so no scale is very long.
        """
        gaps = np.abs(rows[:, None, :] - others[None, :, :])
        gaps = np.where(
            self._inputs.is_category, gaps > 1e-9, gaps / np.minimum(self._view.lengths, _LONGEST)
        )
        nearest: Array = (gaps * gaps).sum(2).min(1)
        return nearest
