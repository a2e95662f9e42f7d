"""One bandit over all combinations of categories, which finds the best one even where categories interact.

EXP3 of Auer et al. (SIAM J. Comput. 2002, fig. 1); its equations are in :mod:`oppertune.algorithms._weights`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from oppertune.algorithms._weights import Exp3
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.values import Categorical, Parameter
from oppertune.errors import InvalidParameterError

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_ARMS = 2**16
"""So many combinations at most: every round costs time proportional to their number."""


class ExponentialWeights(Algorithm):
    """Adversarial bandit over the product of all categories.

    It needs some multiple of K rewards, K being the number of combinations; where categories hardly interact,
    :class:`~oppertune.algorithms.exponential_weights_slates.ExponentialWeightsSlates` needs fewer. Rewards
    should be of the order of one (``normalize_rewards`` sees to that): much larger ones are learnt without
    harm, but the first of them decides nearly everything.

    Args:
        parameters: categoricals.
        random_seed: seeds the draws, one multinomial per prediction.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Raises:
        InvalidParameterError: more than :data:`MOST_ARMS` combinations.
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
        k = math.prod(p.n_categories for p in self.params if isinstance(p, Categorical))
        if k > MOST_ARMS:
            raise InvalidParameterError(
                f"the categories have {k} combinations, more than {MOST_ARMS}; exponential_weights_slates "
                "learns them one parameter at a time"
            )
        self._exp3 = Exp3(k)
        self._rng = np.random.default_rng(random_seed)

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        drawn = self._exp3.draw(self._rng)
        return _PredictResponse(self._combination(drawn[0]), drawn)

    def _combination(self, arm: int) -> dict[str, str]:
        """The categories of an arm; the last parameter varies fastest."""
        chosen: dict[str, str] = {}
        for p in reversed(self.params):
            if isinstance(p, Categorical):
                arm, position = divmod(arm, len(p.categories))
                chosen[p.name] = p.categories[position]
        return chosen

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        arm, probability = tuning_request.metadata
        if tuning_request.reward is not None:
            self._exp3.learn(arm, probability, tuning_request.reward)

    @property
    def k(self) -> int:
        """K, the number of combinations."""
        return self._exp3.k

    @property
    def eta(self) -> float:
        """The learning rate of the next update, per unit of reward."""
        return self._exp3.eta

    @property
    def delta(self) -> float:
        """The share of uniform exploration in the next draw."""
        return self._exp3.delta

    @property
    def p(self) -> npt.NDArray[np.float64]:
        """The probabilities by weight alone, shape (K,)."""
        return np.array(self._exp3.p)

    @property
    def p_hat(self) -> npt.NDArray[np.float64]:
        """The probabilities of the next draw, exploration included, shape (K,)."""
        return np.array(self._exp3.p_hat)
