"""Makes players by name from a closed list; an adapter is imported only where its optimiser is installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from oppertune.core.values import Parameter, Value
from peers.adapters.base import Peer
from peers.adapters.ours import Ours
from peers.space import Point, Space

ADAPTERS = {
    "hebo": "hebo",
    "optuna_tpe": "optuna",
    "optuna_gp": "optuna",
    "optuna_cmaes": "optuna",
    "smac": "smac",
    "flaml": "flaml",
    "nevergrad": "nevergrad",
    "cmaes": "cmaes",
    "skopt": "skopt",
    "sb3_ppo": "sb3",
    "sb3_sac": "sb3",
    "random": "uniform",
}
"""The module under ``peers.adapters`` that has each peer, and the name of the environment it runs in."""


class Player(Protocol):
    """What the runner plays: configurations in, rewards out."""

    package: str

    def ask(self) -> dict[str, Value]: ...

    def tell(self, reward: float) -> None: ...

    def choice(self) -> dict[str, Value] | None:
        """What it would hand back; None means the best sample seen."""


class Translated:
    """A peer as a player: points become configurations."""

    def __init__(self, peer: Peer) -> None:
        self.package = peer.package
        self._peer = peer
        self._point: Point = {}

    def ask(self) -> dict[str, Value]:
        self._point = self._peer.ask()
        return self._peer.space.values(self._point)

    def tell(self, reward: float) -> None:
        self._peer.tell(self._point, reward)

    def choice(self) -> dict[str, Value] | None:
        point = self._peer.choice()
        return None if point is None else self._peer.space.values(point)


def player(name: str, parameters: Sequence[Parameter], seed: int, rounds: int) -> Player:
    """The peer of that name, or else our algorithm of that name.

    Raises:
        AlgorithmError: neither has it.
        ImportError: the peer is not installed here.
    """
    if name not in ADAPTERS:
        return Ours(name, parameters, seed)
    module = importlib.import_module(f"peers.adapters.{ADAPTERS[name]}")
    peer: Peer = module.PEERS[name](Space(parameters), seed, rounds)
    return Translated(peer)


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
