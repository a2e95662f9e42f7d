"""A search that ends in tracking, because a live service runs for thousands of rounds and a model for
hundreds.

It begins as Bayesian optimisation. When the model no longer expects to gain, two-point steps go on from its
optimum (:mod:`oppertune.algorithms._walk`) and the model is dropped, so that rounds cost next to nothing and
an optimum that moves is followed. Where rewards drop for good, it searches again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from oppertune.algorithms._walk import Walk
from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.requests import CLEARED
from oppertune.core.space import Space
from oppertune.core.state import fingerprint
from oppertune.core.types import NO_CONTEXT, Context
from oppertune.core.values import Categorical, Parameter, Value
from oppertune.errors import InvalidArgumentError, UnknownRequestError
from oppertune.models.inputs import Array, Inputs
from oppertune.models.recommendation import newest_contexts
from oppertune.models.window import has_failed

__all__ = ("LongRun",)

_MODEL = "bayesian_optimization"
_ASKED_EVERY = 5
_LEAST_GAIN, _LEAST_GAIN_IN_NOISE = 0.1, 0.5
_LEAST_SCALE = 0.5
_MOST_WALKS = 64
_GENERAL = ""
"""The walk of all contexts that have none of their own, and where theirs begin."""


class LongRun(Algorithm):
    """Bayesian optimisation first, then two-point steps from its optimum.

    Every fifth reward the model is asked what it expects of the configuration that it recommends now, and of
    the one that it recommended ``patience`` rewards ago. If the gain is less than a tenth of the rewards'
    standard deviation and half of the noise's, or after ``model_rounds`` rewards, it hands over. Each context
    that the model has seen lately keeps a centre of its own; later ones begin at the common one. Numbers are
    moved in proportion to the model's length scales; categories, special values and grids of a few steps stay
    as they were recommended.

    Args:
        parameters: what to tune.
        model_rounds: so many rewards the model gets at most.
        patience: over so many rewards its gains are looked at; none is handed over before twice as many.
        search_again: begin a new model where rewards drop for good, as after a change of the load.
        model_args: arguments of the model's constructor.
        normalize_rewards: accepted like everywhere; differences are relative in any case.
        options: as in :class:`~oppertune.algorithms.base.Algorithm`.

    Attributes:
        searches: how many models were begun.

    Raises:
        InvalidArgumentError: an option out of range.
        OppertuneError: as the base class and the model's constructor.
    """

    class Meta:
        """Takes everything, in outside values."""

        requires_untransformed_parameters = True
        supports_context = True

    _changed_by_predict = frozenset({"_pairs", "_next_pair"})

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        model_rounds: int = 250,
        patience: int = 30,
        search_again: bool = True,
        model_args: Mapping[str, Any] | None = None,
        normalize_rewards: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parameters, normalize_rewards=False, **options)
        for what, value in (("model_rounds", model_rounds), ("patience", patience)):
            if type(value) is not int or value < 2:
                raise InvalidArgumentError(f"{what} must be an int of at least 2, not {value!r}")
        self.model_rounds, self.patience, self.search_again = model_rounds, patience, bool(search_again)
        self._model_args = dict(model_args or {})
        self.searches = 0
        # Apart, so that predictions have no part in how the next model begins.
        own, seeds = np.random.SeedSequence(self._random_seed).spawn(2)
        self._rng, self._seeds = np.random.default_rng(own), np.random.default_rng(seeds)
        self._walks: dict[str, Walk] = {}
        # By walk and number: the two rows, and what the ends have earned.
        self._pairs: dict[str, dict[int, list[Any]]] = {}
        self._next_pair = 0
        self._model: Algorithm | None = self._searching()

    def _set_space(self, space: Space) -> None:
        super()._set_space(space)
        self._inputs = Inputs(self.params)

    def _searching(self) -> Algorithm:
        """A new model."""
        self.searches += 1
        self._rounds = 0
        self._leaders: list[dict[str, Value]] = []
        arguments = {
            "random_seed": int(self._seeds.integers(2**31)),
            "constraints": self.constraints,
            "conditions": self.conditions,
            **self._model_args,
        }
        made = create_tuning_instance(_MODEL, self.parameters, arguments)
        # A request of the model lives as long as the one of ours that it belongs to.
        made._ledger.max_open = 2 * self._ledger.max_open + 2
        made._ledger.max_age = None
        return made

    @property
    def is_searching(self) -> bool:
        """Whether a model decides, in some context at least."""
        return self._model is not None

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        model, key = self._model, tuning_request.context.id
        if model is not None and key not in self._walks:
            self._release(model)
            request = model._ledger.open(model._draw(tuning_request.context, tuning_request.predict_data))
            return _PredictResponse(
                {p.name: request.draw.prediction[p.name] for p in self.params}, request.id
            )
        number, end = self._free_end(key)
        row = self._pairs[key][number][0][end]
        return _PredictResponse(self._inputs.decode(row), [key, number, end])

    def _release(self, model: Algorithm) -> None:
        """End the model's requests whose own request here has lapsed or was cleared."""
        if len(model._ledger):
            needed = {metadata for metadata in self._open_metadata() if isinstance(metadata, str)}
            for request in [request for request in model._ledger if request.id not in needed]:
                model._ledger.close(request, CLEARED)

    def _free_end(self, key: str) -> tuple[int, int]:
        """The first end of a walk's pair that has no reward and no open request, or one of a new pair."""
        if pairs := self._pairs.get(key):
            taken = {(m[1], m[2]) for m in self._open_metadata() if not isinstance(m, str)}
            for number, (_, earned) in pairs.items():
                for end in (0, 1):
                    if earned[end] is None and (number, end) not in taken:
                        return number, end
        number = self._next_pair
        self._next_pair += 1
        rows = list(self._walk_of(key).ends(self._rng))
        self._pairs.setdefault(key, {})[number] = [rows, [None, None]]
        self._forget_unused(key)
        return number, 0

    def _forget_unused(self, key: str) -> None:
        """Keep no pairs of contexts that come once and never again."""
        if len(self._pairs) > 2 * _MOST_WALKS:
            taken = {m[0] for m in self._open_metadata() if not isinstance(m, str)} | {key}
            self._pairs = {k: pairs for k, pairs in self._pairs.items() if k in self._walks or k in taken}

    def _walk_of(self, key: str) -> Walk:
        return self._walks.get(key) or self._walks[_GENERAL]

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        if tuning_request.reward is None:
            return
        if isinstance(tuning_request.metadata, str):
            self._tell_model(tuning_request)
        else:
            self._tell_walk(tuning_request)

    def _tell_model(self, tuning_request: _TuningRequest) -> None:
        model = self._model
        if model is None or tuning_request.reward is None:
            return
        try:
            request = model._ledger.get(tuning_request.metadata)
        except UnknownRequestError:
            return  # The model that asked for it has handed over, and nobody is left to teach.
        request.reward_data = tuning_request.reward_data
        model._ledger.close(request)
        model._learn(request, tuning_request.reward)
        self._rounds += 1
        if self._rounds >= self.model_rounds or (self._rounds % _ASKED_EVERY == 0 and self._is_flat(model)):
            self._hand_over(model)

    def _is_flat(self, model: Any) -> bool:
        """Whether the model expects no more of its choice than of the one ``patience`` rewards ago."""
        self._leaders.append(model.recommend())
        back = -(-self.patience // _ASKED_EVERY)
        self._leaders = self._leaders[-back - 1 :]
        if self._rounds < 2 * self.patience or len(self._leaders) <= back:
            return False
        rows = self._inputs.encode([self._leaders[0], self._leaders[-1]])
        views = model._surrogate.views(self._inputs, newest_contexts(model._surrogate))
        gain = float(np.mean([np.diff(view.mean(rows))[0] for view in views]))
        return gain < _LEAST_GAIN + _LEAST_GAIN_IN_NOISE * float(views[0].noise)

    def _hand_over(self, model: Any) -> None:
        contexts = newest_contexts(model._surrogate)
        view = model._surrogate.views(self._inputs, contexts[:1])[0]
        self._walks.setdefault(_GENERAL, self._walk_from(model.recommend(), view.lengths))
        for data in contexts:
            where = NO_CONTEXT if data is None else Context.of(data)
            if where.id not in self._walks or where is NO_CONTEXT:
                self._begin(where.id, self._walk_from(model.recommend(where), view.lengths))
        self._model = None
        self._leaders = []

    def _walk_from(self, values: Mapping[str, Value], lengths: Array) -> Walk:
        """Steps from a configuration, each number in proportion to its length scale."""
        inputs = self._inputs
        centre = inputs.encode([values])[0]
        low, high = np.zeros(len(centre)), np.ones(len(centre))
        moving = ~inputs.is_category
        for j, p in enumerate(inputs.parameters):
            shares = None if isinstance(p, Categorical) else p.shares
            if shares is not None:
                low[j], high[j] = shares.low + 1e-9, shares.high - 1e-9
                moving[j] = low[j] <= centre[j] <= high[j]
        # What stays may lie anywhere.
        low, high = np.where(moving, low, 0.0), np.where(moving, high, 1.0)
        logs = np.log(lengths[moving])
        scales = np.zeros(len(centre))
        scales[moving] = np.clip(np.exp(logs - (logs.mean() if len(logs) else 0.0)), _LEAST_SCALE, 1.0)
        return Walk(centre, scales, low, high, inputs.least)

    def _begin(self, key: str, walk: Walk) -> None:
        if key in self._walks or len(self._walks) < _MOST_WALKS:
            self._walks[key] = walk
            self._pairs.pop(key, None)

    def _tell_walk(self, tuning_request: _TuningRequest) -> None:
        key, number, end = tuning_request.metadata
        pair = self._pairs.get(key, {}).get(number)
        # Its walk may have ended, and a lapsed end may have been played twice.
        if pair is None or pair[1][end] is not None or tuning_request.reward is None:
            return
        walk = self._own_walk(key)
        if walk is None:
            return
        failed = has_failed(tuning_request.reward_data)
        reward = tuning_request.reward
        pair[1][end] = [reward, failed or walk.fell(reward)]
        pair[0][end] = self._inputs.encode([tuning_request.prediction])[0]
        if not failed:
            walk.hear(reward)
        if None not in pair[1]:
            (plus, fell_plus), (minus, fell_minus) = pair[1]
            walk.learn((pair[0][0], pair[0][1]), (plus, minus), (fell_plus, fell_minus))
            self._pairs[key].pop(number)
            if not self._pairs[key]:
                del self._pairs[key]
        if walk.has_dropped and self.search_again:
            self._search_again(key)

    def _own_walk(self, key: str) -> Walk | None:
        """A context's walk, begun at the common centre with its first reward; the common one beyond a number.

        None where the common one has ended meanwhile.
        """
        common = self._walks.get(_GENERAL)
        if key not in self._walks and common is not None and len(self._walks) < _MOST_WALKS:
            self._walks[key] = common.afresh()
        return self._walks.get(key, common)

    def _search_again(self, key: str) -> None:
        """Give a context back to a model; the others go on as they are."""
        self._walks.pop(key, None)
        self._pairs.pop(key, None)
        if self._model is None:
            self._model = self._searching()

    def recommend(self, context: Context | Mapping[str, Any] | None = None) -> dict[str, Value]:
        """The model's recommendation; once it has handed over, the centre of the steps.

        Args:
            context: where it will be used; None takes the centre that has learnt most.
        """
        with self._lock:
            where = None if context is None else Context.of(context)
            if not self.params:
                return super().recommend()
            if self._model is not None and (where is None or where.id not in self._walks):
                return self._model.recommend() if where is None else self._model.recommend(where)  # type: ignore[call-arg]
            walk = (
                max(self._walks.values(), key=lambda w: w.rounds)
                if where is None
                else self._walk_of(where.id)
            )
            fixed = {p.name: p.val for p in self.parameters}
            return self._configurations.complete(
                {**fixed, **self._inputs.decode(walk.centre)}, type(self).__name__
            )

    def learnt_fingerprint(self) -> str:
        """A digest of everything learnt, by the model too."""
        with self._lock:
            part = None if self._model is None else self._model.learnt_fingerprint()
            return fingerprint({"own": super().learnt_fingerprint(), "part": part})

    def _get_state(self) -> dict[str, Any]:
        """The base's, with the model beside it as a file of its own, which only its class can read."""
        state = super()._get_state()
        for name in ("_model", "_inputs"):
            del state["attributes"][name]
        return {**state, "model": None if self._model is None else self._model.dumps()}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        model = state["model"]
        self._model = None if model is None else get_algorithm_class(_MODEL).loads(model)
