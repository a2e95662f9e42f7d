"""The only source of an improvement claim: is the candidate really better than what it would replace?

A candidate arrives here as the best of many noisy trials, so its own trials flatter it (the winner's curse:
the best of eleven useless arms was measured at +22 %). None of that data is used. Candidate and reference
are measured afresh, in rounds; why the answer can be trusted:

* Each round runs three arms once, in an order drawn here: the ``candidate``, the ``reference``, and the
  reference again as ``control``. If the candidate changes nothing, its label is as good on any run of its
  round, so a randomisation test is exact under any noise (see :mod:`tactician._intervals`).
* The data are looked at a fixed number of times. Each look has its own level; they add up to what a side may
  err (Bonferroni; spending error by a plan is Lan and DeMets 1983, looking often for the same price is
  Pocock 1977). So all looks' intervals together hold with the stated confidence, and stopping is free.
* Stopping for any other reason (futility, failures, the rounds spent) makes no claim and cannot add one.
* The null hypothesis is that the candidate changes nothing. One that only makes runs more erratic, with the
  same median, is claimed more often than a useless one: with ten times the noise in 5 % (cap of 20) to 7 %
  (cap of 5) of measured cases.
* The control must not object. It is the same configuration as the reference, so whatever separates the two
  comes from the measuring; a candidate that gains no more than that has shown nothing.

A round with a failed run is left out. Which rounds are left out depends on the runs and not on their labels
while the candidate is equal to the reference, so no false claim comes of it. A candidate that fails *because*
of its values loses its worst rounds, which would flatter it: hence the second failure of a candidate whose
reference never fails ends the comparison without a claim, and so does the third lost round of any kind.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, NamedTuple, get_args

import numpy as np

from tactician._intervals import Values, estimate, interval, p_values
from tactician.errors import MisuseError

Arm = Literal["candidate", "reference", "control"]
ARMS: tuple[Arm, ...] = get_args(Arm)

MAX_LOST_ROUNDS = 3
"""So many rounds lost to failed runs end the comparison."""

CANDIDATE_FAILURES = 2
"""So many failures of the candidate end it if the reference never failed."""

CONTROL_LEVEL = 0.0025
"""One-sided level at which the control objects: it wrongly stops at most one honest claim in a hundred."""

CONTROL_SCATTER = math.sqrt(1.5 / 2.0)
"""To compare like with like: a run minus the mean of two has variance 3/2, a run minus another has 2."""

_LARGEST_LOG = 690.0
"""Percentages stay finite, for JSON: ``exp(690)`` is about ``1e300``."""


class Look(NamedTuple):
    """The data are looked at once so many rounds are in, at this one-sided level."""

    rounds: int
    level: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rounds so far say. All percentages are changes of the metric, better direction positive.

    They are relative to the reference: of a metric to maximize, +100 is twice as much; of one to minimize,
    +50 is half as much and no gain reaches +100. All numbers are finite.

    Attributes:
        finished: whether measuring should stop.
        significant: whether an improvement may be claimed.
        estimate: percent; 0.0 before the first look.
        interval: percent, of the last look, at that look's level; None before the first look, or if none
            could be formed (too few complete rounds, or a reference whose median is zero).
        control_interval: once finished, the same for the control against the reference (A/A); where so few
            rounds cannot reject at the look's level, at the strictest level they allow.
        reason: one sentence on where matters stand or why measuring stopped.
        rounds: how many were run, those lost to failures included.
    """

    finished: bool
    significant: bool
    estimate: float
    interval: tuple[float, float] | None
    control_interval: tuple[float, float] | None
    reason: str
    rounds: int


def plan_looks(rounds: int, confidence: float = 0.95) -> tuple[Look, ...]:
    """When to look, and at what level, if at most ``rounds`` are run; the levels add up to one side's error.

    The first look is as early as a candidate that wins every round can be told for a sixth of the error or
    less (``3 ** -5`` of 0.025), and gets just that. Later looks come when a third more is known, at levels
    in proportion to their rounds: nearly all power is kept for the end. For 20: 5, 8, 11, 15 and 20.
    """
    error = (1.0 - confidence) / 2.0
    first = math.ceil(math.log(6.0 / error, 3.0))
    if first > 0.85 * rounds:
        return (Look(rounds, error),)
    times = [first]
    while (following := max(times[-1] + 3, round(times[-1] * 4 / 3))) <= 0.85 * rounds:
        times.append(following)
    times.append(rounds)
    opening = 3.0**-first * (1.0 + 1e-9)  # room for the rounding of a p-value that equals it
    share = (error - opening) / sum(times[1:])
    return (Look(first, opening), *(Look(time, share * time) for time in times[1:]))


