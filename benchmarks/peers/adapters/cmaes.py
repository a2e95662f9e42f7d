"""The package cmaes: CatCMA with margin, its variant for spaces of reals, whole numbers and names.

Logarithmic numbers are given as positions between 0 and 1; whole numbers with two values as names, as its
documentation says. The default configuration is measured first, and is not part of a generation. It has no
recommendation of its own, so the choice is the best sample.
"""

from __future__ import annotations

from cmaes import CatCMAwM

from oppertune.core.values import Value
from peers.adapters.base import Peer
from peers.adapters.units import value_at
from peers.space import Choice, Dimension, Point, Space


def values_of(dimension: Dimension) -> tuple[Value, ...] | None:
    """All values where they can be listed: names and whole numbers without ``log``."""
    if isinstance(dimension, Choice):
        return dimension.options
    if dimension.log or not dimension.whole or dimension.low == dimension.high:
        return None
    return tuple(range(int(dimension.low), int(dimension.high) + 1))


class CmaEs(Peer):
    package = "cmaes"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._smooth: list[Dimension] = []
        self._whole: list[Dimension] = []
        self._named: list[tuple[Dimension, tuple[Value, ...]]] = []
        for dimension in space.dimensions:
            values = values_of(dimension)
            if values is None:
                self._smooth.append(dimension)
            elif isinstance(dimension, Choice) or len(values) == 2:
                self._named.append((dimension, values))
            else:
                self._whole.append(dimension)
        self._optimizer = CatCMAwM(
            x_space=[[0.0, 1.0] for _ in self._smooth] or None,
            z_space=[list(values_of(d) or ()) for d in self._whole] or None,
            c_space=[len(values) for _, values in self._named] or None,
            seed=seed,
        )
        self._generation: list[tuple[CatCMAwM.Solution, float]] = []
        self._asked: CatCMAwM.Solution | None = None
        self._first = True

    def ask(self) -> Point:
        if self._first:
            self._first = False
            return self.space.start
        self._asked = asked = self._optimizer.ask()
        point: Point = {}
        for i, smooth in enumerate(self._smooth):
            point[smooth.name] = value_at(smooth, float(asked.x[i]))
        for i, whole in enumerate(self._whole):
            point[whole.name] = int(asked.z[i])
        for i, (named, values) in enumerate(self._named):
            point[named.name] = values[int(asked.c[i].argmax())]
        return point

    def tell(self, point: Point, reward: float) -> None:
        if self._asked is None:
            return
        self._generation.append((self._asked, -reward))
        if len(self._generation) == self._optimizer.population_size:
            self._optimizer.tell(self._generation)
            self._generation = []


PEERS = {"cmaes": CmaEs}
