"""Where limits may lie: sums of parameters that must not grow too large, known by what stood and what fell.

What fell off a cliff lies beyond a limit (of memory, of connections), that is in a half-space. Half-spaces
that contradict no measurement form a cone. They are drawn from it by elliptical slice sampling, whose slices
are intervals in closed form (Gessner, Kanjilal and Hennig, "Integrals over Gaussians under linear domain
constraints", AISTATS 2020), and the risk of a row is the share of them that contain it. There is no risk
between rows that stood, little beyond them in directions that were tried, and more with every step aside.
"""

from __future__ import annotations

import numpy as np

from oppertune.models.inputs import Array, Inputs
from oppertune.models.kernels import MixedKernel, squared_distances

STEEPNESS = 1.4
"""Standard deviation of a limit's slope over the whole space, in units of the room that home has before it: a
limit lies between home and a corner of the space with a probability of arctan(0.7) / pi, a fifth."""

_CATEGORY = 0.15
"""A category that differs counts as half the range of a number: two columns of a one-hot code change."""

_FALLS = 8
_CHAINS, _SWEEPS = 64, 48


class Limits:
    """Half-spaces that agree with all that stood and fell: one that nothing fell into yet, and one per fall.

    Args:
        inputs: what rows mean.
        home: the row of the parameters' own values.
        stood: rows that did not fall.
        fell: rows that did, oldest first; the newest eight have half-spaces of their own.
    """

    def __init__(self, inputs: Inputs, home: Array, stood: Array, fell: Array) -> None:
        self._inputs = inputs
        self._split = MixedKernel(inputs.feature_sizes).split
        self._home = self._places(home[None, :])
        self._stood = self._places(stood)
        self._fell = self._places(fell) if len(fell) else np.zeros((0, self._home.shape[1]))
        # Of its own, so that the same measurements always mean the same risk.
        rng = np.random.default_rng(0)
        kept = np.hstack([np.ones((len(stood), 1)), self._stood - self._home])
        scales = np.full(kept.shape[1], STEEPNESS / len(inputs.parameters) ** 0.5)
        scales[0] = 1.0
        unseen = np.zeros(kept.shape[1])
        unseen[0] = 1.0
        self._drawn = [_draw(np.vstack([kept, unseen]), unseen, scales, rng)]
        for fall in self._fell[-_FALLS:]:
            start = self._between(fall)
            if start is not None:
                beyond = -np.concatenate([[1.0], fall - self._home[0]])
                self._drawn.append(_draw(np.vstack([kept, beyond]), start, scales, rng))

    def risk(self, rows: Array) -> Array:
        """Per row the probability that it lies beyond the likeliest limit.

        It is 1 next to a fall, nearer than to anything that stood, also where no half-space explains that.
        """
        places = self._places(rows)
        columns = np.hstack([np.ones((len(rows), 1)), places - self._home]).T
        risk: Array = np.max([(drawn @ columns < 0.0).mean(0) for drawn in self._drawn], axis=0)
        if len(self._fell):
            nearest = squared_distances(places, self._stood).min(1)
            risk = np.where(squared_distances(places, self._fell).min(1) < nearest, 1.0, risk)
        return risk

    def _places(self, rows: Array) -> Array:
        numbers, categories = self._split(self._inputs.features(rows))
        return np.hstack([numbers, _CATEGORY * categories])

    def _between(self, fall: Array) -> Array | None:
        """A half-space between a fall and all that stood: halfway to the nearest mixture of what stood."""
        from scipy.optimize import nnls

        towards = (self._stood - fall).T
        weight = 10.0  # of the condition that shares sum to one
        system = np.vstack([towards, np.full(towards.shape[1], weight)])
        try:
            shares, _ = nnls(system, np.append(np.zeros(len(towards)), weight))
        except RuntimeError:  # scipy's word for too many iterations
            return None
        slope: Array = towards @ (shares / shares.sum())
        room = float((slope @ towards).min())
        if room <= 1e-9:
            return None
        return np.concatenate([[float(slope @ (self._home[0] - fall)) - 0.5 * room], slope])


def _draw(kept: Array, start: Array, scales: Array, rng: np.random.Generator) -> Array:
    """Vectors v ~ N(0, scales^2) with ``kept @ v`` above 0, some 1,500, not independent.

    Every sweep moves all chains on an ellipse through where they are and a fresh draw. A condition holds on
    half of an ellipse, so all of them hold on an interval, of which any point will do.
    """
    v = np.tile(start, (_CHAINS, 1))
    drawn = []
    for sweep in range(_SWEEPS):
        other = rng.normal(size=v.shape) * scales
        slopes = (other @ kept.T) / np.maximum(v @ kept.T, 1e-12)  # tangents of the middles of these halves
        low, high = np.arctan(slopes.max(1)) - 0.5 * np.pi, np.arctan(slopes.min(1)) + 0.5 * np.pi
        angle = (low + (high - low) * rng.random(_CHAINS))[:, None]
        v = v * np.cos(angle) + other * np.sin(angle)
        if 2 * sweep >= _SWEEPS:
            drawn.append(v)
    return np.vstack(drawn)
