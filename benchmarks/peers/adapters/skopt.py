"""scikit-optimize: a Gaussian process with a portfolio of three acquisitions, all by default.

The default configuration is observed before the first suggestion.
"""

from __future__ import annotations

from skopt import Optimizer
from skopt.space import Categorical, Integer, Real

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space


def described(dimension: Dimension) -> Categorical | Integer | Real:
    if isinstance(dimension, Choice):
        return Categorical(dimension.options, name=dimension.name)
    prior = "log-uniform" if dimension.log else "uniform"
    if dimension.whole:
        return Integer(int(dimension.low), int(dimension.high), prior=prior, name=dimension.name)
    return Real(float(dimension.low), float(dimension.high), prior=prior, name=dimension.name)


class Skopt(Peer):
    package = "scikit-optimize"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._optimizer = Optimizer([described(d) for d in space.dimensions], random_state=seed)
        self._first = True

    def ask(self) -> Point:
        if self._first:
            self._first = False
            return self.space.start
        asked = self._optimizer.ask()
        return {d.name: value for d, value in zip(self.space.dimensions, asked, strict=True)}

    def tell(self, point: Point, reward: float) -> None:
        self._optimizer.tell([point[d.name] for d in self.space.dimensions], -reward)


PEERS = {"skopt": Skopt}
