"""The measurements that a model is fitted to: a bounded choice of all there were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from oppertune.core.state import stateful
from oppertune.core.values import Value
from oppertune.errors import InvalidArgumentError
from oppertune.models.inputs import Array
from oppertune.models.success import fallen


def has_failed(reward_data: object) -> bool:
    """Whether a reward's data say that it stands for a failure: a mapping in which ``failed`` is true."""
    return isinstance(reward_data, Mapping) and reward_data.get("failed") is True


@stateful
class Window:
    """Rows, rewards and what they stand for, oldest first.

    An eighth above ``limit`` they are cut back to it. Half of what is kept are the newest ones; a quarter are
    those of the others with the highest rewards, and a quarter an even spread over time, so that the good
    region stays sharp without the rest being forgotten.

    Args:
        limit: at least 8.

    Attributes:
        rows: encoded configurations.
        rewards: as they came.
        configurations: the values that the rows encode.
        contexts: the data of the contexts they were measured in; None without.
        failed: whether there was nothing to measure, so that the reward stands for a failure.
        count: how many were ever added.

    Raises:
        InvalidArgumentError: a limit below 8.
    """

    def __init__(self, limit: int) -> None:
        if limit < 8:
            raise InvalidArgumentError(f"a window must hold at least 8 measurements, not {limit}")
        self.limit = limit
        self.count = 0
        self.rows: list[list[float]] = []
        self.rewards: list[float] = []
        self.configurations: list[dict[str, Value]] = []
        self.contexts: list[dict[str, Any] | None] = []
        self.failed: list[bool] = []

    def __len__(self) -> int:
        return len(self.rewards)

    def add(
        self,
        row: Array,
        reward: float,
        configuration: Mapping[str, Value],
        context: Mapping[str, Any] | None = None,
        *,
        failed: bool = False,
    ) -> None:
        """Take one measurement in."""
        self.count += 1
        self.rows.append([float(u) for u in row])
        self.rewards.append(reward)
        self.configurations.append(dict(configuration))
        self.contexts.append(None if context is None else dict(context))
        self.failed.append(failed)
        if len(self) > self.limit + self.limit // 8:
            self._cut()

    @property
    def measurements(self) -> list[tuple[dict[str, Value], float]]:
        """(configuration, reward) pairs, copied."""
        return [(dict(c), r) for c, r in zip(self.configurations, self.rewards, strict=True)]

    def arrays(self) -> tuple[Array, Array]:
        """Rows and rewards."""
        return np.array(self.rows), np.array(self.rewards)

    def fallen(self) -> npt.NDArray[np.bool_]:
        """Which measurements failed, or fell off a cliff (:func:`oppertune.models.success.fallen`)."""
        return fallen(np.array(self.rewards), np.array(self.failed, dtype=bool))

    def _cut(self) -> None:
        older = len(self) - self.limit // 2
        by_reward = sorted(range(older), key=lambda i: self.rewards[i], reverse=True)
        kept = set(by_reward[: self.limit // 4]) | set(range(older, len(self)))
        rest = [i for i in range(older) if i not in kept]
        places = np.linspace(0, len(rest) - 1, self.limit - len(kept)).round().astype(int)
        kept |= {rest[i] for i in places}
        order = sorted(kept)
        self.rows = [self.rows[i] for i in order]
        self.rewards = [self.rewards[i] for i in order]
        self.configurations = [self.configurations[i] for i in order]
        self.contexts = [self.contexts[i] for i in order]
        self.failed = [self.failed[i] for i in order]
