"""FLAML's BlendSearch: local direct searches, and Optuna's TPE to start them.

The default configuration is first among its points to evaluate. No parameter is said to be cheap at one end,
since none is.
"""

from __future__ import annotations

import logging
from typing import Any

import optuna
from flaml import tune
from flaml.tune.searcher.blendsearch import BlendSearch

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space

optuna.logging.set_verbosity(optuna.logging.ERROR)

METRIC = "loss"
PATIENCE = 1_000
"""How many times in a row the search may have nothing to suggest, which it says of points already tried."""

for _name in ("flaml", "flaml.tune", "flaml.tune.searcher", "flaml.tune.searcher.blendsearch"):
    logging.getLogger(_name).setLevel(logging.ERROR)


def described(dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        return tune.choice(list(dimension.options))
    if dimension.whole:
        make = tune.lograndint if dimension.log else tune.randint
        return make(int(dimension.low), int(dimension.high) + 1)
    return (tune.loguniform if dimension.log else tune.uniform)(dimension.low, dimension.high)


class Flaml(Peer):
    package = "flaml"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._search = BlendSearch(
            metric=METRIC,
            mode="min",
            space={d.name: described(d) for d in space.dimensions},
            points_to_evaluate=[space.start],
            num_samples=rounds,
            seed=seed,
        )
        self._asked = 0

    def ask(self) -> Point:
        for _ in range(PATIENCE):
            self._asked += 1
            point = self._search.suggest(str(self._asked))
            if point is not None:
                return dict(point)
        raise RuntimeError("BlendSearch has nothing to suggest")

    def tell(self, point: Point, reward: float) -> None:
        result = {METRIC: -reward, "config": point, "time_total_s": 1.0}
        self._search.on_trial_complete(str(self._asked), result)


PEERS = {"flaml": Flaml}
