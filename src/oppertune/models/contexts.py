"""Contexts of any make as columns of a kernel, so that what is learnt in one helps in those like it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from oppertune.models.inputs import Array

MAX_FEATURES = 20

ContextData = Mapping[str, Any] | None


class ContextColumns(NamedTuple):
    """Encoded contexts.

    Attributes:
        names: of the columns, telling numbers and categories apart.
        sizes: per column the number of categories, 0 for numbers.
        rows: one per context.
    """

    names: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    rows: Array


def encode_contexts(contexts: Sequence[ContextData]) -> ContextColumns:
    """One column per feature that differs somewhere; numbers are scaled to the range seen.

    A feature is a number if it is one wherever it is present, and counts as the middle of its range where it
    is not; everything else is a category, absence included. Only the first twenty features by name are used.
    """
    names: list[str] = []
    sizes: list[int] = []
    columns: list[Array] = []
    features = sorted({name for context in contexts if context for name in context})
    for feature in features[:MAX_FEATURES]:
        values = [None if context is None else context.get(feature) for context in contexts]
        column, size = _column(values)
        if column.min() < column.max():
            names.append(f"{feature}:{'category' if size else 'number'}")
            sizes.append(size)
            columns.append(column)
    rows = np.array(columns).T if columns else np.zeros((len(contexts), 0))
    return ContextColumns(tuple(names), np.array(sizes, dtype=np.int64), rows)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _column(values: Sequence[object]) -> tuple[Array, int]:
    present = [value for value in values if value is not None]
    if all(_is_number(value) for value in present):
        numbers = np.array([np.nan if value is None else float(value) for value in values])  # type: ignore[arg-type]
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        # In halves, since the distance of two finite numbers may be infinite.
        scaled = (numbers / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)
        return np.nan_to_num(scaled, nan=0.5), 0
    texts = [json.dumps(value, sort_keys=True) for value in values]
    code = {text: i for i, text in enumerate(sorted(set(texts)))}
    codes = np.array([code[text] for text in texts], dtype=np.float64)
    return (codes + 0.5) / len(code), len(code)
