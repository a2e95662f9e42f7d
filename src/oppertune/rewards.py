"""Small functions from which a reward is put together: more is better, and about [0, 1] is a good scale.

They are plain functions of numbers, to be nested::

    def reward(metrics):
        speed = normalise(metrics.throughput, worst=0.0, best=1500.0)
        delay = normalise(metrics.latency, worst=0.2, best=0.0)
        both = weight({"speed": speed, "delay": delay}, {"speed": 3, "delay": 1})
        return clip(penalise(both, metrics.error_rate))
"""

from __future__ import annotations

from collections.abc import Mapping

from oppertune.core.requests import checked_reward
from oppertune.errors import InvalidArgumentError

__all__ = ("clip", "normalise", "normalize", "penalise", "penalise_above", "penalize", "weight")


def clip(reward: float, low: float = 0.0, high: float = 1.0) -> float:
    """The reward, but not below ``low`` and not above ``high``.

    Raises:
        RewardError: NaN, infinite, or no number.
        InvalidArgumentError: ``low`` above ``high``.
    """
    if not low <= high:
        raise InvalidArgumentError(f"low must not exceed high, {low=}, {high=}")
    return min(max(checked_reward(reward), float(low)), float(high))


def normalise(value: float, *, worst: float, best: float) -> float:
    """0 at the worst value, 1 at the best, and straight on beyond them; :func:`clip` keeps it between.

    Smaller may be better: ``normalise(latency_s, worst=0.2, best=0.0)``.

    Raises:
        RewardError: NaN, infinite, or no number.
        InvalidArgumentError: ``worst`` and ``best`` are equal.
    """
    low, high = checked_reward(worst), checked_reward(best)
    if low == high:
        raise InvalidArgumentError(f"worst and best must differ, {worst=}, {best=}")
    # In halves, since the distance of two finite numbers may be infinite.
    return (checked_reward(value) / 2 - low / 2) / (high / 2 - low / 2)


def weight(parts: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The mean of several rewards, each counting as much as its weight.

    Raises:
        RewardError: a part that is NaN, infinite, or no number.
        InvalidArgumentError: other names in one than in the other, a weight below 0, or all of them 0.
    """
    if set(parts) != set(weights):
        raise InvalidArgumentError(
            f"rewards and weights must have the same names, {sorted(parts)} and {sorted(weights)}"
        )
    shares = {name: checked_reward(share) for name, share in weights.items()}
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise InvalidArgumentError(f"weights must not be negative, and not all of them 0, {dict(weights)}")
    return sum(checked_reward(parts[name]) * (share / total) for name, share in shares.items())


def penalise(reward: float, rate: float) -> float:
    """The reward less the share ``rate`` of its size, as for the share of requests that failed.

    A reward below zero gets further below it, and does not come closer to it.

    Raises:
        RewardError: NaN, infinite, or no number.
        InvalidArgumentError: a rate outside [0, 1].
    """
    value = checked_reward(reward)
    if not 0 <= checked_reward(rate) <= 1:
        raise InvalidArgumentError(f"rate must lie in [0, 1], not {rate}")
    return value - abs(value) * rate


def penalise_above(reward: float, value: float, *, limit: float, slope: float = 1.0) -> float:
    """The reward less ``slope`` times what exceeds a limit, relative to the limit; nothing below it.

    Raises:
        RewardError: NaN, infinite, or no number.
        InvalidArgumentError: a limit that is not positive, or a slope below 0.
    """
    if not limit > 0 or not slope >= 0:
        raise InvalidArgumentError(
            f"limit must be positive and slope must not be negative, {limit=}, {slope=}"
        )
    return checked_reward(reward) - slope * max(0.0, checked_reward(value) / limit - 1.0)


normalize = normalise
penalize = penalise