def smallest_provable(noise: float, rounds: int) -> float:
    """The smallest true improvement, as a fraction, that is claimed in 80 % of verifications.

    From the normal approximation at the last look: a candidate against the mean of two references has
    variance 3/2, the clipping costs 8 % of it, and few rounds cost as a t-test does. Within 15 % of the
    simulated value for Gaussian noise from 4 rounds on. With fewer nothing can be proved: infinity.

    Args:
        noise: relative standard deviation of one run.
        rounds: the cap.
    """
    level = plan_looks(rounds)[-1].level
    if 3.0**-rounds > level:
        return math.inf
    normal = NormalDist()
    deviations = normal.inv_cdf(1.0 - level) + normal.inv_cdf(0.8)
    spread = math.sqrt(math.log1p(noise**2) * 1.5 * 1.08 / rounds)
    return math.expm1(deviations * spread * (1.0 + 1.0 / rounds))


class Comparison:
    """One candidate against one reference: ask for an order, run it, add the round, until it is decided.

    Values are on a log scale, so effects are ratios. Where a value is not positive (a signed metric, or a
    count to minimize that reached zero) effects are differences in percent of the reference's median.
    When more is better a zero is a run that did nothing and counts as failed, and so does a value that is
    not finite.
    """

    def __init__(
        self,
        *,
        rounds: int,
        maximize: bool,
        random_seed: int | None,
        confidence: float = 0.95,
        min_effect: float = 0.01,
    ) -> None:
        if rounds < 1 or not 0.0 < confidence < 1.0 or not 0.0 <= min_effect < 1.0:
            raise ValueError(f"no comparison with {rounds=}, {confidence=}, {min_effect=}")
        self._rounds = rounds
        self._maximize = maximize
        self._min_effect = min_effect
        self._looks = plan_looks(rounds, confidence)
        self._unspent = sum(look.level for look in self._looks)
        self._random = random.Random(random_seed)
        self._order: tuple[Arm, ...] | None = None
        self._complete: list[tuple[float, ...]] = []
        self._failures = dict.fromkeys(ARMS, 0)
        self._decision = Decision(False, False, 0.0, None, None, "nothing measured yet", 0)

    @property
    def decision(self) -> Decision:
        """What the rounds so far say."""
        return self._decision

    def next_order(self) -> tuple[Arm, ...]:
        """The order of the next round's runs; it stays until that round is added, as redrawing would bias."""
        self._refuse_when_finished("next_order")
        if self._order is None:
            self._order = tuple(self._random.sample(ARMS, len(ARMS)))
        return self._order

    def add_round(self, values: Mapping[Arm, float | None]) -> Decision:
        """Take in one round: each arm's metric, None where the run failed.

        After a failure the rest of the round need not be run; its arms are then left out.
        """
        self._refuse_when_finished("add_round")
        if self._order is None:
            raise MisuseError("add_round before next_order: the order of the runs has to be drawn here")
        counted = {arm: value for arm, value in values.items() if value is not None and self._counts(value)}
        failed = [arm for arm in values if arm not in counted]
        if not set(values) <= set(ARMS) or (len(values) < len(ARMS) and not failed):
            raise MisuseError(f"add_round needs a value for each of {', '.join(ARMS)}; got {sorted(values)}")
        self._order = None
        for arm in failed:
            self._failures[arm] += 1
        if not failed:
            self._complete.append(tuple(float(counted[arm]) for arm in ARMS))
        spent = self._decision.rounds + 1
        self._decision = self._decide(replace(self._decision, rounds=spent), lost=bool(failed))
        return self._decision

    def _counts(self, value: float) -> bool:
        """Whether a run's value is one; otherwise the run has failed."""
        return math.isfinite(value) and not (self._maximize and value == 0.0)

    def _refuse_when_finished(self, call: str) -> None:
        if self._decision.finished:
            raise MisuseError(f"{call} after the comparison finished: {self._decision.reason}")

    def _decide(self, so_far: Decision, *, lost: bool) -> Decision:
        """Stop for failures, look if a look is due, or go on."""
        if reason := self._too_many_failures(so_far.rounds):
            return replace(so_far, finished=True, significant=False, reason=reason)
        if so_far.rounds >= self._rounds:  # the last look spends what is left, also when rounds were lost
            return self._look(so_far, self._unspent, last=True)
        for look in self._looks[:-1]:
            if look.rounds == len(self._complete) and not lost:
                self._unspent -= look.level
                return self._look(so_far, look.level, last=False)
        return replace(so_far, reason=f"not decided after {_counted(so_far.rounds)}")

    def _too_many_failures(self, spent: int) -> str:
        """Why failures end the comparison; empty while they do not."""
        failures = self._failures
        if failures["candidate"] >= CANDIDATE_FAILURES and not failures["reference"] + failures["control"]:
            return (
                f"the candidate is unstable: it failed in {failures['candidate']} of {_counted(spent)}, "
                "the reference never; no claim"
            )
        lost = spent - len(self._complete)
        if lost >= MAX_LOST_ROUNDS:
            return f"{_counted(lost)} of {spent} lost to failed runs; no claim"
        return ""

    def _look(self, so_far: Decision, level: float, *, last: bool) -> Decision:
        """Test at this look's level; if that ends it, measure the control the same way."""
        scale = _Scale.of(self._complete, self._maximize)
        if scale is None:
            why = (
                "the reference's median is zero, so no percentage"
                if self._complete
                else "no round was complete"
            )
            return replace(so_far, finished=last, reason=f"{why}; no claim")
        gains = scale.gains
        limits = interval(gains, level)
        finished, significant, reason = self._judge(gains, limits, level, scale.gain(self._min_effect), last)
        control = interval(gains[:, [2, 1]], max(level, 2.0 ** -len(gains))) if finished else None
        return replace(
            so_far,
            finished=finished,
            significant=significant,
            estimate=scale.percent(_inside(estimate(gains), limits)),
            interval=scale.percents(limits),
            control_interval=scale.percents(control),
            reason=f"{reason} after {_counted(so_far.rounds)}",
        )

    def _judge(
        self, gains: Values, limits: tuple[float, float] | None, level: float, worth: float, last: bool
    ) -> tuple[bool, bool, str]:
        """The rules of stopping in order of precedence: finished, significant, and why."""
        if limits is None:
            return last, False, f"no claim: {_counted(len(gains))} without a failure prove nothing, too few"
        low, high = limits
        objection = ""
        if low > 0.0 and p_values(gains)[0] <= level:
            objection = _control_objection(gains)
            if not objection:
                return True, True, "decided: better"
        if high < 0.0:
            return True, False, "decided: worse"
        if high < worth:
            return True, False, "decided: no gain worth having is possible"
        if last:
            return True, False, f"no claim: {objection or 'no difference shown, and the rounds are spent'}"
        return False, False, objection or "not decided"


