"""Puts knobs, benchmark and budget together into an experiment that passes the checks of any file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Reason
from cli_ai.strategist.rules.benches import Bench, Site
from cli_ai.strategist.rules.benches.bench import Metric
from cli_ai.strategist.rules.budgets import BASELINE, Plan
from cli_ai.strategist.rules.choosing import Knobs
from cli_ai.strategist.rules.fitting import host_numbers
from cli_ai.strategist.rules.intent import Intent

_PATIENCE = 10
"""Failures in a row that end a run with a bound on latency, where a trial beyond it counts as one."""


def document(site: Site, bench: Bench, metric: Metric, knobs: Knobs, plan: Plan) -> dict[str, Any]:
    """The experiment as ``tactician tune`` takes it."""
    items = [dict(each.item) for each in knobs.fitted] or [dict(item) for item in bench.items]
    made: dict[str, Any] = {
        "workload_name": _name(site.intent, bench),
        "reward_metric": metric.name,
        "goal": metric.goal,
        "benchmark_command": bench.command,
        "action_space": items,
        "algorithm": "auto",
        "budget": {"trials": plan.trials} | ({} if plan.minutes is None else {"minutes": plan.minutes}),
        "baseline_runs": BASELINE,
        "training_config": {"max_steps_per_episode": 1, "benchmark_timeout": _timeout(bench)},
        "verification": {"rounds": plan.rounds, "own_rounds": 0},
    }
    if metric.pattern:
        made["metric_pattern"] = metric.pattern
    if plan.duration is not None:
        made["duration"] = int(plan.duration) if float(plan.duration).is_integer() else plan.duration
    if bench.setup:
        made["setup_command"] = bench.setup
    if bench.teardown:
        made["teardown_command"] = bench.teardown
    if bench.namespace:
        made["network_namespace"] = "throw-away"
    constraints = [*knobs.constraints, *([] if knobs.fitted else bench.document.get("constraints", ()))]
    if constraints:
        made["constraints"] = constraints
    if knobs.services:
        made["services"] = {name: _service(site, name) for name in knobs.services}
    made |= _latency(site.intent, bench)
    if site.intent.limits.max_regression is not None:
        made["max_regression"] = site.intent.limits.max_regression
    return made | {
        key: value for key, value in bench.document.items() if key not in ("constraints", "training_config")
    }


def reasons(site: Site, bench: Bench, metric: Metric, knobs: Knobs, plan: Plan) -> tuple[Reason, ...]:
    """Why each choice was made, the knobs first."""
    shipped = tuple(
        Reason(
            choice=str(item["param"]),
            value=_range(item),
            why="Part of the embedded workload.",
            source=bench.source,
        )
        for item in (() if knobs.fitted else bench.items)
    )
    intent = site.intent
    more = "more" if metric.goal == "maximize" else "less"
    return (
        *knobs.reasons,
        *shipped,
        Reason(choice="benchmark_command", value=bench.name, why=bench.why, source=bench.source),
        Reason(
            choice="reward_metric",
            value=metric.name,
            why=f"The words ask for {intent.objective}; {more} of it is better."
            if intent.objectives
            else f"No objective is named: throughput is the usual one; {more} of it is better.",
            source="request",
        ),
        Reason(
            choice="budget",
            value=f"{plan.trials} trials"
            + (f", {plan.minutes:g} minutes" if plan.minutes is not None else ""),
            why=_why_budget(intent),
            source="request" if intent.limits.minutes or intent.limits.trials else "defaults",
        ),
        Reason(
            choice="algorithm",
            value="auto",
            why="It suits the number of trials and parameters by a documented table.",
            source="docs/guide/algorithms/auto.md",
        ),
    )


def objections(experiment: Mapping[str, Any], facts: HostFacts) -> list[str]:
    """What reader and safety have against an experiment on a host; the same as for anyone's file."""
    from tactician.config import parse_experiment
    from tactician.errors import ConfigurationError
    from tactician.safety import refusals

    try:
        parsed = parse_experiment(json.loads(json.dumps(experiment)), "proposal")
    except ConfigurationError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return [f"{problem.path}: {problem.message}" for problem in refusals(parsed, facts=host_numbers(facts))]


def _latency(intent: Intent, bench: Bench) -> dict[str, Any]:
    """The bound on latency, and patience with trials that break it."""
    limit = intent.limits.latency
    metric = "" if limit is None else bench.latency.get(limit.quantile, "")
    return (
        {"limits": {metric: limit.seconds}, "max_failures": _PATIENCE} if limit is not None and metric else {}
    )


def _name(intent: Intent, bench: Bench) -> str:
    return f"{intent.service or intent.workload_class} {intent.objective} by {bench.name}"


def _timeout(bench: Bench) -> int:
    """Three times what a run should take, and time to load: a run that is far slower has failed."""
    return max(30, int(4 * bench.seconds) + 10)


def _service(site: Site, name: str) -> dict[str, Any]:
    """How the settings of a service are reached: as it was found."""
    found: dict[str, Any] = {"allow_restart": site.intent.limits.restart is True}
    service = site.service
    if service is None or service.name != name:
        return found
    if name == "postgresql":
        socket = next((path for path in service.sockets if ".s.PGSQL." in path), "")
        if socket:
            found |= {"socket": socket.rpartition("/")[0], "port": int(socket.rpartition(".")[2])}
        elif service.ports:
            found |= {"host": "127.0.0.1", "port": service.ports[0]}
    elif name == "redis" and service.ports:
        found |= {"host": "127.0.0.1", "port": service.ports[0]}
    elif name == "redis" and service.sockets:
        found |= {"socket": service.sockets[0]}
    elif name == "nginx" and service.config_file:
        found |= {"path": service.config_file}
    return found


def _range(item: Mapping[str, Any]) -> str:
    values = item.get("values")
    return ", ".join(map(str, values)) if values else f"{item.get('min')} to {item.get('max')}"


def _why_budget(intent: Intent) -> str:
    limits = intent.limits
    if limits.minutes is not None:
        return f"{limits.minutes:g} minutes are allowed, the proof included."
    if limits.trials is not None:
        return "As many as the words allow."
    return "Enough for so many parameters on most benchmarks; it ends early when nothing is left to gain."
