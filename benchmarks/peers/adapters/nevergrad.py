"""Nevergrad's NGOpt, which picks an algorithm by the space and the budget; the default configuration first.

The choice is Nevergrad's recommendation.
"""

from __future__ import annotations

import nevergrad as ng

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space


def described(dimension: Dimension) -> ng.p.Parameter:
    if isinstance(dimension, Choice):
        return ng.p.Choice(list(dimension.options))
    if dimension.log:
        made = ng.p.Log(init=float(dimension.start), lower=float(dimension.low), upper=float(dimension.high))
    else:
        made = ng.p.Scalar(
            init=float(dimension.start), lower=float(dimension.low), upper=float(dimension.high)
        )
    return made.set_integer_casting() if dimension.whole else made


class Nevergrad(Peer):
    package = "nevergrad"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        parametrization = ng.p.Dict(**{d.name: described(d) for d in space.dimensions})
        parametrization.random_state.seed(seed)
        self._optimizer = ng.optimizers.NGOpt(parametrization, budget=rounds)
        self._optimizer.suggest(space.start)

    def ask(self) -> Point:
        self._candidate = self._optimizer.ask()
        return dict(self._candidate.value)

    def tell(self, point: Point, reward: float) -> None:
        self._optimizer.tell(self._candidate, -reward)

    def choice(self) -> Point | None:
        return dict(self._optimizer.provide_recommendation().value)


PEERS = {"nevergrad": Nevergrad}
