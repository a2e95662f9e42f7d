"""What callers and algorithms hand to one another: contexts, requests and predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from types import GenericAlias
from typing import Any, ClassVar, NamedTuple, TypeAlias

from oppertune.core.values import Value
from oppertune.errors import InvalidContextError, InvalidTypeError

ContextIdType: TypeAlias = str
ContextDataType: TypeAlias = Mapping[str, Any]
PredictDataType: TypeAlias = Mapping[str, Any]
RequestIdType: TypeAlias = str
RewardDataType: TypeAlias = Mapping[str, Any]
RewardType: TypeAlias = float
PredictionType: TypeAlias = dict[str, Value]
MetadataType: TypeAlias = Any

NullContextId: ContextIdType = ""
"""The id of the context without data."""

NullRequestId: RequestIdType = ""
"""The id of no request."""

_counted = count(1)
_process = os.urandom(8).hex()


def _begin_process() -> None:
    global _process
    _process = os.urandom(8).hex()


# A forked child goes on counting where its parent was.
os.register_at_fork(after_in_child=_begin_process)


def generate_request_id() -> RequestIdType:
    """A new id that no other request, in any process, has: a random name of the process, and a count."""
    return f"{_process}-{next(_counted):x}"


def generate_context_id(data: ContextDataType | None) -> ContextIdType:
    """The identity of a context: empty without data, else SHA-256 (hex) of its JSON with sorted keys.

    Raises:
        InvalidContextError: the data holds NaN or an infinity.
        InvalidTypeError: the data cannot be written as JSON.
    """
    if data is None:
        return NullContextId
    # Here, because programs without contexts need neither.
    import json
    from hashlib import sha256

    try:
        text = json.dumps(data if type(data) is dict else dict(data), sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise InvalidContextError(f"a context must hold finite numbers, not {data!r}") from error
    except TypeError as error:
        raise InvalidTypeError(f"a context must hold numbers and strings, not {data!r}: {error}") from error
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Context:
    """The circumstances of a prediction, such as ``Context({"workload": "oltp", "cpu": 0.7})``.

    Attributes:
        data: feature name to number or string; None where there are no circumstances.
        id: equal for equal data, computed unless given.
    """

    data: ContextDataType | None = None
    id: ContextIdType = field(default=NullContextId)

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)

    def __post_init__(self) -> None:
        if self.data is not None and not isinstance(self.data, Mapping):
            raise InvalidTypeError(f"the data of a context must be a mapping, not {self.data!r}")
        if self.id == NullContextId and self.data is not None:
            object.__setattr__(self, "id", generate_context_id(self.data))

    @classmethod
    def of(cls, given: Context | ContextDataType | None) -> Context:
        """The context itself, or one around a mapping. Raises InvalidTypeError."""
        if given is None:
            return NO_CONTEXT
        return given if isinstance(given, Context) else cls(given)

    def to_dict(self) -> dict[str, Any]:
        """Data and id, ready for JSON."""
        return {"data": None if self.data is None else dict(self.data), "id": self.id}


NO_CONTEXT = Context()


@dataclass
class TuningRequest:
    """An open request, as callers see it.

    Attributes:
        id: what ``predict`` returned beside the prediction.
        reward: the stored reward, or None.
        context: what it was made for.
    """

    id: RequestIdType
    reward: RewardType | None
    context: Context

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"id": self.id, "reward": self.reward, "context": self.context.to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> TuningRequest:
        """The reverse of :meth:`to_dict`."""
        context = document.get("context")
        made = Context() if context is None else Context(context["data"], context["id"])
        return cls(document["id"], document["reward"], made)


class PredictResponse(NamedTuple):
    """What ``predict`` returns.

    Attributes:
        prediction: every parameter's value by name, in declaration order and native types.
        request_id: what a reward may refer to.
    """

    prediction: PredictionType
    request_id: RequestIdType

    def to_dict(self) -> dict[str, Any]:
        """Both, by name."""
        return self._asdict()
