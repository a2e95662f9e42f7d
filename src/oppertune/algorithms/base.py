"""The one class that every algorithm inherits: requests, validation, rewards, recommendation and saved state.

An algorithm of one's own implements two methods, ``_predict(tuning_request)`` and
``_set_reward(tuning_request)``; everything else is here, so that no algorithm can get it wrong on its own.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, Self

from oppertune.core.encoding import from_inside, to_inside
from oppertune.core.requests import CLEARED, REWARDED, Draw, Request, RequestLedger, checked_reward
from oppertune.core.rewards import RewardTable, RobustScaler
from oppertune.core.space import Constraint, Space
from oppertune.core.state import fingerprint, load_state, save_state, stateful
from oppertune.core.types import (
    NO_CONTEXT,
    Context,
    ContextIdType,
    MetadataType,
    NullContextId,
    PredictionType,
    PredictResponse,
    RequestIdType,
    TuningRequest,
)
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value, ValueType, parameter_from_dict
from oppertune.errors import (
    AlgorithmError,
    InvalidParameterError,
    InvalidTypeError,
    OppertuneError,
    RewardError,
    StateError,
    UnknownRequestError,
)

for _class in (RobustScaler, RewardTable):
    stateful(_class)


@dataclass
class _TuningRequest:
    """What ``_predict`` and ``_set_reward`` receive.

    Attributes:
        context: what the prediction is for.
        id: the request's id; empty while predicting.
        prediction: every parameter's outside value, repaired; empty while predicting.
        metadata: what ``_predict`` returned beside the prediction.
        reward: finite; standardised with ``normalize_rewards``; None while predicting.
    """

    context: Context = NO_CONTEXT
    id: RequestIdType = ""
    prediction: PredictionType = field(default_factory=dict)
    metadata: MetadataType = None
    reward: float | None = None


class _PredictResponse(NamedTuple):
    """What ``_predict`` returns.

    Attributes:
        prediction: a value for each of ``self.params``.
        metadata: plain data (numbers, strings, lists, arrays, dictionaries) to get back in ``_set_reward``.
    """

    prediction: Mapping[str, Any]
    metadata: MetadataType = None


class _Flags(NamedTuple):
    """What an algorithm can do, with what is assumed of one that does not say."""

    supported_parameter_types: tuple[type[ValueType], ...] = (Categorical, Integer, Real)
    requires_untransformed_parameters: bool = False
    supports_context: bool = False
    supports_single_reward: bool = True
    supports_sequence_of_rewards: bool = False


def _flags_of(name: str, meta: type, parent: _Flags) -> _Flags:
    """The flags that a class called ``Meta`` sets, the parent's for the others. Raises AlgorithmError."""
    given = {flag: value for flag, value in vars(meta).items() if not flag.startswith("__")}
    if unknown := sorted(set(given) - set(_Flags._fields)):
        raise AlgorithmError(f"{name}.Meta has unknown flags {unknown}; known are {list(_Flags._fields)}")
    for flag, value in given.items():
        if flag == "supported_parameter_types":
            given[flag] = kinds = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(kind, type) and issubclass(kind, ValueType) for kind in kinds):
                raise AlgorithmError(f"{name}.Meta.{flag} must be parameter types, not {value!r}")
        elif not isinstance(value, bool):
            raise AlgorithmError(f"{name}.Meta.{flag} must be a bool, not {value!r}")
    return parent._replace(**given)


