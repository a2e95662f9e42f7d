"""Rewards of any scale, with any tails, as targets that a Gaussian likelihood can bear."""

from __future__ import annotations

import numpy as np

from oppertune.models.inputs import Array

LINEAR_BELOW, LINEAR_ABOVE = 1.0, 3.0
"""Within so many robust standard deviations of the median targets stay proportional to rewards."""

_MAD_TO_SIGMA = 1.4826


def _squash(z: Array, knee: float) -> Array:
    """Identity up to the knee, a logarithm beyond, with equal slopes where they meet."""
    return np.where(z > knee, knee + np.log1p(np.maximum(z - knee, 0.0)), z)


_DECADE = 10.0


def straightened(rewards: Array) -> Array:
    """Rewards, or costs as logarithms where they spread over decades and then look more normal.

    Costs, such as times, are rewards below zero. On their own scale all small ones are the same next to a few
    large ones; as ratios they differ. They are taken so where the likelihood of a normal distribution is
    higher (Box and Cox, "An analysis of transformations", 1964, for their exponents 1 and 0).

    Args:
        rewards: finite numbers, at least one.
    """
    if rewards.max() >= 0.0 or rewards.min() / _DECADE > rewards.max():
        return rewards
    logarithms = np.log(-rewards)
    # In units of their geometric mean the Jacobian is 1, and the smaller variance is the likelier.
    with np.errstate(over="ignore", invalid="ignore"):
        on_their_scale = np.var(np.exp(logarithms - logarithms.mean()))
    if np.var(logarithms) >= on_their_scale:
        return rewards
    straight: Array = -logarithms
    return straight


def relative(rewards: Array) -> Array:
    """Logarithms of the sizes of rewards of one sign, the better ones higher; other rewards as they are.

    Where one context earns twice what another does, gains are alike in proportion and not in size, and a
    constant per context is left of the difference.

    Args:
        rewards: finite numbers.
    """
    if np.all(rewards > 0.0):
        return np.log(rewards)
    return -np.log(-rewards) if np.all(rewards < 0.0) else rewards


def squashed(rewards: Array) -> Array:
    """Rewards standardised robustly, their tails pulled in, with mean 0 and variance 1.

    z = (r - median) / spread, then z -> k + log(1 + z - k) beyond the knees k, so that a failure at 2 % of
    the rest or a freak measurement keeps its rank but does not set the scale. The spread is the largest of
    1.4826 MAD and what the outer deciles and twentieths say; where most rewards are one number it is the
    standard deviation, and where that is 0 all targets are 0. Scaling all rewards by a power of two changes
    nothing, not even by rounding.

    Args:
        rewards: finite numbers, at least one.
    """
    # A power of two first, so that differences of huge rewards stay finite and nothing is rounded.
    exponent = int(np.frexp(np.max(np.abs(rewards)))[1])
    r = np.ldexp(rewards, -exponent)
    r = r - np.median(r)
    # A search that has settled fills the middle with one neighbourhood, whose spread is only noise.
    q = np.quantile(r, (0.05, 0.1, 0.9, 0.95))
    spread = max(
        _MAD_TO_SIGMA * float(np.median(np.abs(r))), float(q[2] - q[1]) / 2.56, float(q[3] - q[0]) / 4.0
    )
    if spread <= 1e-9 * float(np.max(np.abs(r))):
        spread = float(np.std(r))
    if spread <= 1e-14:
        return np.zeros(len(rewards))
    z = r / spread
    z = _squash(-_squash(-z, LINEAR_BELOW), LINEAR_ABOVE)
    z -= z.mean()
    result: Array = z / z.std()
    return result
