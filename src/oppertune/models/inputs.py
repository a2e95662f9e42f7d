"""Configurations as rows of numbers in [0, 1], many at a time, and back onto each parameter's grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.values import Categorical, Integer, Parameter, Value

Array: TypeAlias = npt.NDArray[np.float64]


class Inputs:
    """The unit encoding of :mod:`oppertune.core.encoding`, vectorised.

    Args:
        parameters: one column each, in this order.

    Attributes:
        parameters: as given.
        sizes: per column the number of categories; 0 for numbers.
        steps: per column the number of grid steps; 0 where it is continuous, and for categories.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.sizes = np.array(
            [p.n_categories if isinstance(p, Categorical) else 0 for p in self.parameters], dtype=np.int64
        )
        steps = [0 if isinstance(p, Categorical) else p.steps or 0 for p in self.parameters]
        self.steps = np.array(steps, dtype=np.float64)

    @property
    def is_category(self) -> npt.NDArray[np.bool_]:
        """Per column whether it holds categories."""
        return self.sizes > 0

    def encode(self, configurations: Sequence[Mapping[str, Value]]) -> Array:
        """One row per configuration. Raises OppertuneError for values that are not allowed."""
        rows = [[to_unit(p, c[p.name]) for p in self.parameters] for c in configurations]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.parameters))

    def decode(self, row: Array) -> dict[str, Value]:
        """The configuration next to a row."""
        return {p.name: from_unit(p, float(u)) for p, u in zip(self.parameters, row, strict=True)}

    def snap(self, rows: Array) -> Array:
        """Rows moved to what their parameters allow; the middle of its share stands for a category."""
        snapped = np.clip(rows, 0.0, 1.0)
        for j, p in enumerate(self.parameters):
            column = snapped[:, j]
            if isinstance(p, Categorical):
                k = p.n_categories
                snapped[:, j] = (np.minimum(np.floor(column * k), k - 1) + 0.5) / k
            elif p.is_constant:
                snapped[:, j] = 0.0
            elif p.steps is None:
                continue
            elif p.log:
                span = np.log(p.max / p.min)
                step = p.step if isinstance(p, Integer) else p.step or 1.0
                whole = np.round(p.min * np.expm1(column * span) / step)
                snapped[:, j] = np.clip(np.log1p(whole * step / p.min) / span, 0.0, 1.0)
            else:
                snapped[:, j] = np.round(column * p.steps) / p.steps
        return snapped

    def neighbour_steps(self) -> Array:
        """Per column the smallest move that changes a number; 0 where it is continuous or a category.

        On logarithmic scales it is the move at the upper end, where the grid is finest.
        """
        widths = np.divide(1.0, self.steps, out=np.zeros_like(self.steps), where=self.steps > 0)
        for j, p in enumerate(self.parameters):
            if not isinstance(p, Categorical) and p.log and p.steps:
                widths[j] = np.log(p.max / (p.max - (p.step or 0.0))) / np.log(p.max / p.min)
        return widths

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        """``n`` uniform rows, on the grid."""
        return self.snap(rng.random((n, len(self.parameters))))
