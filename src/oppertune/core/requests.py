"""The ledger of predictions given out, so that every reward finds the prediction it belongs to.

A *draw* is one decision of an algorithm; asking again for the same context hands the same draw out under a
new request id. The number of open requests is bounded, and they may lapse after so many further predictions,
so that a caller who never rewards costs a constant amount of memory.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from numbers import Real as RealNumber
from typing import Any

from oppertune.core.types import (
    Context,
    ContextIdType,
    MetadataType,
    PredictDataType,
    PredictionType,
    RequestIdType,
    RewardDataType,
    generate_request_id,
)
from oppertune.errors import InvalidArgumentError, RewardError, RewardTypeError, UnknownRequestError

REMEMBERED_IDS = 4096
"""So many ids of closed requests are kept, only to say why they are closed."""

REWARDED, LAPSED, CLEARED = "was rewarded", "lapsed", "was cleared with its context"


def checked_reward(reward: object) -> float:
    """The reward as a float.

    Raises:
        RewardTypeError: not a number.
        RewardError: NaN or infinite.
    """
    if type(reward) is not float:
        if isinstance(reward, bool) or not isinstance(reward, RealNumber):
            raise RewardTypeError(
                f"a reward must be a number, not {reward!r} of type {type(reward).__name__}"
            )
        try:
            reward = float(reward)
        except OverflowError:
            raise RewardError("a reward must fit into a float") from None
    if not math.isfinite(reward):
        raise RewardError(f"a reward must be finite, not {reward!r}")
    return reward


class Draw:
    """One decision: what was predicted, what the algorithm wants to remember of it, whether it was learnt."""

    __slots__ = ("context", "learnt", "metadata", "predict_data", "prediction")

    def __init__(
        self,
        context: Context,
        prediction: PredictionType,
        metadata: MetadataType,
        predict_data: PredictDataType | None = None,
    ) -> None:
        self.context = context
        self.prediction = prediction
        self.metadata = metadata
        self.predict_data = predict_data
        self.learnt = False


class Request:
    """One handing out of a draw, with the reward that was stored for it, if any."""

    __slots__ = ("born", "draw", "id", "reward", "reward_data")

    def __init__(self, request_id: RequestIdType, draw: Draw, born: int) -> None:
        self.id = request_id
        self.draw = draw
        self.born = born
        self.reward: float | None = None
        self.reward_data: RewardDataType | None = None


def mean_by_draw(requests: Iterable[Request]) -> list[tuple[Request, float]]:
    """The mean of the stored rewards of each draw, with the newest request that has one."""
    draws: dict[int, list[tuple[Request, float]]] = {}
    for request in requests:
        if request.reward is not None:
            draws.setdefault(id(request.draw), []).append((request, request.reward))
    return [
        # Divided first, so that the sum of huge rewards stays finite.
        (shared[-1][0], sum(reward / len(shared) for _, reward in shared))
        for shared in draws.values()
    ]


class RequestLedger:
    """Open requests by id and by context.

    Args:
        max_open: at most so many stay open; the oldest lapse first.
        max_age: a request lapses after so many further predictions; None means never.

    Raises:
        InvalidArgumentError: a bound below one.
    """

    def __init__(self, max_open: int = 1000, max_age: int | None = None) -> None:
        for what, bound in (("max_open_requests", max_open), ("max_request_age", max_age)):
            if bound is not None and bound < 1:
                raise InvalidArgumentError(f"{what} must be at least 1, not {bound}")
        self.max_open = max_open
        self.max_age = max_age
        self._count = 0
        self._requests: dict[RequestIdType, Request] = {}
        self._contexts: dict[ContextIdType, dict[RequestIdType, Request]] = {}
        self._closed: dict[RequestIdType, str] = {}
        self._closed_order: deque[RequestIdType] = deque()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests.values())

    def open(self, draw: Draw) -> Request:
        """Hand a draw out under a new id."""
        self._count += 1
        while len(self._requests) >= self.max_open:
            self._lapse_oldest()
        if self.max_age is not None:
            self._lapse_aged()
        request = Request(generate_request_id(), draw, self._count)
        self._add(request)
        return request

    def newest(self, context_id: ContextIdType) -> Request | None:
        """The newest open request of a context."""
        if self.max_age is not None:
            self._lapse_aged()
        requests = self._contexts.get(context_id)
        return requests[next(reversed(requests))] if requests else None

    def of_context(self, context_id: ContextIdType) -> list[Request]:
        """All open requests of a context, oldest first."""
        return list(self._contexts.get(context_id, {}).values())

    def open_of(self, context_id: ContextIdType) -> list[Request]:
        """The same, at least one. Raises UnknownRequestError where there is none."""
        requests = self.of_context(context_id)
        if not requests:
            raise UnknownRequestError(
                f"set_reward() has no open request for context {context_id!r}: call predict() first, "
                "and pass the id of its context"
            )
        return requests

    def get(self, request_id: RequestIdType) -> Request:
        """An open request.

        Raises:
            RewardError: it was rewarded before.
            UnknownRequestError: it lapsed, was cleared, or never existed.
        """
        request = self._requests.get(request_id)
        if request is not None:
            return request
        why = self._closed.get(request_id)
        if why == REWARDED:
            raise RewardError(f"request {request_id!r} has its reward already; a second one cannot be learnt")
        if why is not None:
            raise UnknownRequestError(f"request {request_id!r} is no longer open: it {why}")
        raise UnknownRequestError(
            f"no request {request_id!r}: predict() returns the id that store_reward() and "
            "set_reward(request_id=...) take"
        )

    def store(
        self, request_id: RequestIdType, reward: float, reward_data: RewardDataType | None = None
    ) -> None:
        """Keep a reward for later. Raises RewardError if there is one, UnknownRequestError as :meth:`get`."""
        request = self.get(request_id)
        if request.reward is not None:
            raise RewardError(f"request {request_id!r} has its reward already; a second one cannot be stored")
        request.reward = reward
        request.reward_data = reward_data

    def close(self, request: Request, why: str = REWARDED) -> None:
        """End one request."""
        del self._requests[request.id]
        siblings = self._contexts[request.draw.context.id]
        del siblings[request.id]
        if not siblings:
            del self._contexts[request.draw.context.id]
        self._closed[request.id] = why
        self._closed_order.append(request.id)
        if len(self._closed_order) > REMEMBERED_IDS:
            self._closed.pop(self._closed_order.popleft(), None)

    def _add(self, request: Request) -> None:
        self._requests[request.id] = request
        siblings = self._contexts.get(request.draw.context.id)
        if siblings is None:
            self._contexts[request.draw.context.id] = {request.id: request}
        else:
            siblings[request.id] = request

    def _lapse_oldest(self) -> None:
        self.close(next(iter(self._requests.values())), LAPSED)

    def _lapse_aged(self) -> None:
        if self.max_age is None:
            return
        while self._requests and self._count - next(iter(self._requests.values())).born >= self.max_age:
            self._lapse_oldest()

    def get_state(self) -> dict[str, Any]:
        """Everything as plain data; draws that requests share are written once."""
        numbers: dict[int, int] = {}
        draws: list[list[Any]] = []
        for request in self._requests.values():
            if id(request.draw) not in numbers:
                numbers[id(request.draw)] = len(draws)
                draw = request.draw
                draws.append([draw.context, draw.prediction, draw.metadata, draw.learnt, draw.predict_data])
        return {
            "max_open": self.max_open,
            "max_age": self.max_age,
            "count": self._count,
            "draws": draws,
            "requests": [
                [r.id, numbers[id(r.draw)], r.born, r.reward, r.reward_data] for r in self._requests.values()
            ],
            "closed": [[i, self._closed[i]] for i in self._closed_order],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """The reverse of :meth:`get_state`."""
        self.__init__(state["max_open"], state["max_age"])  # type: ignore[misc]
        self._count = state["count"]
        draws: list[Draw] = []
        # What the original's interface adds, predict_data and reward_data, is missing in version 1.
        for context, prediction, metadata, learnt, *rest in state["draws"]:
            draw = Draw(context, prediction, metadata, *rest)
            draw.learnt = learnt
            draws.append(draw)
        for request_id, number, born, reward, *rest in state["requests"]:
            request = Request(request_id, draws[number], born)
            request.reward = reward
            request.reward_data = rest[0] if rest else None
            self._add(request)
        for request_id, why in state["closed"]:
            self._closed[request_id] = why
            self._closed_order.append(request_id)
