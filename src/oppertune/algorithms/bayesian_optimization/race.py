"""Telling the best few apart: near the end of a budget repeating is worth more than exploring."""

from __future__ import annotations

import numpy as np

from oppertune.models.inputs import Array
from oppertune.models.surrogate import View

SHARE = 0.05
"""So much of the budget, the last of it, goes to the race; an eighth cost more than it told apart."""

_LEAST = 2

_RUNNERS = 8
_DRAWS = 400


def laps(budget: int | None) -> int:
    """How many measurements the race has; none where there is no end in sight, or where it is too near."""
    share = 0 if budget is None else int(SHARE * budget)
    return share if share >= _LEAST else 0


def worth_repeating(view: View, measured: Array, lap: int, rng: np.random.Generator) -> Array:
    """The leader and whoever is likeliest to be ahead of it, in turns, so that drift hits both alike.

    Top-two sampling (Russo, "Simple Bayesian algorithms for best-arm identification", 2020) among the rows of
    the highest posterior means; the challenger is drawn from the posterior probability of being the best.

    Args:
        view: the model.
        measured: distinct rows.
        lap: counts the calls.
        rng: source of the draw.
    """
    means = view.mean(measured)
    runners = measured[np.argsort(-means, kind="stable")[:_RUNNERS]]
    if lap % 2 == 0 or len(runners) == 1:
        leader: Array = runners[0]
        return leader
    drawn = view.posterior.sample(view.columns(runners), _DRAWS, rng)
    wins = np.bincount(drawn.argmax(1), minlength=len(runners))
    wins[0] = 0
    challenger: Array = runners[1 if not wins.any() else int(rng.choice(len(runners), p=wins / wins.sum()))]
    return challenger
