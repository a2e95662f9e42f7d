"""SMAC3: random forests and expected improvement, with its defaults, and told that measurements are noisy.

SMAC then measures promising configurations again, up to three times, as its facade decides. The default
configuration is told before the first question. The choice is SMAC's incumbent.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space


def described(dimension: Dimension) -> object:
    if isinstance(dimension, Choice):
        return Categorical(dimension.name, list(dimension.options), default=dimension.start)
    bounds = (dimension.low, dimension.high)
    make = Integer if dimension.whole else Float
    return make(dimension.name, bounds, default=dimension.start, log=dimension.log)


class Smac(Peer):
    package = "smac"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._configurations = ConfigurationSpace(seed=seed)
        self._configurations.add([described(d) for d in space.dimensions])
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            self._configurations,
            n_trials=rounds,
            deterministic=False,
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, lambda configuration, seed: 0.0, logging_level=False, overwrite=True
        )
        self._trial: TrialInfo | None = None

    def ask(self) -> Point:
        if self._trial is None:
            self._trial = TrialInfo(self._configurations.get_default_configuration(), seed=self.seed)
        else:
            self._trial = self._smac.ask()
        return dict(self._trial.config)

    def tell(self, point: Point, reward: float) -> None:
        self._smac.tell(self._trial, TrialValue(cost=-reward))

    def choice(self) -> Point | None:
        incumbents = self._smac.intensifier.get_incumbents()
        return dict(incumbents[0]) if incumbents else None


PEERS = {"smac": Smac}
