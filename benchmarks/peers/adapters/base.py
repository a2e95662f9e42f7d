"""The face that every optimiser gets here: ask for a point, tell its reward, name the choice so far."""

from __future__ import annotations

from abc import ABC, abstractmethod

from peers.space import Point, Space


class Peer(ABC):
    """One run of an optimiser; more reward is better.

    The default configuration is measured first, by whatever means the optimiser has to be told of it: every
    user has that measurement, and our algorithms start there too.

    Args:
        space: what to search.
        seed: of everything that it draws.
        rounds: how many evaluations there will be; some settings depend on it.
    """

    package = ""
    """The distribution whose version goes into the results."""

    def __init__(self, space: Space, seed: int, rounds: int) -> None:
        self.space = space
        self.seed = seed
        self.rounds = rounds

    @abstractmethod
    def ask(self) -> Point:
        """The next point to measure."""

    @abstractmethod
    def tell(self, point: Point, reward: float) -> None:
        """Takes the reward of the point that was asked for last."""

    def choice(self) -> Point | None:
        """What the optimiser itself would hand back; None means the best sample seen."""
        return None
