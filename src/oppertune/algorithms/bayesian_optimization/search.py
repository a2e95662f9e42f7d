"""The search for the configuration that is worth measuring next, over a model and never on the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from oppertune.algorithms.bayesian_optimization.candidates import perturbed
from oppertune.core.space import Space
from oppertune.models.acquisition import log_expected_improvement
from oppertune.models.costs import Prices
from oppertune.models.inputs import Array, Inputs
from oppertune.models.surrogate import View

CENTRES = 4
_COLUMNS_MOVED = 3.0
_REPAIRED = 40
_CAUTION, _MORE_PER_FALL = 1.5, 2.0
"""A fall teaches less than a measurement of the same promise, so it counts more than its probability; and the
classifier was too hopeful where some of the latest measurements fell."""
_UNSAFE = 10.0
LEAST_GAIN, LEAST_GAIN_IN_NOISE = 0.1, 0.5


def most_worth_measuring(
    inputs: Inputs,
    space: Space,
    view: View,
    measured: Array,
    n: int,
    rng: np.random.Generator,
    recent_falls: int = 0,
    prices: Prices | None = None,
) -> Array:
    """The row of the highest log expected improvement among about ``n`` candidates.

    A quarter of them are drawn from everywhere, a quarter within half a length scale of the best measured
    ones, a quarter within a tenth; the last quarter surrounds the best of these. What is to be improved on is
    the highest posterior mean among measured rows, since rewards are noisy, and by a tenth of the targets'
    standard deviation and half of the noise's: gains that no measurement could show would keep the search
    where it is. One of many contexts has too few measurements to aim that far, and what the others show
    keeps it from settling early.

    Args:
        inputs: the columns.
        space: what must hold; the best candidates are repaired before the last comparison.
        view: the model, in the context at hand.
        measured: rows that were measured, in any context.
        n: size of the search.
        rng: source of candidates.
        recent_falls: how many of the latest ten measurements fell off a cliff.
        prices: of rows, where measurements differ in what they cost.
    """
    caution = _CAUTION * _MORE_PER_FALL**recent_falls
    measured = np.unique(measured, axis=0)
    # Beyond a cliff the mean is an extrapolation.
    means = view.mean(measured) - _UNSAFE * np.maximum(0.5 - view.success(measured), 0.0)
    centres = best_rows(measured, means, CENTRES)
    goal = float(means.max())
    if not view.is_one_of_many:
        goal += LEAST_GAIN + LEAST_GAIN_IN_NOISE * view.noise

    def worth(rows: Array) -> Array:
        chance = np.log(view.success(rows) + 1e-12)
        promise = log_expected_improvement(*view.predict(rows), goal) + caution * chance
        return promise if prices is None else promise - prices.logarithms(rows)

    return best_candidate(inputs, space, worth, centres, *widths_of(view), n, rng, prices=prices)


def widths_of(view: View) -> tuple[Array, Array]:
    """How far a search moves numbers, coarsely and finely, by the model's length scales."""
    return np.clip(0.5 * view.lengths, 0.05, 0.3), np.clip(0.1 * view.lengths, 0.01, 0.05)


def best_candidate(
    inputs: Inputs,
    space: Space,
    worth: Callable[[Array], Array],
    centres: Array,
    wide: Array,
    fine: Array,
    n: int,
    rng: np.random.Generator,
    beside: float | None = None,
    prices: Prices | None = None,
) -> Array:
    """The row of the highest worth among candidates from everywhere, around centres, and around the best.

    Args:
        inputs: the columns.
        space: what must hold.
        worth: of rows.
        centres: where to look closely.
        wide, fine: per column the standard deviations of moves.
        n: about so many candidates.
        rng: source of candidates.
        beside: standard deviation of small moves of all columns at once, if such candidates are wanted too.
        prices: if given, each candidate has a cheaper twin.
    """
    d = centres.shape[1]
    share = min(1.0, _COLUMNS_MOVED / d)
    k = max(1, n // (4 * len(centres)))
    near = [perturbed(inputs, centres, widths, k, share, rng) for widths in (wide, fine)]
    if beside is not None:
        near.append(perturbed(inputs, centres, np.full(d, beside), max(1, k // 2), 1.0, rng))
    rows = np.vstack([inputs.draw(rng, max(1, n // 4)), *near])
    if prices is not None:
        rows = np.vstack([rows, prices.cheaper(rows, rng)])
    values = worth(rows)
    for widths in (0.5 * wide, fine):
        tops = best_rows(rows, values, CENTRES)
        more = perturbed(inputs, tops, widths, max(1, n // (8 * CENTRES)), share, rng)
        rows, values = np.vstack([rows, more]), np.concatenate([values, worth(more)])
    if space.is_restricted:
        rows = inputs.admitted(space, best_rows(rows, values, _REPAIRED))
        values = worth(rows)
    chosen: Array = best_rows(rows, values, 1)[0]
    return chosen


def best_rows(rows: Array, values: Array, n: int) -> Array:
    """The rows of the highest values; the earlier of equals first."""
    best: Array = rows[np.argsort(-values, kind="stable")[:n]]
    return best
