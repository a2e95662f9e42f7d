"""When more trials will not change the decision, so that a run may end before its budget does.

The question is put to a model of what was measured (:mod:`oppertune.prospects`), whichever algorithm drives:
is there still a fair chance of a gain that is worth having, over the default or over the best trial so far?
``benchmarks/stopping.py`` measures how often the answer is wrong.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.space import Space
from oppertune.core.values import Categorical, Value
from oppertune.prospects import Prospects, prospects
from tactician.experiment import Experiment
from tactician.outcomes import Configuration, Outcome
from tactician.reward import relative_performance

NOTHING, HARDLY_MORE = 0.05, 0.03
"""Smaller chances of a gain worth having, over the default and over the best so far, are not worth trials."""

LEAST, BESIDE_ONE_PER_PARAMETER, LEAST_AT_MOST = 14, 6, 40
"""Before so many trials nothing is decided, since a narrow valley may not have been met yet."""

WIDEST_GAP = 0.2
"""Nor while so wide a part of a parameter's range was never looked into."""

PROBES = 6
"""So many trials at most look into such gaps before a decision."""

_FEW = 8
_EVERY = 8
"""One more look for every so many trials there are, so that looking costs a constant share."""

_LOWEST = 1e-6


class Ending(NamedTuple):
    """Why a search is over before its budget.

    Attributes:
        nothing: whether there is nothing worth having at all; otherwise the best is as good as found.
        chance: of a gain that is worth having, under the model.
        worth: what was taken for worth having, as a fraction.
        spent: whether the budget was spent anyway.
    """

    nothing: bool
    chance: float
    worth: float
    spent: bool = False

    def sentence(self, trials: int, budget: int | None) -> str:
        """The same in words."""
        said = f"{100.0 * self.worth:.2g} %"
        if self.spent:
            return f"nothing here is worth more than {said}; there is nothing to verify"
        count = f"{trials} trials" if budget is None else f"{trials} of {budget} trials"
        if self.nothing:
            return f"nothing here is worth more than {said}: stopping after {count}"
        return f"more trials would gain less than {said} over the best so far: stopping after {count}"


def least_trials(parameters: int) -> int:
    """How many trials there must be before anything is decided."""
    return min(max(LEAST, BESIDE_ONE_PER_PARAMETER + parameters), LEAST_AT_MOST)


def is_due(trials: int, parameters: int) -> bool:
    """Whether the question is asked after so many trials; it depends on nothing else, for ``--resume``."""
    look = least_trials(parameters)
    while look < trials:
        look += max(1, look // _EVERY)
    return look == trials


def look_ahead(
    experiment: Experiment,
    baseline: Configuration,
    baselines: Sequence[Outcome],
    trials: Sequence[Outcome],
    worth: float,
) -> Prospects | None:
    """What further trials could still bring; None where that cannot be known.

    Args:
        experiment: its parameters and constraints.
        baseline: what is to be beaten.
        baselines: its runs.
        trials: so far.
        worth: the smallest gain that counts, as a fraction.
    """
    if experiment.reward.performance == 0.0:
        return None  # a search for stability; the metric says nothing about its end
    measurements = levels(experiment, baselines, trials)
    home = _inside(experiment, baseline)
    at_home = sum(values == home and level is not None for values, level in measurements)
    elsewhere = sum(values != home for values, _ in measurements)
    if at_home < 2 or elsewhere < 2 or not math.isfinite(worth):
        return None
    return prospects(
        [tuned.parameter for tuned in experiment.parameters],
        measurements,
        home,
        math.log1p(worth),
        experiment.constraints,
        experiment.random_seed or 0,
    )


def levels(
    experiment: Experiment, baselines: Sequence[Outcome], trials: Sequence[Outcome]
) -> list[tuple[dict[str, Value], float | None]]:
    """Each measured configuration with the logarithm of its performance against the baseline's median.

    None stands for a failure. Empty where no baseline was measured.
    """
    known = [outcome.measurement.value for outcome in baselines if outcome.measurement is not None]
    if not known:
        return []
    middle = statistics.median(known)
    return [
        (_inside(experiment, outcome.configuration), _level(outcome, middle))
        for outcome in (*baselines, *trials)
    ]


def ending_of(
    experiment: Experiment,
    baseline: Configuration,
    baselines: Sequence[Outcome],
    trials: Sequence[Outcome],
    worth: float,
) -> Ending | None:
    """Why the search is over; None where it is not, or not known to be. Arguments as :func:`look_ahead`.

    It is so only if :func:`unexplored` finds nothing left to look into.
    """
    if len(trials) < least_trials(len(experiment.parameters)):
        return None
    found = look_ahead(experiment, baseline, baselines, trials, worth)
    if found is None:
        return None
    if found.over_default < NOTHING:
        return Ending(True, found.over_default, worth)
    return Ending(False, found.over_best, worth) if found.over_best < HARDLY_MORE else None


def unexplored(
    experiment: Experiment, baseline: Configuration, trials: Sequence[Outcome]
) -> Configuration | None:
    """A configuration in the middle of every gap that the trials left wide; None where there is none.

    A model knows nothing of a narrow valley that nothing was measured near to, however sure it is. The ends
    of a range count as gaps too; parameters without gaps keep the baseline's values.
    """
    values, gaps = _inside(experiment, baseline), False
    for tuned in experiment.parameters:
        parameter = tuned.parameter
        # Of a few values each may stand for a third of the range.
        if isinstance(parameter, Categorical) or (parameter.steps is not None and parameter.steps < _FEW):
            continue
        tried = {to_unit(parameter, parameter.nearest(o.configuration[tuned.name])) for o in trials}
        edges = [0.0, *sorted(tried), 1.0]
        width, low = max((high - low, low) for low, high in pairwise(edges))
        if width > WIDEST_GAP:
            gaps = True
            values[tuned.name] = from_unit(parameter, low + 0.5 * width)
    space = Space([tuned.parameter for tuned in experiment.parameters], experiment.constraints)
    return space.repair(values) if gaps else None


def _level(outcome: Outcome, middle: float) -> float | None:
    seen = outcome.measurement or outcome.estimate
    if seen is None:
        return None
    performance = relative_performance(seen.value, middle, seen.maximize)
    return math.log(max(performance, _LOWEST))


def _inside(experiment: Experiment, configuration: Configuration) -> dict[str, Value]:
    """The nearest configuration within the ranges, since a host's own values may lie outside them."""
    return {tuned.name: tuned.parameter.nearest(configuration[tuned.name]) for tuned in experiment.parameters}
