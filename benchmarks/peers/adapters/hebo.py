"""HEBO, the strongest peer: a warped Gaussian process and a Pareto front of three acquisitions.

It has no way to be told what to try first, so the default configuration is observed before the first
suggestion, which counts as the first of its ``1 + dimensions`` initial points. Otherwise its defaults.
"""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space


def described(dimension: Dimension) -> dict[str, object]:
    if isinstance(dimension, Choice):
        return {"name": dimension.name, "type": "cat", "categories": list(dimension.options)}
    kinds = {(True, True): "pow_int", (True, False): "int", (False, True): "pow", (False, False): "num"}
    kind = kinds[dimension.whole, dimension.log]
    return {"name": dimension.name, "type": kind, "lb": dimension.low, "ub": dimension.high}


class Hebo(Peer):
    package = "HEBO"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._hebo = HEBO(DesignSpace().parse([described(d) for d in space.dimensions]), scramble_seed=seed)
        self._frame: pd.DataFrame | None = None

    def ask(self) -> Point:
        if self._frame is None:
            self._frame = pd.DataFrame([self.space.start])
        else:
            self._frame = self._hebo.suggest(1)
        return {str(name): value for name, value in self._frame.iloc[0].to_dict().items()}

    def tell(self, point: Point, reward: float) -> None:
        self._hebo.observe(self._frame, np.array([[-reward]]))


PEERS = {"hebo": Hebo}
