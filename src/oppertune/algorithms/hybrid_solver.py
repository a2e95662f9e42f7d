"""Two algorithms side by side, because what suits categories does not suit numbers.

OPPerTune (NSDI 2024, section 4): categories go to one algorithm, numbers to another, and both learn from the
same reward. Here the categories stay what they are while a two-point gradient is measured (Agarwal, Dekel
and Xiao, COLT 2010, eq. (3)); otherwise the difference of the two rewards would tell of the categories too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.requests import CLEARED, Request
from oppertune.core.state import fingerprint, stateful
from oppertune.core.types import PredictionType, RequestIdType, RewardDataType
from oppertune.core.values import Categorical, Parameter
from oppertune.errors import InvalidArgumentError


@stateful
class _Held:
    """A choice of categories that several predictions share, and what they have earned so far."""

    def __init__(self, prediction: PredictionType, request_id: RequestIdType) -> None:
        self.prediction = prediction
        self.request_id = request_id
        self.rewards: list[float] = []


class HybridSolver(Algorithm):
    """Categories to one algorithm, numbers to another, one reward to both.

    Either part may be empty. Contexts, ``predict_data`` and ``reward_data`` go to both. With a two-point
    algorithm for the numbers (one whose ``feedback`` is 2) both ends of a pair are played with the same
    categories, and these learn once, from the mean of the two rewards.

    Args:
        parameters: what to tune.
        categorical_algorithm: a name in :data:`~oppertune.algorithms.all.ALGORITHMS`.
        numerical_algorithm: likewise.
        categorical_algorithm_args: arguments of its constructor.
        numerical_algorithm_args: likewise.
        random_seed: seeds the parts whose arguments have no ``random_seed``: their seeds are the first 32-bit
            words of the two children that ``SeedSequence(random_seed).spawn(2)`` makes, categories first.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`. Constraints go to the part that has all
            of their parameters, too.

    Attributes:
        categorical_tuning_instance, numerical_tuning_instance: the parts; None where there are no such
            parameters that can vary.

    Raises:
        UnknownAlgorithmError: no such name.
        InvalidArgumentError: a part that takes sequences of rewards only.
        OppertuneError: as the base class and the constructors of the parts.
    """

    class Meta:
        """Takes everything, in outside values, which the parts transform as they like."""

        requires_untransformed_parameters = True
        supports_context = True

    _changed_by_predict = frozenset({"_held"})

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        categorical_algorithm: str = "exponential_weights_slates",
        numerical_algorithm: str = "bluefin",
        categorical_algorithm_args: Mapping[str, Any] | None = None,
        numerical_algorithm_args: Mapping[str, Any] | None = None,
        random_seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(parameters, random_seed=random_seed, **options)
        self.categorical_algorithm = categorical_algorithm
        self.numerical_algorithm = numerical_algorithm
        seeds = np.random.SeedSequence(random_seed).spawn(2)
        self.categorical_tuning_instance = self._part(
            self.categorical_params, categorical_algorithm, categorical_algorithm_args, seeds[0]
        )
        self.numerical_tuning_instance = self._part(
            self.numerical_params, numerical_algorithm, numerical_algorithm_args, seeds[1]
        )
        # By pair of the numbers' algorithm, then by context if the categories' algorithm looks at it.
        self._held: dict[Hashable, dict[str, _Held]] = {}

    @property
    def categorical_params(self) -> tuple[Categorical, ...]:
        """The categoricals that can vary."""
        return tuple(p for p in self.params if isinstance(p, Categorical))

    @property
    def numerical_params(self) -> tuple[Parameter, ...]:
        """The numbers that can vary."""
        return tuple(p for p in self.params if not isinstance(p, Categorical))

    def _part(
        self,
        parameters: tuple[Parameter, ...],
        algorithm: str,
        arguments: Mapping[str, Any] | None,
        seed: np.random.SeedSequence,
    ) -> Algorithm | None:
        if not get_algorithm_class(algorithm)._flags.supports_single_reward:
            raise InvalidArgumentError(f"{algorithm!r} takes sequences of rewards and cannot be a part")
        if not parameters:
            return None
        given = dict(arguments or {})
        if self._random_seed is not None:
            given.setdefault("random_seed", int(seed.generate_state(1)[0]))
        names = {p.name for p in parameters}
        # With conditions it is for the whole to say which constraints matter.
        own = [c for c in self.constraints if names.issuperset(c.names) and not self.conditions]
        if own:
            given.setdefault("constraints", own)
        part = create_tuning_instance(algorithm, parameters, given)
        # A request of a part lives as long as the one of ours that it belongs to; the categories of a pair
        # with one reward live until the other comes.
        part._ledger.max_open = 2 * self._ledger.max_open + 2
        part._ledger.max_age = None
        return part

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        self._release()
        context, predict_data = tuning_request.context, tuning_request.predict_data
        chosen: PredictionType = {}
        number = category = pair = None
        numerical, categorical = self.numerical_tuning_instance, self.categorical_tuning_instance
        if numerical is not None:
            # What predict(context, fresh=True) does, without the checks that ours has done already.
            request = numerical._ledger.open(numerical._draw(context, predict_data))
            number, pair = request.id, _pair_of(numerical, request)
            chosen.update(request.draw.prediction)
        if categorical is not None:
            where = context.id if pair is not None and categorical._flags.supports_context else ""
            held = None if pair is None else self._held.get(pair, {}).get(where)
            if held is None:
                request = categorical._ledger.open(categorical._draw(context, predict_data))
                held = _Held(request.draw.prediction, request.id)
                if pair is not None:
                    self._held.setdefault(pair, {})[where] = held
            category = held.request_id
            chosen.update(held.prediction)
        return _PredictResponse(chosen, [number, category, pair])

    def _release(self) -> None:
        """End the parts' requests whose own request here has lapsed or was cleared."""
        categorical, numerical = self.categorical_tuning_instance, self.numerical_tuning_instance
        # In every prediction, and nearly always true: so without a loop.
        if (categorical is None or not len(categorical._ledger)) and (
            numerical is None or not len(numerical._ledger)
        ):
            return
        parts = [part for part in (categorical, numerical) if part is not None]
        needed = {request_id for metadata in self._open_metadata() for request_id in metadata[:2]}
        for pair, held in list(self._held.items()):
            self._held[pair] = kept = {w: h for w, h in held.items() if h.rewards or h.request_id in needed}
            needed.update(h.request_id for h in kept.values())
            if not kept:
                del self._held[pair]
        for part in parts:
            for request in [request for request in part._ledger if request.id not in needed]:
                part._ledger.close(request, CLEARED)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        number, category, pair = tuning_request.metadata
        reward, data = tuning_request.reward, tuning_request.reward_data
        if reward is None:
            return
        try:
            if self.numerical_tuning_instance is not None:
                _reward(self.numerical_tuning_instance, number, reward, data)
        finally:
            if self.categorical_tuning_instance is not None:
                for request_id, mean in self._earned(category, pair, reward):
                    _reward(self.categorical_tuning_instance, request_id, mean, data)

    def _earned(
        self, request_id: RequestIdType, pair: Hashable, reward: float
    ) -> list[tuple[RequestIdType, float]]:
        """What the categories learn now: each choice that is settled by this reward, with its mean."""
        if pair is None:
            return [(request_id, reward)]
        choices = list(self._held[pair].values())
        for held in choices:
            if held.request_id == request_id:
                held.rewards.append(reward)
        if sum(len(held.rewards) for held in choices) < 2:
            return []
        del self._held[pair]
        return [
            # Divided first, so that the sum of huge rewards stays finite.
            (held.request_id, sum(r / len(held.rewards) for r in held.rewards))
            for held in choices
            if held.rewards
        ]

    def _parts(self) -> dict[str, Algorithm]:
        parts = {"categorical": self.categorical_tuning_instance, "numerical": self.numerical_tuning_instance}
        return {which: part for which, part in parts.items() if part is not None}

    def learnt_fingerprint(self) -> str:
        """A digest of everything learnt, by the parts too."""
        with self._lock:
            parts = {which: part.learnt_fingerprint() for which, part in self._parts().items()}
            return fingerprint({"own": super().learnt_fingerprint(), "parts": parts})

    def _get_state(self) -> dict[str, Any]:
        """The base's, with the parts beside it as files of their own, which only their classes can read."""
        state = super()._get_state()
        for which in ("categorical", "numerical"):
            del state["attributes"][f"{which}_tuning_instance"]
        return {**state, "parts": {which: part.dumps() for which, part in self._parts().items()}}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self.categorical_tuning_instance = self.numerical_tuning_instance = None
        parts = state["parts"]
        if "categorical" in parts:
            cls = get_algorithm_class(self.categorical_algorithm)
            self.categorical_tuning_instance = cls.loads(parts["categorical"])
        if "numerical" in parts:
            cls = get_algorithm_class(self.numerical_algorithm)
            self.numerical_tuning_instance = cls.loads(parts["numerical"])


def _reward(part: Algorithm, request_id: RequestIdType, reward: float, data: RewardDataType | None) -> None:
    """What ``set_reward(reward, request_id=...)`` does, without the checks that ours has done already."""
    request = part._ledger.get(request_id)
    request.reward_data = data
    part._ledger.close(request)
    part._learn(request, reward)


def _pair_of(numerical: Algorithm, request: Request) -> Hashable:
    """Which pair of a two-point algorithm a request belongs to; None for other algorithms."""
    metadata = request.draw.metadata
    # Two-point metadata are the pair and the end of it.
    if getattr(numerical, "feedback", 1) != 2 or not isinstance(metadata, tuple | list) or len(metadata) != 2:
        return None
    pair: Hashable = metadata[0]
    return pair
