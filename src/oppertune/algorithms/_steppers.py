"""The update rules that gradient-style bandits share, on plain floats because the vectors are short."""

from __future__ import annotations

import math

from oppertune.core.state import stateful
from oppertune.errors import InvalidArgumentError

LARGEST = 1e150
"""Gradients are clipped here: their squares must stay finite, whatever the rewards."""


def _check(what: str, value: float, low: float, high: float = math.inf) -> float:
    if not low <= value < high:
        raise InvalidArgumentError(f"{what} must lie in [{low}, {high}), not {value}")
    return float(value)


@stateful
class SGD:
    """Step eta g.

    Args:
        eta: learning rate.
    """

    def __init__(self, eta: float = 0.01) -> None:
        self.eta = _check("eta", eta, 0.0)

    def step(self, gradient: list[float]) -> list[float]:
        """What to add to the parameters, for ascent."""
        return [self.eta * g for g in gradient]


@stateful
class RMSprop:
    """Step eta g / (sqrt(s) + eps) with s = alpha s + (1 - alpha) g^2 (Tieleman and Hinton, 2012).

    Args:
        eta: learning rate.
        alpha: how much of the running mean square is kept.
        momentum: how much of the previous step is kept.
        eps: keeps the quotient finite.
    """

    def __init__(
        self, eta: float = 0.01, alpha: float = 0.99, momentum: float = 0.0, eps: float = 1e-8
    ) -> None:
        self.eta = _check("eta", eta, 0.0)
        self.alpha = _check("alpha", alpha, 0.0, 1.0)
        self.momentum = _check("momentum", momentum, 0.0, 1.0)
        self.eps = _check("eps", eps, 0.0)
        self.square_average: list[float] = []
        self.buffer: list[float] = []

    def step(self, gradient: list[float]) -> list[float]:
        """What to add to the parameters, for ascent."""
        before = self.square_average or [0.0] * len(gradient)
        alpha, eta, eps = self.alpha, self.eta, self.eps
        rest, sqrt = 1 - alpha, math.sqrt
        averages = [alpha * s + rest * (g * g) for s, g in zip(before, gradient, strict=True)]
        self.square_average = averages
        if self.momentum == 0:
            return [eta * g / (sqrt(s) + eps) for g, s in zip(gradient, averages, strict=True)]
        kept = self.buffer or [0.0] * len(gradient)
        self.buffer = [
            self.momentum * b + g / (math.sqrt(s) + self.eps)
            for b, g, s in zip(kept, gradient, self.square_average, strict=True)
        ]
        return [self.eta * b for b in self.buffer]
