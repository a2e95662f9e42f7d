"""The search where results repeat themselves exactly: what counts is the best result, and each one is new.

Spaces of options that are on or off are often like that, and two models look at them in turns: the Gaussian
process, which knows that effects add up, and a forest, which takes what the process cannot explain for
nothing in particular and so does not rule out a region's exceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from oppertune.algorithms.bayesian_optimization.candidates import everything, neighbours
from oppertune.algorithms.bayesian_optimization.search import CENTRES, best_candidate, best_rows, widths_of
from oppertune.core.space import Space
from oppertune.models.acquisition import log_expected_improvement
from oppertune.models.echoes import Echoes, distances
from oppertune.models.forest import Forest
from oppertune.models.inputs import Array, Inputs
from oppertune.models.surrogate import View

_WHOLE = 2048
"""Spaces of up to so many configurations are looked at as a whole."""
_CLIMBS = 4
_FOREST_EVERY = 3

Prediction: TypeAlias = Callable[[Array], tuple[Array, Array]]


def most_worth_trying(
    inputs: Inputs,
    space: Space,
    view: View,
    echoes: Echoes,
    measured: Array,
    taken: Array,
    n: int,
    rng: np.random.Generator,
) -> Array:
    """The row of the highest log expected improvement over the best result, among rows that are new.

    Where nothing is noise, what the model cannot explain belongs to the configuration and is what it will be
    used with: so the model's noise counts as promise, not as an error, and no gain is too small.

    Args:
        inputs: the columns.
        space: what must hold.
        view: the model.
        echoes: what repeated itself.
        measured: rows that were measured.
        taken: these, and those that are being measured.
        n: size of the search.
        rng: source of candidates.
    """
    goal = float(view.posterior.data.y.max())
    predict = _by_forest(view, rng) if len(taken) % _FOREST_EVERY == 0 else _by_process(view)

    def worth(rows: Array) -> Array:
        fresh = echoes.log_fresh(distances(rows, taken, inputs.is_category).min(1))
        chance = np.log(view.success(rows) + 1e-12) + fresh
        return log_expected_improvement(*predict(rows), goal) + chance

    whole = everything(inputs, _WHOLE)
    if whole is not None:
        rows = inputs.admitted(space, whole)
        chosen: Array = best_rows(rows, worth(rows), 1)[0]
        return chosen
    measured = np.unique(measured, axis=0)
    centres = best_rows(measured, view.mean(measured), CENTRES)
    found = best_candidate(inputs, space, worth, centres, *widths_of(view), n, rng)
    tops = np.vstack([found[None], centres])
    for _ in range(_CLIMBS):
        rows = inputs.admitted(space, np.vstack([found[None], neighbours(inputs, tops)]))
        tops = best_rows(rows, worth(rows), 1)
        if np.array_equal(tops[0], found):
            break
        found = tops[0]
    best: Array = found
    return best


def _by_process(view: View) -> Prediction:
    def predict(rows: Array) -> tuple[Array, Array]:
        mean, std = view.predict(rows)
        return mean, np.hypot(std, view.noise)

    return predict


def _by_forest(view: View, rng: np.random.Generator) -> Prediction:
    data = view.posterior.data
    forest = Forest(view.one_hot(data.X), data.y, rng)
    return lambda rows: forest.predict(view.one_hot(view.columns(rows)))
