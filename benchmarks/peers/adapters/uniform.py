"""Random search, the floor that every search must beat: each dimension uniform, or uniform in ratios."""

from __future__ import annotations

import numpy as np

from oppertune.core.values import Value
from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space


def drawn(dimension: Dimension, rng: np.random.Generator) -> Value:
    if isinstance(dimension, Choice):
        return dimension.options[int(rng.integers(len(dimension.options)))]
    if dimension.log:
        number = float(np.exp(rng.uniform(np.log(dimension.low), np.log(dimension.high))))
        return round(number) if dimension.whole else number
    if dimension.whole:
        return int(rng.integers(int(dimension.low), int(dimension.high) + 1))
    return float(rng.uniform(dimension.low, dimension.high))


class Uniform(Peer):
    package = "tactician"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._rng = np.random.default_rng((seed, 1))
        self._first = True

    def ask(self) -> Point:
        if self._first:
            self._first = False
            return self.space.start
        return {d.name: drawn(d, self._rng) for d in self.space.dimensions}

    def tell(self, point: Point, reward: float) -> None:
        """Learns nothing."""


PEERS = {"random": Uniform}
