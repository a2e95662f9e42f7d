"""What the base class and an algorithm hand to each other, and how an algorithm says what it can do.

Two ways of writing an algorithm are understood: with one request, ``_predict(self, tuning_request)``, and
with its parts by name, ``_predict(self, context, predict_data)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any, ClassVar, NamedTuple

from oppertune.core.types import (
    NO_CONTEXT,
    Context,
    MetadataType,
    PredictDataType,
    PredictionType,
    RequestIdType,
    RewardDataType,
)
from oppertune.core.values import Categorical, Integer, Real, ValueType
from oppertune.errors import AlgorithmError


@dataclass
class _TuningRequest:
    """What ``_predict`` and ``_set_reward`` receive.

    Attributes:
        context: what the prediction is for.
        id: the request's id; empty while predicting.
        prediction: every parameter's outside value, repaired; empty while predicting.
        metadata: what ``_predict`` returned beside the prediction.
        reward: finite; standardised with ``normalize_rewards``; None while predicting.
        predict_data: what the caller passed to ``predict`` beside the context.
        reward_data: what the caller passed beside the reward.
    """

    context: Context = NO_CONTEXT
    id: RequestIdType = ""
    prediction: PredictionType = field(default_factory=dict)
    metadata: MetadataType = None
    reward: float | None = None
    predict_data: PredictDataType | None = None
    reward_data: RewardDataType | None = None

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)


class _PredictResponse(NamedTuple):
    """What ``_predict`` returns.

    Attributes:
        prediction: a value for each of ``self.params``.
        metadata: plain data (numbers, strings, lists, arrays, dictionaries) to get back in ``_set_reward``.
    """

    prediction: Mapping[str, Any]
    metadata: MetadataType = None


class Flags(NamedTuple):
    """What an algorithm can do, with what is assumed of one that does not say."""

    supported_parameter_types: tuple[type[ValueType], ...] = (Categorical, Integer, Real)
    requires_untransformed_parameters: bool = False
    supports_context: bool = False
    supports_single_reward: bool = True
    supports_sequence_of_rewards: bool = False


def flags_of(name: str, meta: type, parent: Flags) -> Flags:
    """The flags that a class called ``Meta`` sets, the parent's for the others. Raises AlgorithmError."""
    given = {flag: value for flag, value in vars(meta).items() if not flag.startswith("__")}
    if unknown := sorted(set(given) - set(Flags._fields)):
        raise AlgorithmError(f"{name}.Meta has unknown flags {unknown}; known are {list(Flags._fields)}")
    for flag, value in given.items():
        if flag == "supported_parameter_types":
            given[flag] = kinds = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(kind, type) and issubclass(kind, ValueType) for kind in kinds):
                raise AlgorithmError(f"{name}.Meta.{flag} must be parameter types, not {value!r}")
        elif not isinstance(value, bool):
            raise AlgorithmError(f"{name}.Meta.{flag} must be a bool, not {value!r}")
    return parent._replace(**given)


_PARTS: dict[str, Callable[[_TuningRequest], Any]] = {
    "context": lambda request: request.context,
    "context_id": lambda request: request.context.id,
    "id": lambda request: request.id,
    "metadata": lambda request: request.metadata,
    "predict_data": lambda request: request.predict_data,
    "prediction": lambda request: request.prediction,
    "request_id": lambda request: request.id,
    "reward": lambda request: request.reward,
    "reward_data": lambda request: request.reward_data,
    "tuning_request": lambda request: request,
}


def parts_wanted(method: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of the parts that a method takes; None where it takes the request as a whole.

    A method whose first argument is not named after a part takes the request as a whole.

    Raises:
        AlgorithmError: it takes parts, and needs something besides that is none.
    """
    _, *arguments = inspect.signature(method).parameters.values()
    named = [p for p in arguments if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not named or named[0].name not in _PARTS:
        return None
    if [p.name for p in named] == ["tuning_request"]:
        return None
    needed = [p.name for p in named if p.default is p.empty and p.name not in _PARTS]
    if needed:
        raise AlgorithmError(
            f"{method.__qualname__} takes {needed}, which is no part of a request; parts are {sorted(_PARTS)}"
        )
    return tuple(p.name for p in named if p.name in _PARTS)


def ask(method: Callable[..., Any], parts: tuple[str, ...], request: _TuningRequest) -> Any:
    """Call a method with the parts that it wants."""
    return method(**{part: _PARTS[part](request) for part in parts})


class Shown:
    """A read-only property that a subclass may use as the name of an attribute of its own."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self._read(instance)
