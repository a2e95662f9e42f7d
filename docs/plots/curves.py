"""Learning curves over seeds, drawn the same way in every plot.

Worlds draw from seeds of their own: with the seed of the algorithm ``uniform_random`` would guess the world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

COLOURS = ("#0b5fa5", "#d1495b", "#2e8b57", "#7a4fa3", "#6f6f6f")
"""Legible on white; grey is the last one, for what the others are compared with."""


def band(axes: Any, x: Sequence[float], runs: Array, label: str, colour: str) -> None:
    """The median over seeds, and the middle half of them.

    Args:
        axes: where to draw.
        x: rounds.
        runs: one row per seed, shape (seeds, len(x)).
        label: for the legend.
        colour: of line and band.
    """
    low, middle, high = np.quantile(runs, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(x, middle, color=colour, label=label)


def bands(axes: Any, x: Sequence[float], runs: Mapping[str, Array]) -> None:
    """One band for each name; the last one is grey."""
    colours = [*COLOURS[: len(runs) - 1], COLOURS[-1]]
    for colour, (label, rows) in zip(colours, runs.items(), strict=True):
        band(axes, x, rows, label, colour)
    axes.set_xlim(left=0)


def averaged(rewards: Array, width: int) -> Array:
    """Means over blocks of ``width`` rounds, shape (seeds, rounds // width)."""
    seeds, rounds = rewards.shape
    blocks: Array = rewards[:, : rounds - rounds % width].reshape(seeds, -1, width).mean(2)
    return blocks
