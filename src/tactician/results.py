"""A run's result as a plain mapping: what ``tune --json``, ``show --json`` and the seed's door return."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tactician.errors import Problem
from tactician.experiment import Experiment
from tactician.outcomes import Configuration, Outcome, Verdict

StoppedBecause = Literal["budget", "decided", "failures", "safety", "interrupted", "error"]

EXIT_STATUS: Mapping[StoppedBecause, int] = {
    "budget": 0,
    "decided": 0,
    "failures": 3,
    "safety": 3,
    "interrupted": 130,
    "error": 1,
}
NOT_RESTORED = 4


def make_result(
    experiment: Experiment,
    *,
    run_id: str,
    dry_run: bool,
    stopped_because: StoppedBecause,
    error: str,
    baselines: Sequence[Outcome],
    trials: Sequence[Outcome],
    benchmark_seconds: float,
    original: Configuration,
    baseline: Configuration,
    candidate: Configuration | None,
    verdicts: Sequence[Verdict],
    gradient_steps: int | None,
    not_restored: Sequence[Problem],
    notices: Sequence[str],
    power: Mapping[str, Any] | None = None,
    effects: Mapping[str, Any] | None = None,
    decision: str | None = None,
) -> dict[str, Any]:
    """Put a result together. An improvement is claimed by verification and by nothing else.

    Args:
        original: what the host has.
        baseline: what the candidate was compared with: declared starts, the rest as the host has it.
        candidate: what was verified, None if nothing was worth it.
        verdicts: against the baseline first, against the kernel's own values second.
        power: what could be proven, None where the noise is not known.
        effects: by parameter, whether it matters to the metric; None where too little was measured.
        decision: in one sentence, why the search ended before its budget or nothing was verified.
    """
    restored = not not_restored
    return {
        "success": EXIT_STATUS[stopped_because] == 0 and restored,
        "run_id": run_id,
        "workload_name": experiment.workload_name,
        "algorithm": experiment.algorithm,
        "dry_run": dry_run,
        "restored": restored,
        "stopped_because": stopped_because,
        "error": error or None,
        "trials": len(trials),
        "failed_trials": sum(not outcome.fine for outcome in trials),
        "aborted_trials": sum(outcome.estimate is not None for outcome in trials),
        "gradient_steps": gradient_steps,
        "benchmark_seconds": round(benchmark_seconds, 3),
        "baseline": _baseline(baselines),
        "original": dict(original),
        **_claim(baseline, candidate, verdicts),
        "reward_metric": experiment.metric.name,
        "network_namespace": experiment.network_namespace,
        "not_restored": [{"path": problem.path, "message": problem.message} for problem in not_restored],
        "notices": list(notices),
        "power": None if power is None else dict(power),
        "decision": decision,
        "effects": None if effects is None else dict(effects),
        "regressions": regressions_of(experiment, trials),
        "guardrail_trials": sum(outcome.by_guardrail for outcome in trials),
    }


def regressions_of(experiment: Experiment, trials: Sequence[Outcome]) -> dict[str, Any] | None:
    """How many trials lost more of the baseline's metric than is to be lost; failures are among them.

    Returns:
        ``max_regression`` in percent, ``trials`` and their ``share``; None where nothing was said of it.
    """
    allowed = experiment.max_regression
    if allowed is None:
        return None
    below = sum(_performance(outcome) < 1.0 - allowed for outcome in trials)
    share = below / len(trials) if trials else 0.0
    return {"max_regression": round(100.0 * allowed, 4), "trials": below, "share": round(share, 4)}


def _performance(outcome: Outcome) -> float:
    if outcome.score is not None:
        return outcome.score.performance
    return -math.inf if outcome.estimate is None else outcome.estimate.score.performance


def exit_status(result: Mapping[str, Any]) -> int:
    """Return what the process ends with: a host that is not as it was comes before everything else."""
    if not result["restored"]:
        return NOT_RESTORED
    return EXIT_STATUS[result["stopped_because"]]


def _claim(
    baseline: Configuration, candidate: Configuration | None, verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    primary = verdicts[0] if verdicts else None
    significant = primary is not None and primary.significant
    return {
        "candidate": None if candidate is None else dict(candidate),
        "best_config": dict(candidate if significant and candidate is not None else baseline),
        "improvement": primary.improvement if primary else 0.0,
        "improvement_interval": list(primary.interval) if primary and primary.interval else None,
        "significant": significant,
        "verdicts": [dataclasses.asdict(verdict) for verdict in verdicts],
    }


def _baseline(baselines: Sequence[Outcome]) -> dict[str, Any] | None:
    values = sorted(outcome.measurement.value for outcome in baselines if outcome.measurement)
    if not values:
        return None
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    unit = next(outcome.measurement.unit for outcome in baselines if outcome.measurement)
    return {"median": median, "unit": unit, "runs": len(values)}
