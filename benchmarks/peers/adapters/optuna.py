"""Optuna's samplers: TPE, which most people use, the Gaussian process and CMA-ES, each with its defaults.

The default configuration is enqueued as the first trial, as Optuna's manual says.
"""

from __future__ import annotations

import warnings

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, TPESampler

from peers.adapters.base import Peer
from peers.space import Choice, Dimension, Point, Space

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.options)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


class Study(Peer):
    """A study with a sampler; the choice is the best trial."""

    package = "optuna"

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        super().__init__(space, seed, rounds)
        self._study = optuna.create_study(direction="maximize", sampler=self.sampler(seed))
        self._study.enqueue_trial(space.start)
        self._distributions = {d.name: distribution(d) for d in space.dimensions}

    def sampler(self, seed: int) -> BaseSampler:
        return TPESampler(seed=seed)

    def ask(self) -> Point:
        self._trial = self._study.ask(self._distributions)
        return dict(self._trial.params)

    def tell(self, point: Point, reward: float) -> None:
        self._study.tell(self._trial, reward)


class Gaussian(Study):
    def sampler(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed)


class Evolution(Study):
    def sampler(self, seed: int) -> BaseSampler:
        return CmaEsSampler(seed=seed)


PEERS = {"optuna_tpe": Study, "optuna_gp": Gaussian, "optuna_cmaes": Evolution}
