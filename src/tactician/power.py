"""What a budget can prove, known from a few baseline runs and said before the first trial.

The baseline's runs show how much one run differs from the next. From that noise and the rounds of the
verification follows the smallest improvement that will be claimed in four of five cases, and the number of
rounds that a smaller one would need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any

from tactician.verification import smallest_provable

MOST_ROUNDS = 1000
"""As many as a configuration may ask for."""

_TYPICAL, _SPREAD = 0.03, 1.3
"""Before any run: benchmarks vary by 3 %, give or take a factor of four."""

_PAIR = 0.954
"""The median distance of two draws from a normal distribution, in its standard deviations."""

_CALMEST = 1e-6

_SHARE = 0.9
_QUANTILE = NormalDist().inv_cdf(0.5 + _SHARE / 2.0)
_WORTH_NAMING = 0.02
"""The improvement for which rounds are suggested where none was asked for."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How much one run of a benchmark differs from another, as a fraction of the metric.

    Attributes:
        deviation: relative standard deviation of one run.
        low, high: it lies between these with a chance of 90 %.
        runs: of the baseline, from which this is known.
    """

    deviation: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class Power:
    """What the verification will be able to prove; improvements are fractions.

    Attributes:
        noise: of one run.
        rounds: of the verification, at most.
        provable: the smallest improvement that is claimed in 80 % of cases; infinity where nothing can be.
        target: what the operator wants proven, or what a suggestion is made for.
        asked: whether the operator named the target.
        rounds_for_target: what that takes; None where no number of rounds does.
    """

    noise: Noise
    rounds: int
    provable: float
    target: float
    asked: bool
    rounds_for_target: int | None

    @property
    def too_little(self) -> bool:
        """Whether the operator asked for a proof that this budget cannot give."""
        return self.asked and self.target < self.provable

    def refusal(self) -> str:
        """Why the run is not begun, and the verification that would do."""
        wanted, least = f"{100.0 * self.target:.3g} %", f"{100.0 * self.provable:.3g} %"
        noise = f"runs of this benchmark differ by {100.0 * self.noise.deviation:.2g} %"
        if self.rounds_for_target is None:
            return f"{wanted} cannot be proven: {noise}; make each run longer, or the machine calmer"
        proves = (
            f"{self.rounds} rounds prove {least} at least"
            if math.isfinite(self.provable)
            else (f"{self.rounds} rounds prove nothing")
        )
        return (
            f"{wanted} cannot be proven: {noise}, and {proves}; "
            f'"verification": {{"rounds": {self.rounds_for_target}}} would do'
        )

    def worth(self, worthwhile: float) -> float:
        """The smallest gain that is worth a trial: one that cannot be proven is not."""
        return max(worthwhile, self.provable) if math.isfinite(self.provable) else worthwhile

    def as_result(self, worthwhile: float, seconds_per_run: float | None = None) -> dict[str, Any]:
        """The key ``power`` of a result: improvements and noise in percent."""
        rounds = self.rounds_for_target
        seconds = (
            None if rounds is None or seconds_per_run is None else round(3 * rounds * seconds_per_run, 1)
        )
        return {
            "noise": _percent(self.noise.deviation),
            "noise_interval": [_percent(self.noise.low), _percent(self.noise.high)],
            "baseline_runs": self.noise.runs,
            "rounds": self.rounds,
            "provable_improvement": _percent(self.provable) if math.isfinite(self.provable) else None,
            "worthwhile_improvement": _percent(self.worth(worthwhile)),
            "target_improvement": _percent(self.target) if self.asked else None,
            "suggestion": {"improvement": _percent(self.target), "rounds": rounds, "seconds": seconds},
        }


def noise_of(values: Sequence[float]) -> Noise | None:
    """How noisy a benchmark is, from repeated runs of one configuration.

    The median distance between two runs, which one wild run in four does not move, stands for the standard
    deviation. Three runs know little of it: the logarithm of such an estimate from n runs has a standard
    deviation of about 0.9 / sqrt(n - 1), so that it is weighed against what benchmarks usually do.

    Returns:
        None for fewer than two runs, or around a median of zero.
    """
    middle = median(values) if values else 0.0
    if len(values) < 2 or middle == 0.0:
        return None
    if all(value > 0.0 for value in values):
        gaps = [abs(math.log(a / b)) for i, a in enumerate(values) for b in values[:i]]
    else:
        gaps = [abs((a - b) / middle) for i, a in enumerate(values) for b in values[:i]]
    found = median(gaps) / _PAIR
    if found == 0.0:
        return Noise(0.0, 0.0, 0.0, len(values))
    error = 0.9 / math.sqrt(len(values) - 1)
    weight = _SPREAD**2 / (_SPREAD**2 + error**2)
    centre = weight * math.log(found) + (1.0 - weight) * math.log(_TYPICAL)
    reach = _QUANTILE * math.sqrt(weight) * error
    return Noise(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach), len(values))


def provable(noise: float, rounds: int, *, maximize: bool) -> float:
    """The smallest improvement that is claimed in 80 % of verifications, in the better direction.

    Of a metric to minimize it is a share of what there is: +5 % becomes a reduction by 4.8 %.
    """
    gain = smallest_provable(noise, rounds)
    if maximize or not math.isfinite(gain):
        return gain
    return gain / (1.0 + gain)


def rounds_for(noise: float, improvement: float, *, maximize: bool) -> int | None:
    """The fewest rounds by which this improvement can be proven; None where a thousand do not do."""
    if provable(noise, MOST_ROUNDS, maximize=maximize) > improvement:
        return None
    low, high = 1, MOST_ROUNDS
    while low < high:
        middle = (low + high) // 2
        if provable(noise, middle, maximize=maximize) <= improvement:
            high = middle
        else:
            low = middle + 1
    return high


def power_of(noise: Noise, rounds: int, *, maximize: bool, target: float | None = None) -> Power:
    """What so many rounds can prove on a benchmark as noisy as this.

    Args:
        noise: of one run.
        rounds: of the verification.
        maximize: whether more of the metric is better.
        target: the improvement that is to be proven, as a fraction.
    """
    wanted = _WORTH_NAMING if target is None else target
    deviation = noise.deviation
    return Power(
        noise,
        rounds,
        provable(deviation, rounds, maximize=maximize),
        wanted,
        target is not None,
        rounds_for(deviation, wanted, maximize=maximize),
    )


def cannot_prove(target: float | None, rounds: int) -> str:
    """Why a target is out of reach on any benchmark, however calm; empty where it is not."""
    if target is None or math.isfinite(smallest_provable(_CALMEST, rounds)):
        return ""
    least = rounds_for(_CALMEST, target, maximize=True)
    return (
        f"cannot be proven by {rounds} rounds of verification; {least} are the least, more where it is noisy"
    )


def _percent(fraction: float) -> float:
    return round(100.0 * fraction, 3)
