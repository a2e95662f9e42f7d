"""The one class that every algorithm inherits: requests, validation, rewards, recommendation and saved state.

An algorithm of one's own implements two methods, ``_predict(tuning_request)`` and
``_set_reward(tuning_request)``; everything else is here, so that no algorithm can get it wrong on its own.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

from oppertune.algorithms._exchange import (
    Flags,
    Shown,
    _PredictResponse,
    _TuningRequest,
    ask,
    flags_of,
    parts_wanted,
)
from oppertune.core.configurations import Configurations, checked_parameters
from oppertune.core.requests import (
    CLEARED,
    REWARDED,
    Draw,
    Request,
    RequestLedger,
    checked_reward,
    mean_by_draw,
)
from oppertune.core.rewards import RewardTable, RobustScaler
from oppertune.core.space import NO_CONDITIONS, Condition, Conditions, Constraint, Space
from oppertune.core.state import SavedState, fingerprint, load_state, save_state, stateful
from oppertune.core.types import (
    NO_CONTEXT,
    Context,
    ContextIdType,
    MetadataType,
    NullContextId,
    PredictDataType,
    PredictResponse,
    RequestIdType,
    RewardDataType,
    TuningRequest,
)
from oppertune.core.values import Parameter, Value
from oppertune.errors import (
    AlgorithmError,
    InvalidTypeError,
    OppertuneError,
    RewardError,
    StateError,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("Algorithm", "_PredictResponse", "_TuningRequest")

for _class in (RobustScaler, RewardTable):
    stateful(_class)


class Algorithm(ABC):
    """Predicts configurations and learns from their rewards; more is better.

    All public methods may be called from several threads; they exclude one another. So a method of a subclass
    never runs beside another one of the same object, and a slow one makes the other callers wait.

    Args:
        parameters: what to tune, as objects or in their tagged dictionary form.
        constraints: what must hold between them, as objects or text.
        random_seed: makes the sequence of predictions reproducible.
        normalize_rewards: standardise rewards robustly before the learner sees them.
        max_open_requests: the oldest requests lapse beyond so many.
        max_request_age: requests lapse after so many further predictions; None means never.
        conditions: by parameter name, when it is active, as objects or text such as ``"workers > 1"``; while
            inactive it takes its own value.

    Raises:
        InvalidParameterError: no parameters, a name twice, or one that contradicts itself.
        InvalidConstraintError: constraints or conditions that cannot be read or fulfilled.
        InvalidTypeError: a parameter of a type that this algorithm does not take, or an unknown argument.
    """

    Meta: ClassVar[type] = type("Meta", (), Flags()._asdict())
    """Capabilities; subclasses define a class of this name. Flags left out keep their parent's setting."""

    _flags: ClassVar[Flags] = Flags()

    _predict_parts: ClassVar[tuple[str, ...] | None] = None
    _set_reward_parts: ClassVar[tuple[str, ...] | None] = None

    _changed_by_predict: ClassVar[frozenset[str]] = frozenset()
    """Attributes other than generators that predictions may change because they hold nothing learnt."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Meta" in vars(cls):
            cls._flags = flags_of(cls.__name__, cls.Meta, cls._flags)
            cls.Meta = type("Meta", (cls.Meta,), cls._flags._asdict())
        if "_predict" in vars(cls):
            cls._predict_parts = parts_wanted(cls._predict)
        if "_set_reward" in vars(cls):
            cls._set_reward_parts = parts_wanted(cls._set_reward)

    def __init__(
        self,
        parameters: Iterable[Parameter | Mapping[str, Any]],
        constraints: Iterable[Constraint | str] = (),
        random_seed: int | None = None,
        normalize_rewards: bool = False,
        *,
        max_open_requests: int = 1000,
        max_request_age: int | None = None,
        conditions: Conditions = NO_CONDITIONS,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise InvalidTypeError(
                f"{type(self).__name__} got unknown arguments: {', '.join(sorted(kwargs))}"
            )
        if random_seed is not None and (isinstance(random_seed, bool) or not isinstance(random_seed, int)):
            raise InvalidTypeError(f"random_seed must be an int or None, not {random_seed!r}")
        checked = checked_parameters(parameters, self._flags.supported_parameter_types, type(self).__name__)
        self._set_space(Space(checked, constraints, conditions))
        self._random_seed = random_seed
        self._iteration = 0
        self._ledger = RequestLedger(max_open_requests, max_request_age)
        self._table = RewardTable()
        self._scaler = RobustScaler() if normalize_rewards else None
        self._lock = threading.RLock()

    def _set_space(self, space: Space) -> None:
        self.parameters = space.parameters
        self._space = space
        self._configurations = Configurations(
            space, untransformed=self._flags.requires_untransformed_parameters
        )
        self.params = self._configurations.params

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What holds between the parameters in every prediction."""
        return self._space.constraints

    @Shown
    def conditions(self) -> dict[str, tuple[Condition, ...]]:
        """When the parameters that are not always active are; by name."""
        return self._space.conditions

    @Shown
    def best(self) -> dict[str, Value] | None:
        """The configuration that earned the highest single reward so far, however lucky; None before any.

        :meth:`recommend` is the one to keep: it weighs how often each configuration was measured, and how
        much rewards vary.
        """
        with self._lock:
            return None if self._table.top is None else self._named(self._table.top[0])

    @Shown
    def best_reward(self) -> float | None:
        """What :attr:`best` earned."""
        with self._lock:
            return None if self._table.top is None else self._table.top[1]

    def _named(self, values: Iterable[Value]) -> dict[str, Value]:
        return dict(zip((p.name for p in self.parameters), values, strict=True))

    @property
    def iteration(self) -> int:
        """How many rewards were learnt from."""
        return self._iteration

    def predict(
        self,
        context: Context | Mapping[str, Any] | None = None,
        predict_data: PredictDataType | None = None,
        *,
        fresh: bool = False,
    ) -> PredictResponse:
        """Decide on a configuration. Nothing that was learnt changes.

        Asked again for a context whose request is still open, it returns the same prediction under a new id.

        Args:
            context: the circumstances, by feature name.
            predict_data: anything else that the algorithm wants to know; it has no part in the identity.
            fresh: decide anew although a request is open, as for trials in parallel.

        Returns:
            The configuration (all parameters, in bounds, on their grids, constraints and conditions
            fulfilled) and the request's id.

        Raises:
            InvalidContextError, InvalidTypeError: the context has no identity.
            AlgorithmError: a fault of the algorithm.
        """
        where = NO_CONTEXT if context is None else Context.of(context)
        with self._lock:
            newest = None
            if not fresh and not self._flags.supports_sequence_of_rewards:
                newest = self._ledger.newest(where.id)
            if newest is None or newest.draw.learnt:
                draw = self._draw(where, predict_data)
            else:
                draw = newest.draw
            return PredictResponse(draw.prediction.copy(), self._ledger.open(draw).id)

    def _draw(self, context: Context, predict_data: PredictDataType | None) -> Draw:
        answer: object = {}
        if self.params:
            request = _TuningRequest(context, "", {}, None, None, predict_data)
            parts = self._predict_parts
            answer = self._predict(request) if parts is None else ask(self._predict, parts, request)
        prediction, metadata = answer if isinstance(answer, _PredictResponse) else (answer, None)
        configuration = self._configurations.complete(prediction, type(self).__name__)
        return Draw(context, configuration, metadata, predict_data)

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

    def store_reward(
        self, request_id: RequestIdType, reward: float, reward_data: RewardDataType | None = None
    ) -> None:
        """Keep the reward of one request until ``set_reward`` is called for its context.

        Raises:
            RewardError: NaN, infinite, no number, or the second one for this request.
            UnknownRequestError: no such request is open.
        """
        value = checked_reward(reward)
        with self._lock:
            self._ledger.store(request_id, value, reward_data)

    def set_reward(
        self,
        reward: float | None = None,
        context_id: ContextIdType = NullContextId,
        *,
        request_id: RequestIdType | None = None,
        reward_data: RewardDataType | None = None,
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
            reward_data: anything else that the algorithm wants to know of the outcome.

        Raises:
            RewardError: NaN, infinite, no number, the second one for this request, or none at all.
            UnknownRequestError: nothing is open that the reward could belong to.
        """
        value = None if reward is None else checked_reward(reward)
        with self._lock:
            if request_id is not None:
                self._reward_request(self._ledger.get(request_id), value, reward_data)
            elif value is not None:
                self._reward_context(context_id, value, reward_data)
            else:
                self._reward_stored(context_id)

    def _reward_request(
        self, request: Request, reward: float | None, reward_data: RewardDataType | None
    ) -> None:
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
        if reward_data is not None:
            request.reward_data = reward_data
        self._ledger.close(request)
        if self._flags.supports_single_reward:
            self._learn(request, reward)
        else:
            request.reward = reward
            self._learn_sequence([request])

    def _reward_context(
        self, context_id: ContextIdType, reward: float, reward_data: RewardDataType | None
    ) -> None:
        if not self._flags.supports_single_reward:
            raise RewardError(
                f"{type(self).__name__} takes sequences of rewards: store_reward(), then set_reward(None)"
            )
        requests = self._ledger.open_of(context_id)
        newest = requests.pop()
        for request in requests:
            self._ledger.close(request, CLEARED)
        if reward_data is not None:
            newest.reward_data = reward_data
        self._ledger.close(newest)
        self._learn(newest, reward)

    def _reward_stored(self, context_id: ContextIdType) -> None:
        requests = self._ledger.open_of(context_id)
        if all(request.reward is None for request in requests):
            raise RewardError("set_reward(None) needs at least one reward that store_reward() has kept")
        for request in requests:
            self._ledger.close(request, CLEARED if request.reward is None else REWARDED)
        if self._flags.supports_sequence_of_rewards:
            self._learn_sequence(requests)
            return
        for request, reward in mean_by_draw(requests):
            self._learn(request, reward)

    def _learn(self, request: Request, reward: float) -> None:
        """Record first, then learn: the measurement outlives a learner that throws."""
        draw = request.draw
        self._table.add(tuple(draw.prediction.values()), reward)
        if draw.learnt:
            return
        draw.learnt = True
        if self._scaler is not None:
            reward = self._scaler.standardise(reward)
        before = self._iteration
        try:
            if self.params:
                told, parts = self._as_told(request, reward), self._set_reward_parts
                if parts is None:
                    self._set_reward(told)
                else:
                    ask(self._set_reward, parts, told)
        finally:
            # Whatever the algorithm counted itself, as the original's do.
            self._iteration = before + 1

    def _learn_sequence(self, requests: Sequence[Request]) -> None:
        sequence = []
        for request in requests:
            reward = request.reward
            if reward is not None:
                self._table.add(tuple(request.draw.prediction.values()), reward)
                reward = reward if self._scaler is None else self._scaler.standardise(reward)
            request.draw.learnt = True
            sequence.append(self._as_told(request, reward))
        before = self._iteration
        try:
            if self.params:
                self._set_reward_for_sequence(sequence)
        finally:
            self._iteration = before + 1

    def _as_told(self, request: Request, reward: float | None) -> _TuningRequest:
        draw = request.draw
        return _TuningRequest(
            draw.context,
            request.id,
            draw.prediction.copy(),
            draw.metadata,
            reward,
            draw.predict_data,
            request.reward_data,
        )

    def recommend(self) -> dict[str, Value]:
        """The configuration to keep: the best mean reward, shrunk so that one lucky measurement does not win.

        Before any reward it is the parameters' own values (repaired where they violate a constraint).
        """
        with self._lock:
            best = self._table.best()
            return self._space.repair(self._space.defaults) if best is None else self._named(best)

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

    def dump(self, file: str | Path | BinaryIO, **options: Any) -> None:
        """:meth:`save` by the original's name; its options of compression are accepted and ignored."""
        self.save(file)

    def dumps(self, **options: Any) -> bytes:
        """What :meth:`save` writes, as bytes."""
        from io import BytesIO

        buffer = BytesIO()
        self.save(buffer)
        return buffer.getvalue()

    @classmethod
    def loads(cls, buffer: bytes, **options: Any) -> Self:
        """The reverse of :meth:`dumps`. Raises StateError as :meth:`load`."""
        from io import BytesIO

        return cls.load(BytesIO(buffer))

    @classmethod
    def load(cls, path: str | Path | BinaryIO) -> Self:
        """Read what :meth:`save` wrote; the same predictions follow.

        Raises:
            StateError: not such a file, of another algorithm, damaged, or of a future version.
            OSError: the file cannot be read.
        """
        return cls._restored(load_state(path))

    @classmethod
    def _restored(cls, saved: SavedState) -> Self:
        if saved.kind != cls.__name__:
            raise StateError(f"this is the state of {saved.kind}, not of {cls.__name__}")
        state = saved.open()
        made = object.__new__(cls)
        try:
            made._set_state(state)
        except (OppertuneError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"the state of {saved.kind} is damaged: {error}") from error
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
        left_out = {"_lock", "_space", "_configurations", "params", "parameters"}
        own = {name: value for name, value in vars(self).items() if name not in left_out}
        return {
            "parameters": self.parameters,
            "constraints": self._space.constraints,
            "conditions": self._space.conditions,
            "attributes": own,
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`_get_state`, on an object without attributes."""
        # Files of version 1 have no conditions.
        self._set_space(Space(state["parameters"], state["constraints"], state.get("conditions", {})))
        self._lock = threading.RLock()
        vars(self).update(state["attributes"])

    def __str__(self) -> str:
        return f"{type(self).__name__}([{len(self.params)} parameters])"
