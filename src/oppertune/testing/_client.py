"""A client that keeps its own book of what should be open, and compares it after every call."""

from __future__ import annotations

from typing import NamedTuple

from oppertune.algorithms.base import Algorithm
from oppertune.core.types import Context
from oppertune.core.values import Value
from oppertune.errors import RewardError, UnknownRequestError
from oppertune.testing._checks import law, refuses

_CONTEXTS: tuple[dict[str, float | str] | None, ...] = (None, {"load": 0}, {"load": 0.5, "time": "day"})


class _Entry(NamedTuple):
    context: str
    prediction: dict[str, Value]
    reward: float | None


class Client:
    """Calls an algorithm and knows what must come of it.

    Args:
        algorithm: a new one, which nobody else calls.
        max_open_requests: what it was made with.

    Every method raises AssertionError where the algorithm and the book disagree.
    """

    def __init__(self, algorithm: Algorithm, max_open_requests: int = 1000) -> None:
        self.algorithm = algorithm
        self.learns_single = bool(algorithm.Meta.supports_single_reward)  # type: ignore[attr-defined]
        self._bound = max_open_requests
        self._open: dict[str, _Entry] = {}
        self._closed: list[str] = []

    def do(self, kind: int, which: int, reward: float) -> dict[str, Value] | None:
        """One call, chosen by number.

        Args:
            kind: which method, modulo their number.
            which: which context or request, modulo their number.
            reward: for those calls that give one.

        Returns:
            The prediction, if the call made one.
        """
        context = _CONTEXTS[which % len(_CONTEXTS)]
        match kind % 7:
            case 0 | 1:
                return self.predict(context, fresh=kind % 7 == 1)
            case 2:
                self.reward_context(context, reward)
            case 3:
                self.reward_request(which, reward)
            case 4:
                self.store(which, reward)
            case 5:
                self.settle(context)
            case _:
                self.misuse(which)
        return None

    def predict(self, context: dict[str, float | str] | None, *, fresh: bool) -> dict[str, Value]:
        """Ask for a prediction."""
        context_id = Context(context).id
        prediction, request_id = self.algorithm.predict(context, fresh=fresh)
        law(request_id not in self._open and request_id not in self._closed, "a request id is new")
        current = self.algorithm.get_current_prediction(context_id)
        law(current == (prediction, request_id), "the newest prediction of a context is its current one")
        self._open[request_id] = _Entry(context_id, dict(prediction), None)
        while len(self._open) > self._bound:
            self._close(next(iter(self._open)))
        self._compare()
        return prediction

    def reward_context(self, context: dict[str, float | str] | None, reward: float) -> None:
        """Reward the newest request of a context."""
        context_id = Context(context).id
        of_context = [i for i, entry in self._open.items() if entry.context == context_id]
        if not self.learns_single:
            refuses(RewardError, "it takes sequences only", self.algorithm.set_reward, reward, context_id)
        elif not of_context:
            refuses(
                UnknownRequestError,
                "a context needs a request",
                self.algorithm.set_reward,
                reward,
                context_id,
            )
        else:
            self.algorithm.set_reward(reward, context_id)
            self._close(*of_context)
        self._compare()

    def reward_request(self, which: int, reward: float) -> None:
        """Reward one open request, with its stored reward if it has one."""
        request_id = self._pick(which)
        if request_id is None:
            return
        if self._open[request_id].reward is not None:
            refuses(RewardError, "one reward is enough", self._reward, reward, request_id)
            self._reward(None, request_id)
        else:
            refuses(RewardError, "there is no reward yet", self._reward, None, request_id)
            self._reward(reward, request_id)
        self._close(request_id)
        self._compare()

    def store(self, which: int, reward: float) -> None:
        """Store the reward of one open request."""
        request_id = self._pick(which)
        if request_id is None:
            return
        entry = self._open[request_id]
        if entry.reward is not None:
            refuses(RewardError, "a reward is stored once", self.algorithm.store_reward, request_id, reward)
        else:
            self.algorithm.store_reward(request_id, reward)
            self._open[request_id] = entry._replace(reward=reward)
        self._compare()

    def settle(self, context: dict[str, float | str] | None) -> None:
        """Learn from what was stored for a context."""
        context_id = Context(context).id
        of_context = {i: entry for i, entry in self._open.items() if entry.context == context_id}
        if all(entry.reward is None for entry in of_context.values()):
            error: type[Exception] = RewardError if of_context else UnknownRequestError
            refuses(error, "nothing was stored", self.algorithm.set_reward, None, context_id)
        else:
            self.algorithm.set_reward(None, context_id)
            self._close(*of_context)
        self._compare()

    def misuse(self, which: int) -> None:
        """Reward what is closed, and reward with what is no reward."""
        if self._closed:
            closed = self._closed[which % len(self._closed)]
            refuses(ValueError, "what is closed takes no reward", self._reward, 1.0, closed)
        request_id = self._pick(which)
        if request_id is not None:
            bad: object = (float("nan"), float("-inf"), "1", True)[which % 4]
            refuses(RewardError, f"{bad!r} is no reward", self._reward, bad, request_id)
        self._compare()

    def _reward(self, reward: float | None, request_id: str) -> None:
        self.algorithm.set_reward(reward, request_id=request_id)

    def _pick(self, which: int) -> str | None:
        return list(self._open)[which % len(self._open)] if self._open else None

    def _close(self, *request_ids: str) -> None:
        for request_id in request_ids:
            del self._open[request_id]
            self._closed.append(request_id)

    def _compare(self) -> None:
        found = [(r.id, r.context.id, r.reward) for r in self.algorithm.get_tuning_requests()]
        expected = [(i, entry.context, entry.reward) for i, entry in self._open.items()]
        law(found == expected, f"the open requests are {expected}, not {found}")
