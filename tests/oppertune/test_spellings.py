"""Algorithms written for the original run here, whichever of its two ways of writing they chose."""

from __future__ import annotations

import io
from typing import TypeVar

import pytest

from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.types import Context, NullRequestId, PredictResponse
from oppertune.core.values import Integer, Real, inverse_transform, to_dict, to_value, transform
from oppertune.errors import AlgorithmError

PARAMETERS = [Integer("n", 4, 0, 20, step=2), Real("x", 0.5, 0.0, 1.0)]
T = TypeVar("T")


class Public(Algorithm[T]):
    """As the public code writes them: parts by name, an iteration of its own, a subscripted base."""

    class Meta:
        supported_parameter_types = (Integer, Real)
        requires_untransformed_parameters = False
        supports_context = False
        supports_single_reward = True
        supports_sequence_of_rewards = False

    def __init__(self, parameters, random_seed=None):
        super().__init__(parameters, random_seed=random_seed)
        self.seen = []

    def predict(self, context=None, predict_data=None) -> PredictResponse[T]:
        return super().predict(context, predict_data)

    def _predict(self, context=None, predict_data=None) -> _PredictResponse:
        self.seen.append([context.data, predict_data])
        return _PredictResponse({p.name: p.cast(0.7 * p.max) for p in self.params})

    def _set_reward(self, tuning_request: _TuningRequest[T]) -> None:
        self.seen.append([tuning_request.predict_data, tuning_request.reward, tuning_request.reward_data])
        self._iteration += 1

    @property
    def iteration(self) -> int:
        return self._iteration


def test_a_class_of_the_public_code_runs():
    algorithm = Public(PARAMETERS, random_seed=1)
    context: Context[dict] = Context({"load": 1})
    prediction, request_id = algorithm.predict(context, {"next": 2})
    assert prediction == {"n": 14, "x": 0.7}
    algorithm.store_reward(request_id, 0.25, {"next_state": {}})
    algorithm.set_reward(None, context.id)
    assert algorithm.seen == [[{"load": 1}, {"next": 2}], [{"next": 2}, 0.25, {"next_state": {}}]]
    assert algorithm.iteration == 1
    algorithm.predict()
    algorithm.set_reward(1.0)
    assert algorithm.iteration == 2
    assert NullRequestId == ""


def test_it_is_dumped_and_loaded_by_the_original_names():
    algorithm = Public(PARAMETERS)
    algorithm.predict(predict_data={"next": 2})
    buffer = io.BytesIO()
    algorithm.dump(buffer, compress=("zlib", 3))
    buffer.seek(0)
    assert Public.load(buffer).seen == algorithm.seen
    loaded = Public.loads(algorithm.dumps())
    loaded.set_reward(1.0, reward_data={"a": 1})
    assert loaded.seen[-1] == [{"next": 2}, 1.0, {"a": 1}]


def test_parts_are_handed_out_by_name_and_in_any_order():
    class Parts(Algorithm):
        def _predict(self, predict_data, tuning_request, extra=3):
            self.asked = (predict_data, tuning_request.context.id, extra)
            return {p.name: p.val for p in self.params}

        def _set_reward(self, reward, context_id, metadata, **others):
            self.told = (reward, context_id, metadata)

    algorithm = Parts(PARAMETERS)
    assert algorithm.predict(predict_data=5).prediction == {"n": 4, "x": 0.5}
    algorithm.set_reward(2.0)
    assert algorithm.asked == (5, "", 3)
    assert algorithm.told == (2.0, "", None)


def test_any_other_first_name_takes_the_request():
    class Whole(Algorithm):
        def _predict(self, asked, flavour="plain"):
            assert isinstance(asked, _TuningRequest)
            return _PredictResponse({p.name: p.val for p in self.params}, flavour)

        def _set_reward(self, *told):
            self.told = told

    algorithm = Whole(PARAMETERS)
    algorithm.predict()
    algorithm.set_reward(1.0)
    (told,) = algorithm.told
    assert (told.reward, told.metadata) == (1.0, "plain")


def test_what_cannot_be_called_is_refused_when_the_class_is_made():
    with pytest.raises(AlgorithmError, match="weather"):

        class Wrong(Algorithm):
            def _predict(self, context, weather):
                return {}


def test_a_subclass_may_use_the_names_of_what_is_only_shown():
    class Mine(Public):
        def __init__(self, parameters):
            super().__init__(parameters)
            self.best, self.best_reward, self.conditions = "mine", 3, None

    algorithm = Mine(PARAMETERS)
    assert (algorithm.best, algorithm.best_reward) == ("mine", 3)
    assert Mine.loads(algorithm.dumps()).best == "mine"
    assert Public(PARAMETERS).best is None
    assert "lucky" in Public.best.__doc__


def test_the_best_so_far_is_the_luckiest_one():
    algorithm = Public(PARAMETERS)
    rewards = [-3.0, -1.0, 0.0, -2.0]
    for reward in rewards:
        algorithm.predict()
        algorithm.set_reward(reward)
    assert algorithm.best == {"n": 14, "x": 0.7}
    assert algorithm.best_reward == 0.0


def test_sequences_may_be_rewarded_one_request_at_a_time():
    class Sequences(Algorithm):
        class Meta:
            supports_single_reward = False
            supports_sequence_of_rewards = True

        def _predict(self, context=None, predict_data=None):
            return {p.name: p.val for p in self.params}

        def _set_reward_for_sequence(self, tuning_requests):
            self.told = [(r.id, r.reward) for r in tuning_requests]

    algorithm = Sequences(PARAMETERS)
    first, second = (algorithm.predict().request_id for _ in range(2))
    algorithm.set_reward(0.0, request_id=first)
    assert algorithm.told == [(first, 0.0)]
    assert [r.id for r in algorithm.get_tuning_requests()] == [second]


def test_values_have_the_original_names_too():
    n, x = PARAMETERS
    assert to_value(to_dict(n)) == n
    assert to_dict(n.to_dict()) == n.to_dict()
    assert transform(n) == Integer("n", 2, 0, 10)
    assert transform(n).cast(6.5) == 6
    assert inverse_transform(6.5, n) == 12
    assert inverse_transform(0.25, x) == 0.25
