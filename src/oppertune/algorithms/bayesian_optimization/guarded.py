"""The search within what is known to be safe, from the default outward."""

from __future__ import annotations

import numpy as np

from oppertune.algorithms.bayesian_optimization.search import (
    CENTRES,
    LEAST_GAIN,
    LEAST_GAIN_IN_NOISE,
    best_candidate,
    best_rows,
    widths_of,
)
from oppertune.core.space import Space
from oppertune.models.acquisition import log_expected_improvement
from oppertune.models.inputs import Array, Inputs
from oppertune.models.safety import SafeRegion
from oppertune.models.surrogate import View

_OUTSIDE = 1e6
_WIDE, _FINE, _SMALL = 0.2, 0.05, 0.02


def worth_measuring_safely(
    inputs: Inputs,
    space: Space,
    region: SafeRegion,
    view: View | None,
    measured: Array,
    standing: Array,
    n: int,
    rng: np.random.Generator,
) -> Array:
    """The row of the highest log expected improvement among candidates in the safe region.

    Without a model it is the one furthest from all that was measured. Where no candidate lies inside, it is
    the one that lies outside by least: the search then waits beside what it knows.

    Args:
        inputs: the columns.
        space: what must hold; the best candidates are repaired before the last comparison.
        region: what is known to be safe.
        view: the model of rewards, in the context at hand; None while there are too few.
        measured: rows that were measured or are being measured.
        standing: distinct rows that did not fall.
        n: size of the search.
        rng: source of candidates.
    """
    means = np.zeros(len(standing)) if view is None else view.mean(standing)
    d = standing.shape[1]

    def worth(rows: Array) -> Array:
        outside, spare = region.margins(rows)
        if view is None:
            gained = np.log(_gaps(inputs, rows, measured) + 1e-9)
        else:
            goal = float(means.max()) + LEAST_GAIN + LEAST_GAIN_IN_NOISE * view.noise
            gained = log_expected_improvement(*view.predict(rows), goal)
        # A barrier: of two rows of the same promise the safer one, and none at the very edge.
        gained = gained + np.log(spare + 1e-12)
        return np.where(outside > 0.0, -_OUTSIDE * (1.0 + outside), gained)

    wide, fine = np.full(d, _WIDE), np.full(d, _FINE)
    if view is not None:
        wide, fine = widths_of(view)
    centres = best_rows(standing, means, CENTRES)
    return best_candidate(inputs, space, worth, centres, wide, fine, n, rng, _SMALL)


def _gaps(inputs: Inputs, rows: Array, taken: Array) -> Array:
    """Squared distance of each row to the nearest taken one; a category that differs is half a range."""
    gaps = np.abs(rows[:, None, :] - taken[None, :, :])
    gaps = np.where(inputs.is_category, 0.5 * (gaps > 1e-9), gaps)
    nearest: Array = (gaps**2).sum(2).min(1)
    return nearest
