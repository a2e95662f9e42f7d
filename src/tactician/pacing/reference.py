"""What a trial has to beat, and how much runs of one configuration differ, from the runs measured so far."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tactician.experiment import RewardWeights
from tactician.outcomes import Measurement, Outcome
from tactician.pacing.bounds import Batching, batching, many_to_one
from tactician.pacing.series import CORRELATION, ENDED, HEAD, LENGTH, MEAN, WARMUP
from tactician.reward import stability

LEAST_BASELINES = 3
"""The scatter between runs is estimated from baselines, and two hardly say anything of it."""

WITHIN = 0.2
"""The share of the error that a watched run spends on its own mean; the rest is for scatter between runs."""

_LEAST_SCATTER = 0.002
_USUAL_SCATTER, _USUAL_RUNS = 0.03, 2.0
_FAR = 2.0
_ROUNDING = 1e-9

Look = Callable[[Measurement], float | None]


class Reference(NamedTuple):
    """The incumbent and the noise, on the scale of looks (interval means, or values of short runs).

    Attributes:
        base: the look of the baseline.
        maximize: whether more is better.
        unit: of the metric.
        weights: of performance and stability.
        best: the incumbent's performance, where 1.0 is the baseline.
        best_stability: of the same run.
        scatter: standard deviation of a look's logarithm, between runs of one configuration.
        apart: so many of them, at most, an equal of the incumbent is behind it; fixed before the run, as
            nothing that costs time may be computed beside a benchmark.
        usual_scatter: that of whole runs, drawn towards what is usual as few runs tell little of it; where a
            claim depends on it, ``scatter`` is used.
        look_noise: what a whole run takes away of a look's noise.
        stability_scatter: standard deviation of the stability between runs.
        scale: the metric per look.
        scale_scatter: standard deviation of its logarithm, where a look is a part of the whole run.
        length_s: until the last interval of a whole run; 0.0 without intervals.
        warmup_s: so long no interval counts, as an equal of the incumbent warms up as the incumbent did.
        behind: how much worse, on the log scale, an equal of the incumbent may look by its first half than by
            the whole; 0.0 where that looks better.
        tilt: how far the first half of a run usually is from the whole, in either direction.
        batches: how correlated intervals are averaged.
    """

    base: float
    maximize: bool
    unit: str
    weights: RewardWeights
    best: float
    best_stability: float
    scatter: float
    apart: float
    usual_scatter: float
    look_noise: float
    stability_scatter: float
    scale: float
    scale_scatter: float
    length_s: float
    warmup_s: float
    behind: float
    tilt: float
    batches: Batching

    def performance(self, look: float) -> float:
        """Return a look as a performance."""
        if self.maximize:
            return look / self.base
        return self.base / look if look > 0.0 else math.inf

    @property
    def best_reward(self) -> float:
        """The reward that a trial has to beat."""
        return self._reward(self.best, self.best_stability)

    def _reward(self, performance: float, stability: float) -> float:
        return self.weights.performance * performance + self.weights.stability * stability

    def surely_worse(self, performance: float, stability: float) -> bool:
        """Whether a configuration's reward cannot reach the incumbent's, between-run noise considered.

        Args:
            performance: the best that the run's own noise leaves possible.
            stability: of the run so far.
        """
        if self.weights.performance <= 0.0:
            return False
        needed = self.best * math.exp(-self.apart * self.scatter - self.behind)
        calmest = min(1.0, stability + self.apart * self.stability_scatter)
        return self._reward(performance, calmest) < self._reward(needed, self.best_stability) - _ROUNDING

    def long_enough(self, performance: float, stability: float, noise: float) -> bool:
        """Whether the rest of a run would change little, as it is behind. A yes claims nothing.

        Far behind, by twice the noise of the comparison, it may end at any noise. Nearer, its noise must be
        no more than what separates two runs anyway, so that a whole run would know it hardly better, and it
        must be behind by that noise; or the noise is half of that, and it is behind at all.

        Args:
            performance: by the part that ran.
            stability: of the same.
            noise: of the performance, relative: what the rest of the run would take away.
        """
        scatter = self.usual_scatter
        if self.tilt > scatter or self.scale_scatter > scatter:
            return False  # a part says something else than a whole
        needed = _FAR * math.sqrt(2.0 * scatter**2 + noise**2)
        if noise <= scatter:
            needed = noise if 2.0 * noise > scatter else 0.0
        return self._reward(performance * math.exp(needed), stability) < self.best_reward - _ROUNDING


def reference(
    baselines: Sequence[Outcome],
    trials: Sequence[Outcome],
    weights: RewardWeights,
    look: Look,
    *,
    within: bool,
    error: float,
) -> Reference | None:
    """Return what is known so far; None while it is too little.

    Args:
        baselines: as they were measured, at the common length.
        trials: those that were measured count, whatever their reward.
        weights: of the reward.
        look: what is compared.
        within: whether a look is a part of the whole run, and not a run of its own.
        error: the probability that an equal of the incumbent is called surely worse after a bad run.
    """
    base = [found for outcome in baselines if (found := _looked(outcome, look)) is not None]
    if len(base) < LEAST_BASELINES:
        return None
    measured = [found for outcome in trials if (found := _looked(outcome, look)) is not None]
    maximize = base[-1].measurement.maximize
    level = statistics.median(found.look for found in base[-LEAST_BASELINES:])
    best, incumbent = _incumbent(base, measured, level, weights, maximize=maximize)
    whole = [each for each in [*base, *measured] if ENDED not in each.measurement.metrics]
    metrics = [found.measurement.metrics for found in whole]
    looks = [math.log(found.look) for found in base]
    wholes = [math.log(found.measurement.value) for found in base]
    scales = [math.log(found.measurement.value / found.look) for found in whole]
    return Reference(
        base=level,
        maximize=maximize,
        unit=base[-1].measurement.unit,
        weights=weights,
        best=best,
        best_stability=incumbent.stability,
        scatter=max(_LEAST_SCATTER, statistics.stdev(looks)),
        apart=many_to_one(len(measured) + 1, len(base) - 1, error),
        usual_scatter=_shrunk(wholes),
        look_noise=math.sqrt(max(0.0, _shrunk(looks) ** 2 - _shrunk(wholes) ** 2)),
        stability_scatter=statistics.stdev(found.stability for found in base),
        scale=math.exp(statistics.median(scales)),
        scale_scatter=statistics.stdev(scales) if within else 0.0,
        length_s=_median(metrics, LENGTH),
        warmup_s=max(_usual(base, _warmup), _warmup(incumbent)),
        behind=max(0.0, _usual(base, _behind), _behind(incumbent)),
        tilt=abs(_usual(base, _behind)),
        batches=batching(_correlation(metrics)),
    )


class _Looked(NamedTuple):
    """A measured run with its look."""

    measurement: Measurement
    look: float
    stability: float


def _looked(outcome: Outcome, look: Look) -> _Looked | None:
    measurement = outcome.measurement
    value = None if measurement is None else look(measurement)
    if measurement is None or value is None or not (math.isfinite(value) and value > 0.0):
        return None
    if measurement.value <= 0.0:
        return None
    return _Looked(measurement, value, stability(measurement.system))


def _incumbent(
    base: Sequence[_Looked],
    measured: Sequence[_Looked],
    level: float,
    weights: RewardWeights,
    *,
    maximize: bool,
) -> tuple[float, _Looked]:
    """Return performance and look of the run with the best reward.

    The baseline is an incumbent too, by its usual reward and not by its luckiest.
    """
    steady = statistics.median(found.stability for found in base)
    usual = min(base, key=lambda found: abs(found.look - level))
    candidates = [
        (1.0, usual._replace(stability=steady)),
        *((found.look / level if maximize else level / found.look, found) for found in measured),
    ]
    return max(
        candidates, key=lambda one: weights.performance * one[0] + weights.stability * one[1].stability
    )


def _warmup(found: _Looked) -> float:
    return found.measurement.metrics.get(WARMUP, 0.0)


def _behind(found: _Looked) -> float:
    """How much worse the first half was than the whole, on the log scale; negative where it was better."""
    metrics = found.measurement.metrics
    head, mean = metrics.get(HEAD, 0.0), metrics.get(MEAN, 0.0)
    if head <= 0.0 or mean <= 0.0:
        return 0.0
    return math.log(mean / head) if found.measurement.maximize else math.log(head / mean)


def _usual(base: Sequence[_Looked], of: Callable[[_Looked], float]) -> float:
    """Over the baselines, so that one odd run does not speak for all."""
    return statistics.median(of(found) for found in base)


def _shrunk(logarithms: Sequence[float]) -> float:
    """A standard deviation as if some runs of a usual machine had been seen too."""
    freedom = len(logarithms) - 1
    squares = freedom * statistics.variance(logarithms) + _USUAL_RUNS * _USUAL_SCATTER**2
    return math.sqrt(squares / (freedom + _USUAL_RUNS))


def _median(metrics: Sequence[Mapping[str, float]], name: str) -> float:
    values = [each[name] for each in metrics if name in each]
    return statistics.median(values) if values else 0.0


def _correlation(metrics: Sequence[Mapping[str, float]]) -> float:
    """The usual correlation between neighbouring intervals, a standard error on the safe side."""
    values = [each[CORRELATION] for each in metrics if CORRELATION in each]
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.fmean(values) + statistics.stdev(values) / math.sqrt(len(values))