class Algorithm(ABC):
    """Predicts configurations and learns from their rewards; more is better.

    All public methods may be called from several threads; they exclude one another.

    Args:
        parameters: what to tune, as objects or in their tagged dictionary form.
        constraints: what must hold between them, as objects or text.
        random_seed: makes the sequence of predictions reproducible.
        normalize_rewards: standardise rewards robustly before the learner sees them.
        max_open_requests: the oldest requests lapse beyond so many.
        max_request_age: requests lapse after so many further predictions; None means never.

    Raises:
        InvalidParameterError: no parameters, a name twice, or one that contradicts itself.
        InvalidConstraintError: constraints that cannot be read or fulfilled.
        InvalidTypeError: a parameter of a type that this algorithm does not take, or an unknown argument.
    """

    Meta: ClassVar[type] = type("Meta", (), _Flags()._asdict())
    """Capabilities; subclasses define a class of this name. Flags left out keep their parent's setting."""

    _flags: ClassVar[_Flags] = _Flags()

    _changed_by_predict: ClassVar[frozenset[str]] = frozenset()
    """Attributes other than generators that predictions may change because they hold nothing learnt."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Meta" in vars(cls):
            cls._flags = _flags_of(cls.__name__, cls.Meta, cls._flags)
            cls.Meta = type("Meta", (cls.Meta,), cls._flags._asdict())

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        constraints: Iterable[Constraint | str] = (),
        random_seed: int | None = None,
        normalize_rewards: bool = False,
        *,
        max_open_requests: int = 1000,
        max_request_age: int | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise InvalidTypeError(
                f"{type(self).__name__} got unknown arguments: {', '.join(sorted(kwargs))}"
            )
        if random_seed is not None and (isinstance(random_seed, bool) or not isinstance(random_seed, int)):
            raise InvalidTypeError(f"random_seed must be an int or None, not {random_seed!r}")
        self._set_space(
            self._checked(parameters), tuple(constraints) if not isinstance(constraints, str) else constraints
        )
        self._random_seed = random_seed
        self._iteration = 0
        self._ledger = RequestLedger(max_open_requests, max_request_age)
        self._table = RewardTable()
        self._scaler = RobustScaler() if normalize_rewards else None
        self._lock = threading.RLock()

    def _checked(self, parameters: Iterable[Parameter | Mapping[str, Any]]) -> tuple[Parameter, ...]:
        made = tuple(parameter_from_dict(parameter) for parameter in parameters)
        if not made:
            raise InvalidParameterError("the list of parameters is empty")
        supported = self._flags.supported_parameter_types
        seen: set[str] = set()
        for parameter in made:
            if parameter.name in seen:
                raise InvalidParameterError(f"two parameters are named {parameter.name!r}")
            seen.add(parameter.name)
            if not isinstance(parameter, supported):
                raise InvalidTypeError(
                    f"{type(self).__name__} does not take {parameter.name!r}, which is of type "
                    f"{type(parameter).__name__}"
                )
        return made

    def _set_space(self, parameters: tuple[Parameter, ...], constraints: Iterable[Constraint | str]) -> None:
        self.parameters = parameters
        self._space = Space(parameters, constraints)
        self._learnable = tuple(p for p in parameters if not p.is_constant)
        untransformed = self._flags.requires_untransformed_parameters
        self.params = self._learnable if untransformed else tuple(to_inside(p) for p in self._learnable)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What holds between the parameters in every prediction."""
        return self._space.constraints

    @property
    def iteration(self) -> int:
        """How many rewards were learnt from."""
        return self._iteration

    def predict(
        self, context: Context | Mapping[str, Any] | None = None, *, fresh: bool = False
    ) -> PredictResponse:
        """Decide on a configuration. Nothing that was learnt changes.

        Asked again for a context whose request is still open, it returns the same prediction under a new id.

        Args:
            context: the circumstances, by feature name.
            fresh: decide anew although a request is open, as for trials in parallel.

        Returns:
            The configuration (all parameters, in bounds, on their grids, constraints fulfilled) and the
            request's id.

        Raises:
            InvalidContextError, InvalidTypeError: the context has no identity.
            AlgorithmError: a fault of the algorithm.
        """
        with self._lock:
            where = Context.of(context)
            newest = None
            if not fresh and not self._flags.supports_sequence_of_rewards:
                newest = self._ledger.newest(where.id)
            draw = self._draw(where) if newest is None or newest.draw.learnt else newest.draw
            return PredictResponse(dict(draw.prediction), self._ledger.open(draw).id)

    def _draw(self, context: Context) -> Draw:
        metadata = None
        values: dict[str, Value] = {}
        if self.params:
            answer = self._predict(_TuningRequest(context))
            prediction, metadata = self._outside(answer)
            values = prediction
        full: PredictionType = {p.name: p.val if p.is_constant else values[p.name] for p in self.parameters}
        if self._space.constraints and not self._space.holds(full):
            full = self._space.repair(full)
        return Draw(context, full, metadata)

    def _outside(self, answer: object) -> tuple[dict[str, Value], MetadataType]:
        """What ``_predict`` answered, validated, in bounds and on the grid."""
        prediction, metadata = answer if isinstance(answer, _PredictResponse) else (answer, None)
        who = type(self).__name__
        if not isinstance(prediction, Mapping):
            raise AlgorithmError(
                f"{who}._predict must return a _PredictResponse of a mapping, not {answer!r}"
            )
        if missing := [p.name for p in self.params if p.name not in prediction]:
            raise AlgorithmError(f"{who}._predict left out {missing}")
        untransformed = self._flags.requires_untransformed_parameters
        try:
            if untransformed:
                return {p.name: p.nearest(prediction[p.name]) for p in self._learnable}, metadata
            return {p.name: from_inside(p, prediction[p.name]) for p in self._learnable}, metadata
        except (TypeError, ValueError) as error:
            raise AlgorithmError(f"{who}._predict returned a value that cannot be used: {error}") from error

    @abstractmethod
    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        """Decide on a value for each of ``self.params``."""

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        """Learn from one reward."""
        raise AlgorithmError(f"{type(self).__name__} does not implement _set_reward")

    def _set_reward_for_sequence(self, tuning_requests: Sequence[_TuningRequest]) -> None:
        """Learn from all open requests of a context; those without a reward have None."""
        raise AlgorithmError(f"{type(self).__name__} does not implement _set_reward_for_sequence")

    def _open_metadata(self) -> Iterator[MetadataType]:
        """The metadata of every draw that still waits for its reward."""
        return (request.draw.metadata for request in self._ledger if not request.draw.learnt)

    def store_reward(self, request_id: RequestIdType, reward: float) -> None:
        """Keep the reward of one request until ``set_reward`` is called for its context.

        Raises:
            RewardError: NaN, infinite, no number, or the second one for this request.
            UnknownRequestError: no such request is open.
        """
        value = checked_reward(reward)
        with self._lock:
            self._ledger.store(request_id, value)

    def set_reward(
        self,
        reward: float | None = None,
        context_id: ContextIdType = NullContextId,
        *,
        request_id: RequestIdType | None = None,
    ) -> None:
        """Learn from the reward of one request, or of one context.

        By context the newest open request is learnt from and all of the context's requests are cleared.
        Without a reward the stored ones are taken: algorithms that take sequences get them all, the others
        learn once from the mean of each draw. By request id any open request may be meant, in any order; the
        first reward of a draw is learnt, those of its other requests only count for :meth:`recommend`.

        Args:
            reward: any finite number, zero and negative ones included; None takes what was stored.
            context_id: the ``id`` of the context.
            request_id: what ``predict`` returned; ``context_id`` is ignored then.

        Raises:
            RewardError: NaN, infinite, no number, the second one for this request, or none at all.
            UnknownRequestError: nothing is open that the reward could belong to.
        """
        value = None if reward is None else checked_reward(reward)
        with self._lock:
            if request_id is not None:
                self._reward_request(self._ledger.get(request_id), value)
            elif value is not None:
                self._reward_context(context_id, value)
            else:
                self._reward_stored(context_id)

    def _requests_of(self, context_id: ContextIdType) -> list[Request]:
        requests = self._ledger.of_context(context_id)
        if not requests:
            raise UnknownRequestError(
                f"set_reward() has no open request for context {context_id!r}: call predict() first, "
                "and pass the id of its context"
            )
        return requests

    def _reward_request(self, request: Request, reward: float | None) -> None:
        if reward is None:
            reward = request.reward
        elif request.reward is not None:
            raise RewardError(
                f"request {request.id!r} has a stored reward already; call set_reward without one"
            )
        if reward is None:
            raise RewardError(
                f"request {request.id!r} has no stored reward; pass one or call store_reward() first"
            )
        self._ledger.close(request)
        self._learn(request, reward)

    def _reward_context(self, context_id: ContextIdType, reward: float) -> None:
        if not self._flags.supports_single_reward:
            raise RewardError(
                f"{type(self).__name__} takes sequences of rewards: store_reward(), then set_reward(None)"
            )
        *older, newest = self._requests_of(context_id)
        for request in older:
            self._ledger.close(request, CLEARED)
        self._ledger.close(newest)
        self._learn(newest, reward)

    def _reward_stored(self, context_id: ContextIdType) -> None:
        requests = self._requests_of(context_id)
        if all(request.reward is None for request in requests):
            raise RewardError("set_reward(None) needs at least one reward that store_reward() has kept")
        for request in requests:
            self._ledger.close(request, CLEARED if request.reward is None else REWARDED)
        if self._flags.supports_sequence_of_rewards:
            self._learn_sequence(requests)
            return
        draws: dict[int, list[Request]] = {}
        for request in requests:
            if request.reward is not None:
                draws.setdefault(id(request.draw), []).append(request)
        for shared in draws.values():
            rewards = [request.reward for request in shared if request.reward is not None]
            self._learn(shared[-1], sum(reward / len(rewards) for reward in rewards))

    def _learn(self, request: Request, reward: float) -> None:
        """Record first, then learn: the measurement outlives a learner that throws."""
        draw = request.draw
        self._table.add(tuple(draw.prediction.values()), reward)
        if draw.learnt:
            return
        draw.learnt = True
        if self._scaler is not None:
            reward = self._scaler.standardise(reward)
        try:
            if self.params:
                self._set_reward(
                    _TuningRequest(draw.context, request.id, dict(draw.prediction), draw.metadata, reward)
                )
        finally:
            self._iteration += 1

    def _learn_sequence(self, requests: Sequence[Request]) -> None:
        sequence = []
        for request in requests:
            draw, reward = request.draw, request.reward
            if reward is not None:
                self._table.add(tuple(draw.prediction.values()), reward)
                reward = reward if self._scaler is None else self._scaler.standardise(reward)
            draw.learnt = True
            sequence.append(
                _TuningRequest(draw.context, request.id, dict(draw.prediction), draw.metadata, reward)
            )
        try:
            if self.params:
                self._set_reward_for_sequence(sequence)
        finally:
            self._iteration += 1

    def recommend(self) -> dict[str, Value]:
        """The configuration to keep: the best mean reward, shrunk so that one lucky measurement does not win.

        Before any reward it is the parameters' own values (repaired where they violate a constraint).
        """
        with self._lock:
            best = self._table.best()
            if best is None:
                return self._space.repair(self._space.defaults)
            return dict(zip((p.name for p in self.parameters), best, strict=True))

    def get_tuning_requests(self, context_id: ContextIdType | None = None) -> list[TuningRequest]:
        """The open requests, of one context or of all, oldest first, with their stored rewards."""
        with self._lock:
            return [
                TuningRequest(request.id, request.reward, request.draw.context)
                for request in self._ledger
                if context_id is None or request.draw.context.id == context_id
            ]

    def get_current_prediction(self, context_id: ContextIdType = NullContextId) -> PredictResponse | None:
        """The newest open prediction of a context, or None."""
        with self._lock:
            newest = self._ledger.newest(context_id)
            return None if newest is None else PredictResponse(dict(newest.draw.prediction), newest.id)

    def save(self, path: str | Path | BinaryIO) -> None:
        """Write everything that matters for what comes next, open requests included.

        Raises:
            StateError: an attribute holds something that the format has no word for.
            OSError: the file cannot be written.
        """
        with self._lock:
            state = self._get_state()
            save_state(path, type(self).__name__, state)

    @classmethod
    def load(cls, path: str | Path | BinaryIO) -> Self:
        """Read what :meth:`save` wrote; the same predictions follow.

        Raises:
            StateError: not such a file, of another algorithm, damaged, or of a future version.
            OSError: the file cannot be read.
        """
        kind, state = load_state(path)
        return cls._restored(kind, state)

    @classmethod
    def _restored(cls, kind: str, state: dict[str, Any]) -> Self:
        if kind != cls.__name__:
            raise StateError(f"this is the state of {kind}, not of {cls.__name__}")
        made = object.__new__(cls)
        try:
            made._set_state(state)
        except (OppertuneError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"the state of {kind} is damaged: {error}") from error
        return made

    def learnt_fingerprint(self) -> str:
        """A digest of everything learnt, which predictions must leave as it is."""
        with self._lock:
            attributes = self._get_state()["attributes"]
            learnt = {
                name: value
                for name, value in attributes.items()
                if name != "_ledger"
                and name not in self._changed_by_predict
                and not hasattr(value, "bit_generator")
            }
            return fingerprint(learnt)

    def _get_state(self) -> dict[str, Any]:
        """Plain data for :meth:`save`; by default every attribute, so that subclasses need not care."""
        left_out = {"_lock", "_space", "_learnable", "params", "parameters"}
        own = {name: value for name, value in vars(self).items() if name not in left_out}
        return {"parameters": self.parameters, "constraints": self.constraints, "attributes": own}

    def _set_state(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`_get_state`, on an object without attributes."""
        self._set_space(state["parameters"], state["constraints"])
        self._lock = threading.RLock()
        vars(self).update(state["attributes"])

    def __str__(self) -> str:
        return f"{type(self).__name__}([{len(self.params)} parameters])"
