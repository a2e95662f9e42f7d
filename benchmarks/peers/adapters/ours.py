"""Our own algorithms in the peers' place, so that one runner measures both."""

from __future__ import annotations

from collections.abc import Sequence

from oppertune.algorithms.all import create_tuning_instance
from oppertune.core.values import Parameter, Value


class Ours:
    """An algorithm of oppertune as a player; its choice is what it recommends."""

    package = "tactician"

    def __init__(self, name: str, parameters: Sequence[Parameter], seed: int) -> None:
        self._algorithm = create_tuning_instance(name, parameters, random_seed=seed, normalize_rewards=True)
        self._request = ""

    def ask(self) -> dict[str, Value]:
        values, self._request = self._algorithm.predict()
        return dict(values)

    def tell(self, reward: float) -> None:
        self._algorithm.set_reward(reward, request_id=self._request)

    def choice(self) -> dict[str, Value] | None:
        return dict(self._algorithm.recommend())