def _control_objection(gains: Values) -> str:
    """Why the reference measured against itself casts doubt on a gain; empty when it does not."""
    control = gains[:, [2, 1]]
    if min(p_values(control)) <= CONTROL_LEVEL:
        return "the control differs from the reference although both are the same"
    if CONTROL_SCATTER * abs(estimate(control)) >= estimate(gains):
        return "the gain is no larger than what separates the control from the reference"
    return ""


@dataclass(frozen=True, slots=True)
class _Scale:
    """How values become gains, which add up, and gains become percent.

    Attributes:
        gains: a row per round, a column per arm of :data:`ARMS`; more is better.
        unit: None for logs; else the reference's median, in the gains' unit.
        sign: -1.0 for logs of a metric to minimize, where a gain is a quotient below one.
    """

    gains: Values
    unit: float | None
    sign: float

    @classmethod
    def of(cls, rounds: list[tuple[float, ...]], maximize: bool) -> _Scale | None:
        """Logs if every value is positive, which exchanging labels cannot change; differences otherwise."""
        if not rounds:
            return None
        values = np.array(rounds, dtype=np.float64)
        sign = 1.0 if maximize else -1.0
        if bool((values > 0.0).all()):
            return cls(sign * np.log(values), None, sign)
        values /= 2.0 * float(np.abs(values).max()) or 1.0  # so that no difference can overflow
        unit = abs(float(np.median(values[:, 1:])))
        return cls(sign * values, unit, sign) if unit > 0.0 else None

    def percent(self, gain: float) -> float:
        """A gain as a change of the metric in percent of the reference."""
        if self.unit is not None:
            return 100.0 * min(max(gain / self.unit, -1e300), 1e300)
        return 100.0 * self.sign * math.expm1(min(self.sign * gain, _LARGEST_LOG))

    def percents(self, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        """Both ends of an interval in percent."""
        return None if limits is None else (self.percent(limits[0]), self.percent(limits[1]))

    def gain(self, fraction: float) -> float:
        """The gain that is an improvement by this fraction: the inverse of :meth:`percent`."""
        return fraction * self.unit if self.unit is not None else self.sign * math.log1p(self.sign * fraction)


def _inside(value: float, limits: tuple[float, float] | None) -> float:
    return value if limits is None else min(max(value, limits[0]), limits[1])


def _counted(rounds: int) -> str:
    return f"{rounds} round" if rounds == 1 else f"{rounds} rounds"
