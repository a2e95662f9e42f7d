"""Configurations as rows of numbers in [0, 1], many at a time, and back onto each parameter's grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value

Array: TypeAlias = npt.NDArray[np.float64]


class Inputs:
    """The unit encoding of :mod:`oppertune.core.encoding`, vectorised.

    Args:
        parameters: one column each, in this order.

    Attributes:
        parameters: as given.
        sizes: per column the number of categories; 0 for numbers.
        is_category: per column whether it holds categories.
        least: per column the smallest move that may change a number; 0 where it is continuous or a category.
            On logarithmic scales that is the move at the upper end, where the grid is finest.
        levels: per column how many values there are; infinitely many without a grid.
        combinations: of all columns.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.sizes = np.array(
            [p.n_categories if isinstance(p, Categorical) else 0 for p in self.parameters], dtype=np.int64
        )
        self.is_category = self.sizes > 0
        self.least = np.array([_least_move(p) for p in self.parameters])
        self.levels = np.array([_levels(p) for p in self.parameters])
        self.combinations = float(np.prod(self.levels))
        self._special = [
            (j, p.shares)
            for j, p in enumerate(self.parameters)
            if not isinstance(p, Categorical) and p.shares is not None
        ]
        extra = [len(shares.parts) + 1 for _, shares in self._special]
        self.feature_sizes = np.concatenate([self.sizes, np.array(extra, dtype=np.int64)])
        self.feature_names = [p.name for p in self.parameters]
        self.feature_names += [f"{self.parameters[j].name}, special" for j, _ in self._special]

    def encode(self, configurations: Sequence[Mapping[str, Value]]) -> Array:
        """One row per configuration. Raises OppertuneError for values that are not allowed."""
        rows = [[to_unit(p, c[p.name]) for p in self.parameters] for c in configurations]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.parameters))

    def decode(self, row: Array) -> dict[str, Value]:
        """The configuration next to a row."""
        return {p.name: from_unit(p, float(u)) for p, u in zip(self.parameters, row, strict=True)}

    def snap(self, rows: Array) -> Array:
        """Rows moved to what their parameters allow; the middle of its share stands for a category or a
        special value.
        """
        snapped = np.clip(rows, 0.0, 1.0)
        for j, p in enumerate(self.parameters):
            u = snapped[:, j]
            if isinstance(p, Categorical):
                snapped[:, j] = (np.minimum(np.floor(u * p.n_categories), p.n_categories - 1) + 0.5) / (
                    p.n_categories
                )
            elif p.shares is None:
                snapped[:, j] = _snap_to_range(p, u)
            else:
                low, high = p.shares.low, p.shares.high
                inside = _snap_to_range(p, np.clip((u - low) / (high - low), 0.0, 1.0))
                column = low + (high - low) * inside
                for start, end, value in p.shares.parts:
                    beside = (u < low) if start < low else (u > high)
                    own = beside & (u >= start) & ((u < end) | (end == 1.0))
                    if p.min <= value <= p.max:  # in the range as well, and still special there
                        own |= ~beside & (np.abs(inside - _position(p, value)) < 1e-12)
                    column = np.where(own, 0.5 * (start + end), column)
                snapped[:, j] = column
        return snapped

    def features(self, rows: Array) -> Array:
        """Rows as a model sees them: a special value is a category of its own, not a number beside others.

        For each parameter with special values a column is added that says which of them it has, if any; the
        number then counts as the middle of its range.
        """
        if not self._special:
            return rows
        columns = [rows.copy()]
        for j, shares in self._special:
            u = rows[:, j]
            which = np.zeros(len(u))
            for k, (start, end, _) in enumerate(shares.parts):
                which = np.where(np.abs(u - 0.5 * (start + end)) < 1e-9, k + 1.0, which)
            inside = np.clip((u - shares.low) / (shares.high - shares.low), 0.0, 1.0)
            columns[0][:, j] = np.where(which > 0.0, 0.5, inside)
            columns.append(((which + 0.5) / (len(shares.parts) + 1))[:, None])
        return np.hstack(columns)

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """``n`` uniform rows, on the grid."""
        return self.snap(rng.random((n, len(self.parameters))))

    def admitted(self, space: Space, rows: Array) -> Array:
        """Rows repaired so that what holds in the space holds in them."""
        if not space.is_restricted:
            return rows
        fixed = space.defaults
        return self.encode([space.admit({**fixed, **self.decode(row)}) for row in rows])


def _least_move(p: Parameter) -> float:
    if isinstance(p, Categorical) or not p.steps:
        return 0.0
    share = 1.0 if p.shares is None else p.shares.high - p.shares.low
    if p.log:
        below = p.max - (p.step or 0.0)
        return share * float(np.log(p.max / below) / np.log(p.max / p.min))
    return share / p.steps


def _levels(p: Parameter) -> float:
    if isinstance(p, Categorical):
        return p.n_categories
    ranged = np.inf if p.steps is None else p.steps + 1.0
    return ranged if p.shares is None else ranged + len(p.shares.parts)


def _position(p: Integer | Real, value: float) -> float:
    if p.min == p.max:
        return 0.0
    if p.log:
        return float(np.log(value / p.min) / np.log(p.max / p.min))
    return float((value - p.min) / (p.max - p.min))


def _snap_to_range(p: Integer | Real, u: Array) -> Array:
    """Positions in a parameter's range, moved onto its grid."""
    if p.min == p.max:
        return np.zeros_like(u)
    if not p.steps:
        return u
    if not p.log:
        return np.round(u * p.steps) / p.steps
    span = float(np.log(p.max / p.min))
    step = float(p.step or 1.0)
    whole = np.round(p.min * np.expm1(u * span) / step)
    snapped: Array = np.clip(np.log1p(whole * step / p.min) / span, 0.0, 1.0)
    return snapped
