"""Which parameters mattered to the metric, as far as the trials of a run can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from oppertune.errors import OppertuneError
from oppertune.evidence import shows_an_effect
from oppertune.importance import importances
from tactician.experiment import Experiment
from tactician.outcomes import Outcome
from tactician.stopping import levels

Judgement = Literal["matters", "inert", "unknown"]

MATTERS_ABOVE = 0.05
"""A parameter matters if the lower end of its interval lies above this share of the variation."""

_LEAST, _LEAST_PER_PARAMETER = 8, 2


def effects_of(
    experiment: Experiment, baselines: Sequence[Outcome], trials: Sequence[Outcome]
) -> dict[str, dict[str, Any]] | None:
    """Each parameter's share of the metric's variation over the space, with an interval of 90 %.

    A parameter is ``inert`` where the whole interval lies below 5 %, ``matters`` where it lies above, and
    ``unknown`` in between, or where nothing shows that anything has an effect: the trials cannot tell.

    Returns:
        By parameter ``verdict``, ``share``, ``low`` and ``high``; None where there are too few measurements
        to ask.
    """
    # What is known of a trial that was ended as surely worse is an estimate, and proves no effect.
    whole = [outcome for outcome in trials if outcome.estimate is None]
    measured = [
        (values, level) for values, level in levels(experiment, baselines, whole) if level is not None
    ]
    different = {tuple(values.values()) for values, _ in measured}
    if len(different) < max(_LEAST, _LEAST_PER_PARAMETER * len(experiment.parameters)):
        return None
    try:
        parameters = [tuned.parameter for tuned in experiment.parameters]
        found = importances(parameters, measured)
        verdicts = {name: _judgement(share.low, share.inert) for name, share in found.items()}
        # Twenty fits: only where there is something to say.
        if set(verdicts.values()) != {"unknown"} and not shows_an_effect(parameters, measured):
            verdicts = dict.fromkeys(verdicts, "unknown")
    except OppertuneError:
        return None
    return {
        name: {
            "verdict": verdicts[name],
            "share": round(found[name].share, 4),
            "low": round(found[name].low, 4),
            "high": round(found[name].high, 4),
        }
        for name in experiment.names
    }


def _judgement(low: float, inert: bool) -> Judgement:
    if inert:
        return "inert"
    return "matters" if low > MATTERS_ABOVE else "unknown"
