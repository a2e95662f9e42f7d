"""Tables of measured configurations as spaces to search, with the published protocol of searching them.

One rule for every column and every algorithm: an option is an integer, the position of its value among the
column's distinct values in ascending order. A suggestion is measured as its nearest row, by the sum of the
differences after each column is scaled to [0, 1]. Columns with one value are no options.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from oppertune.core.values import Integer, Value
from peers.players import player

HIGHER_IS_BETTER = frozenset({"redis"})
"""Of the published tables; the others have times."""
CHECKPOINTS = (20, 50, 100)
MOST_ROUNDS = 400
"""A player whose suggestions keep meaning rows that it has is stopped after so many and keeps its gap."""

Array = npt.NDArray[np.float64]


class Table:
    """One measured table.

    Of configurations that were measured more than once the largest value counts, as in the published code.

    Args:
        path: a CSV file with one row per configuration, the measured value last.
        higher: whether more is better.
    """

    def __init__(self, path: Path, higher: bool | None = None) -> None:
        self.name = path.stem
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        numbers = np.array(rows, dtype=np.float64)
        keep = np.ptp(numbers[:, :-1], axis=0) > 0
        names = [name for name, kept in zip(header, keep, strict=False) if kept]
        self._sign = 1.0 if (self.name in HIGHER_IS_BETTER if higher is None else higher) else -1.0
        self.median = float(np.median(numbers[:, -1]))
        numbers = numbers[np.argsort(numbers[:, -1], kind="stable")]
        options = numbers[:, :-1][:, keep]
        self._levels = [np.unique(column) for column in options.T]
        low, span = options.min(axis=0), np.ptp(options, axis=0)
        self._scaled_levels = [
            (levels - a) / width for levels, a, width in zip(self._levels, low, span, strict=True)
        ]
        self._rows: Array = (options - low) / span
        self.values: Array = numbers[:, -1]
        self._row_of = {row.tobytes(): i for i, row in enumerate(self._rows)}  # the last of equals stays
        self.best = float(max(self.values * self._sign) * self._sign)
        self.names = tuple(names)

    def parameters(self, start: int) -> list[Integer]:
        """The options; the configuration of the given row is the default."""
        return [
            Integer(name, val=int(np.searchsorted(levels, self._rows[start, i])), min=0, max=len(levels) - 1)
            for i, (name, levels) in enumerate(zip(self.names, self._scaled_levels, strict=True))
        ]

    def nearest(self, values: dict[str, Value]) -> int:
        """The row that stands for a configuration; the one of the smallest value where two are as near."""
        point = np.array(
            [levels[int(values[name])] for name, levels in zip(self.names, self._scaled_levels, strict=True)]
        )
        exact = self._row_of.get(point.tobytes())
        if exact is not None:
            return exact
        nearest = int(np.argmin(np.abs(self._rows - point).sum(axis=1)))
        return self._row_of[self._rows[nearest].tobytes()]

    def reward(self, row: int) -> float:
        return self._sign * float(self.values[row])

    def gap(self, row: int) -> float:
        """In percent: 0 at the optimum, 100 at the median."""
        return 100.0 * (float(self.values[row]) - self.best) / (self.median - self.best)


def search(table: Table, name: str, seed: int) -> dict[str, Any]:
    """One run of a player by its name: the smallest gap after so many distinct rows.

    The default configuration is a row drawn by the seed, the same for every player; what else is tried at the
    start is the player's business, and counts.
    """
    rng = np.random.default_rng(seed)
    start = int(rng.integers(len(table.values)))
    made = player(name, table.parameters(start), seed, CHECKPOINTS[-1])
    seen: set[int] = set()
    gaps: dict[str, float] = {}
    gap, rounds, begun = float("inf"), 0, time.process_time()
    while len(seen) < CHECKPOINTS[-1] and rounds < MOST_ROUNDS:
        row = table.nearest(made.ask())
        made.tell(table.reward(row))
        rounds += 1
        gap = min(gap, table.gap(row))
        seen.add(row)
        if len(seen) in CHECKPOINTS:
            gaps.setdefault(str(len(seen)), gap)
    for count in CHECKPOINTS:
        gaps.setdefault(str(count), gap)
    cpu = (time.process_time() - begun) / rounds
    return {
        "player": name,
        "table": table.name,
        "seed": seed,
        "gaps": gaps,
        "rounds": rounds,
        "distinct": len(seen),
        "cpu": cpu,
    }
