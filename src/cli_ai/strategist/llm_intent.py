"""Joins what a model understood with what the rules read: limits only ever become tighter."""

from __future__ import annotations

from dataclasses import replace

from cli_ai.strategist.llm_answer import ChosenIntent, ChosenLimits
from cli_ai.strategist.rules.intent import Intent
from cli_ai.strategist.rules.limits import Limits

_NETWORK = ("net.*",)


def merged(intent: Intent, chosen: ChosenIntent) -> Intent:
    """The rules' intent with the model's class, service and objective, and the limits of both."""
    return replace(
        intent,
        workload_class=chosen.workload_class or intent.workload_class,
        service=chosen.service or intent.service,
        objective=chosen.objective,
        objectives=(chosen.objective,),
        limits=_tighter(intent.limits, chosen.limits),
    )


def _tighter(limits: Limits, chosen: ChosenLimits) -> Limits:
    untouched = (*limits.untouched, *_NETWORK) if chosen.no_network else limits.untouched
    trials = _least(limits.trials, chosen.trials)
    return replace(
        limits,
        untouched=tuple(dict.fromkeys(untouched)),
        restart=False if chosen.no_restart else limits.restart,
        minutes=_least(limits.minutes, chosen.minutes),
        trials=None if trials is None else int(trials),
    )


def _least(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None
