"""One small bandit for each categorical, which makes many categories cheap as long as they add up.

EXP3 of Auer et al. (SIAM J. Comput. 2002, fig. 1) per parameter, all of them learning from the same reward,
in the manner of Kale, Reyzin and Schapire, "Non-stochastic bandit slate problems" (NeurIPS 2010); the
equations are in :mod:`oppertune.algorithms._weights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from oppertune.algorithms._weights import Exp3
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.values import Categorical, Parameter

if TYPE_CHECKING:
    import numpy.typing as npt


class ExponentialWeightsSlates(Algorithm):
    """Adversarial bandits, one per categorical, drawn in declaration order from one generator.

    Rewards should be of the order of one (``normalize_rewards`` sees to that): much larger ones are learnt
    without harm, but the first of them decides nearly everything.

    Args:
        parameters: categoricals.
        random_seed: seeds the draws, one multinomial per parameter and prediction.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        OppertuneError: as the base class.
    """

    class Meta:
        """Takes categories."""

        supported_parameter_types = (Categorical,)

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        random_seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(parameters, random_seed=random_seed, **options)
        self._slates = [Exp3(p.n_categories) for p in self.params if isinstance(p, Categorical)]
        self._rng = np.random.default_rng(random_seed)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        drawn = [slate.draw(self._rng) for slate in self._slates]
        chosen = {
            p.name: p.categories[arm]
            for p, (arm, _) in zip(self.params, drawn, strict=True)
            if isinstance(p, Categorical)
        }
        return _PredictResponse(chosen, drawn)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        reward = tuning_request.reward
        for slate, (arm, probability) in zip(self._slates, tuning_request.metadata, strict=True):
            if reward is not None:
                slate.learn(arm, probability, reward)

    @property
    def k(self) -> tuple[int, ...]:
        """The number of categories of each parameter."""
        return tuple(slate.k for slate in self._slates)

    @property
    def eta(self) -> list[float]:
        """Each parameter's learning rate of the next update, per unit of reward."""
        return [slate.eta for slate in self._slates]

    @property
    def delta(self) -> list[float]:
        """Each parameter's share of uniform exploration in the next draw."""
        return [slate.delta for slate in self._slates]

    @property
    def p(self) -> list[npt.NDArray[np.float64]]:
        """Each parameter's probabilities by weight alone."""
        return [np.array(slate.p) for slate in self._slates]

    @property
    def p_hat(self) -> list[npt.NDArray[np.float64]]:
        """Each parameter's probabilities of the next draw, exploration included."""
        return [np.array(slate.p_hat) for slate in self._slates]
