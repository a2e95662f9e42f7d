"""Whether one arm of a randomised experiment beats the others, exactly, whatever the noise looks like.

The argument, in the order of the code:

1. *Randomisation is the model* (Fisher 1935; Ernst 2004). Each round runs its arms in an order that we
   drew. If the first arm's configuration changes nothing, its label could have stuck to any run of the
   round, each with equal chance, independently between rounds. No distribution of the noise is assumed:
   heavy tails, two modes, drift and steps between rounds are all covered.
2. *Scores.* A run's score is the sum of its clipped differences from the other runs of its round (Huber's
   psi, 1964, on aligned observations as in Hodges and Lehmann 1962): the round's own level cancels, and one
   wild run counts as little as one that is merely far off. The clip is set from all runs of all rounds
   without looking at labels, so exchanging labels only exchanges scores and step 1 stays exact.
3. *The p-value is computed, not simulated.* Scores are whole numbers, so the distribution of their sum over
   all relabellings is a product of small polynomials (Streitberg and Roehmel 1986): no Monte Carlo error,
   no seed, and the work grows with the rounds, not with ``3 ** rounds``.
4. *The interval inverts the test.* An effect is inside when the values, with it taken out of the first arm,
   do not reject. With the clip held still each p-value is monotone in the effect, because for every
   relabelling the gap between the observed and the relabelled sum is; so the set is an interval. The clip
   does move a little with the effect; a claim therefore also asks for the test of zero itself.

Rows are rounds; column 0 is the arm in question; more is better. Effects are added, so callers pass logs.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Scores = NDArray[np.int64]

CLIP = 1.25
"""Differences count in full up to so many median differences. Measured with 20 rounds: 0.75 finds a gain
under two-mode noise in 63 % where this finds 46 %, 2 under Gaussian noise in 76 % where this finds 73 %."""

STEPS = 64
"""A clipped difference in whole steps; rounding the scores ignores labels and so costs no exactness."""

TOLERANCE = 0.01
"""Ends of intervals are found to this share of the clip's width, and rounded outwards."""

_NORMAL = NormalDist()


def clip_width(values: Values) -> float:
    """Where differences within a round stop counting more: label-free, 0.0 when no two runs differ."""
    arms = values.shape[1]
    pairs = [values[:, i] - values[:, j] for i in range(arms) for j in range(i)]
    distances = np.abs(np.concatenate(pairs))
    distances = distances[distances > 0.0]  # ties say nothing about scale; a coarse clock gives many
    middle = distances.size // 2  # the upper of two medians
    return CLIP * float(np.partition(distances, middle)[middle]) if distances.size else 0.0


def scores(values: Values) -> Scores:
    """Each run's clipped differences from the other runs of its round, summed, in whole steps."""
    width = clip_width(values)
    if width == 0.0:
        return np.zeros(values.shape, dtype=np.int64)
    differences = np.clip((values[:, :, None] - values[:, None, :]) / width, -1.0, 1.0)
    scored: Scores = np.rint(differences.sum(axis=2) * STEPS).astype(np.int64)
    return scored


def tails(scored: Scores) -> tuple[float, float]:
    """Chance under relabelling of a sum at least, and at most, as high as column 0's.

    The polynomial of one round has the term ``x ** score`` for each of its runs; the product over rounds
    counts the relabellings by their sum.
    """
    lifted = scored - scored.min(axis=1, keepdims=True)
    chances = np.ones(1)
    for row in lifted.tolist():
        longer = np.zeros(len(chances) + max(row))
        for score in row:
            longer[score : score + len(chances)] += chances
        chances = longer / len(row)
    observed = int(lifted[:, 0].sum())
    return float(chances[observed:].sum()), float(chances[: observed + 1].sum())


def p_values(values: Values, effect: float = 0.0) -> tuple[float, float]:
    """One-sided p-values of "the first arm gains at most ``effect``" and "at least ``effect``"."""
    return tails(scores(_without(values, effect)))


def estimate(values: Values) -> float:
    """Huber's location of the first arm's differences from the others, by reweighting."""
    differences = (values[:, :1] - values[:, 1:]).ravel()
    centre = float(np.median(differences))
    width = clip_width(_without(values, centre))
    if width == 0.0:
        return centre
    for _ in range(30):
        weights = width / np.maximum(np.abs(differences - centre), width)
        step = float(np.dot(weights, differences - centre)) / float(weights.sum())
        centre += step
        if abs(step) <= 1e-4 * width:
            break
    return centre


def interval(values: Values, level: float) -> tuple[float, float] | None:
    """Effects that are not rejected at one-sided ``level``; None where too few rounds can reject any.

    The ends are always finite: with an effect below every gap between the first arm and the best of the
    rest taken out, the first arm is on top in every round, which is the strongest rejection there is.
    """
    rounds, arms = values.shape
    if float(arms) ** -rounds > level:
        return None
    centre = estimate(values)
    width = clip_width(_without(values, centre))
    if width == 0.0:  # nothing varies but by the effect
        return centre, centre
    low = _crossing(lambda effect: p_values(values, effect)[0], level, centre, width)
    high = -_crossing(lambda effect: p_values(values, -effect)[1], level, -centre, width)
    return low, high


def _without(values: Values, effect: float) -> Values:
    """The values as they would be had the first arm gained nothing."""
    return np.concatenate((values[:, :1] - effect, values[:, 1:]), axis=1)


def _crossing(p_value: Callable[[float], float], level: float, accept: float, width: float) -> float:
    """The largest effect found below ``accept`` that is rejected.

    Steps that double until one is rejected; then regula falsi on the normal quantile of the p-value, which
    is nearly straight in the effect, with every third step halving because a p-value is a staircase. Zero
    is tried first where it lies between: an interval excludes zero only if the test of no effect rejects.
    """
    target = _NORMAL.inv_cdf(level)
    z_accept, step = 0.0, width
    while (found := p_value(reject := accept - step)) > level:
        accept, z_accept = reject, _quantile(found)
        step *= 2.0
    z_reject = _quantile(found)
    effect = 0.0 if reject < 0.0 < accept else (accept + reject) / 2.0
    for turn in range(1, 60):
        if accept - reject <= TOLERANCE * width:
            break
        found = p_value(effect)
        if found <= level:
            reject, z_reject = effect, _quantile(found)
        else:
            accept, z_accept = effect, _quantile(found)
        slope = z_accept - z_reject
        share = (target - z_reject) / slope if turn % 3 and slope > 0.0 else 0.5
        effect = reject + min(max(share, 0.05), 0.95) * (accept - reject)
    return reject


def _quantile(p: float) -> float:
    return _NORMAL.inv_cdf(min(max(p, 1e-12), 1.0 - 1e-12))
