"""Names at the ends of lines instead of a legend: the eye need not go back and forth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def apart(places: Sequence[float], least: float) -> list[float]:
    """The places moved as little as it takes that neighbours are so far from each other.

    Those that would overlap form a block around their mean; blocks that meet become one.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    blocks: list[list[int]] = []
    for index in order:
        blocks.append([index])
        while len(blocks) > 1 and _end(places, blocks[-2], least) > _start(places, blocks[-1], least):
            last = blocks.pop()
            blocks[-1] += last
    found = [0.0] * len(places)
    for block in blocks:
        for step, index in enumerate(block):
            found[index] = _start(places, block, least) + step * least
    return found


def _start(places: Sequence[float], block: Sequence[int], least: float) -> float:
    return math.fsum(places[index] for index in block) / len(block) - (len(block) - 1) * least / 2.0


def _end(places: Sequence[float], block: Sequence[int], least: float) -> float:
    """Where the next block may start."""
    return _start(places, block, least) + len(block) * least


def at_the_ends(axes: Any, ends: Sequence[tuple[float, float, str, str]], size: float = 8.0) -> None:
    """Write names to the right of where lines end; y is logarithmic, place and limits of the axes are set.

    Args:
        axes: where the lines are.
        ends: x, y, name and colour of each.
        size: of the letters, in points.
    """
    low, high = (math.log(limit) for limit in axes.get_ylim())
    points = 72.0 * axes.figure.get_size_inches()[1] * axes.get_position().height / (high - low)
    moved = apart([math.log(y) for _, y, _, _ in ends], 1.15 * size / points)
    for (x, y, name, colour), place in zip(ends, moved, strict=True):
        axes.annotate(
            name, (x, y), (10.0, (place - math.log(y)) * points), textcoords="offset points", color=colour,
            fontsize=size, va="center", annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "linewidth": 0.5, "relpos": (0.0, 0.5), "shrinkA": 1,
                "shrinkB": 1,
            },
        )  # fmt: skip
