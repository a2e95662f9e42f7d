"""Where to look for the best next measurement: everywhere, around what is good, and next to it."""

from __future__ import annotations

import numpy as np

from oppertune.core.encoding import to_unit
from oppertune.core.space import Space
from oppertune.core.values import Categorical
from oppertune.models.inputs import Array, Inputs

_DRAWS = 100
_FEW = 16
"""Columns of up to so many values are tried value by value."""


def fill_space(inputs: Inputs, space: Space, taken: Array, rng: np.random.Generator) -> Array:
    """Of some random rows the one furthest from all taken ones (maximin; Johnson, Moore, Ylvisaker, 1990).

    A category that differs counts as half the range of a number.
    """
    drawn = inputs.admitted(space, inputs.draw(rng, _DRAWS))
    if not len(taken):
        first: Array = drawn[0]
        return first
    gaps = np.abs(drawn[:, None, :] - taken[None, :, :])
    gaps = np.where(inputs.is_category, 0.5 * (gaps > 1e-9), gaps)
    row: Array = drawn[int((gaps**2).sum(2).min(1).argmax())]
    return row


def perturbed(
    inputs: Inputs, centres: Array, widths: Array, n: int, share: float, rng: np.random.Generator
) -> Array:
    """``n`` rows around each centre, each with a random few of its columns moved.

    Moving a few columns at a time keeps what is good in the others (Regis and Shoemaker, "Combining radial
    basis function surrogates and dynamic coordinate search", 2013).

    Args:
        inputs: the columns.
        centres: rows to start from.
        widths: per column the standard deviation of a number's move; at least one grid step is made.
        n: rows per centre.
        share: the chance of a column to move; one moves in any case.
        rng: source of the moves.
    """
    base = np.repeat(centres, n, axis=0)
    rows, d = base.shape
    moves = rng.random((rows, d)) < share
    moves[np.arange(rows), rng.integers(d, size=rows)] = True
    steps = rng.normal(size=(rows, d)) * widths
    steps = np.where(np.abs(steps) < inputs.least, np.copysign(inputs.least, steps), steps)
    # Reflected at the bounds, where optima of clipped searches would pile up.
    moved = base + steps
    moved = np.where(moved < 0.0, np.minimum(-moved, base), moved)
    moved = np.where(moved > 1.0, np.maximum(2.0 - moved, base), moved)
    # One in ten of the longer moves ends at the bound itself, where many optima lie.
    at_bound = rng.random((rows, d)) < 0.1
    moved = np.where(at_bound & (np.abs(steps) > 0.1), (steps > 0.0).astype(np.float64), moved)
    moved = np.where(inputs.is_category, rng.random((rows, d)), moved)
    return inputs.snap(np.where(moves, moved, base))


def everything(inputs: Inputs, limit: int) -> Array | None:
    """Every row there is; None where there are more than ``limit``."""
    if inputs.combinations > limit:
        return None
    columns = [_positions(inputs, j) for j in range(len(inputs.parameters))]
    return np.stack(np.meshgrid(*columns, indexing="ij"), axis=-1).reshape(-1, len(columns))


def neighbours(inputs: Inputs, centres: Array) -> Array:
    """Rows that differ from a centre in one column: by any value of a few, else by steps of 1, 2, 4, ...

    Columns without a grid stay.
    """
    rows = [np.zeros((0, centres.shape[1]))]
    for j in range(centres.shape[1]):
        if inputs.levels[j] <= _FEW:
            moved = np.tile(_positions(inputs, j), (len(centres), 1))
        elif inputs.least[j]:
            steps = inputs.least[j] * 2.0 ** np.arange(0, np.log2(1.0 / inputs.least[j]))
            moved = np.clip(centres[:, j, None] + np.concatenate([-steps, steps]), 0.0, 1.0)
        else:
            continue
        block = np.repeat(centres, moved.shape[1], axis=0)
        block[:, j] = moved.ravel()
        rows.append(block)
    return inputs.snap(np.vstack(rows))


def _positions(inputs: Inputs, j: int) -> Array:
    """Every position of a column, in [0, 1]."""
    parameter = inputs.parameters[j]
    if isinstance(parameter, Categorical):
        return (np.arange(parameter.n_categories) + 0.5) / parameter.n_categories
    positions = [to_unit(parameter, parameter.at(i)) for i in range((parameter.steps or 0) + 1)]
    if parameter.shares is not None:
        positions += [0.5 * (start + end) for start, end, _ in parameter.shares.parts]
    return np.unique(positions)
