"""Turns a measurement into a reward: performance relative to the baseline, and stability in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping

from tactician.experiment import RewardWeights
from tactician.outcomes import Measurement, Score

FAILED_REWARD = 0.0
"""What a learner is told of a failed trial: no performance and no stability."""

_MEMORY_TIGHT = 0.9
_BEST_RATIO = 1e9
_LARGEST = 1e12


def score(measurement: Measurement, baseline: float, weights: RewardWeights) -> Score:
    """Weigh performance and stability, the seed's 50/50 unless told otherwise.

    Args:
        measurement: the run.
        baseline: the metric of the baseline, same unit.
        weights: of both halves, adding up to one.
    """
    performance = relative_performance(measurement.value, baseline, measurement.maximize)
    steadiness = stability(measurement.system)
    reward = weights.performance * performance + weights.stability * steadiness
    return Score(performance, steadiness, reward)


def relative_performance(value: float, baseline: float, maximize: bool) -> float:
    """Return 1.0 for a value equal to the baseline, more for a better one; finite and monotone.

    A ratio where the baseline is positive; else the difference in units of the baseline, so that a
    metric that is zero or negative still ranks the right way. A metric to minimize that reaches zero
    is as good as it gets.
    """
    if baseline <= 0:
        gain = value - baseline if maximize else baseline - value
        performance = 1.0 + gain / max(abs(baseline), 1e-9)
    elif maximize:
        performance = value / baseline
    elif value > baseline / _BEST_RATIO:
        performance = baseline / value
    else:
        performance = _BEST_RATIO + (baseline / _BEST_RATIO - value) / baseline
    return min(_LARGEST, max(-_LARGEST, performance))


def stability(system: Mapping[str, float]) -> float:
    """Return 1.0 for no I/O wait and no memory pressure during the run, 0.0 for nothing else.

    Without pressure-stall figures (kernels before 4.20, or psi=0), memory counts as under pressure
    above nine tenths of use.
    """
    io_wait = system.get("io_wait", 0.0)
    if "memory_pressure" in system:
        memory = system["memory_pressure"]
    else:
        memory = max(0.0, system.get("memory_usage", 0.0) - _MEMORY_TIGHT) / (1.0 - _MEMORY_TIGHT)
    return _share(1.0 - io_wait) * _share(1.0 - memory)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
