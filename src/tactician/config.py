"""Turns an experiment file into frozen data, or lists at once everything that is wrong with it.

The way of a file: plain values (``_config_text``) -> shape (``_config_shape``) -> parameters
(``_config_parameters``) and the checks across keys, here.
Every stage only notes what is wrong and hands on what is sound, so that one run shows the whole list.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from oppertune.core.space import Constraint, Space
from oppertune.core.values import Categorical
from tactician._config_models import Document
from tactician._config_parameters import VARIABLE, placeholders, read_parameters
from tactician._config_services import read_services
from tactician._config_shape import document_schema, read_shape
from tactician._config_text import Findings, near, plain, read_document, shown
from tactician.errors import ConfigurationError
from tactician.experiment import (
    DEFAULT_STATE_METRICS,
    THROW_AWAY,
    Budget,
    Experiment,
    Guardrails,
    Metric,
    Pacing,
    RewardWeights,
    Training,
    TunedParameter,
    Verification,
    Workload,
)

__all__ = ["KNOWN_STATE_METRICS", "json_schema", "load_experiment", "parse_experiment"]

DEFAULT_DURATION_S = 10

KNOWN_STATE_METRICS: Mapping[str, Sequence[str]] = {
    "cpu_utilization": ("cpu_usage", "cpu_util", "cpu_load", "cpu"),
    "io_wait": ("iowait", "cpu_iowait", "io_wait_time"),
    "memory_usage": ("memory_utilization", "memory_used", "mem_usage", "mem_utilization", "memory"),
    "cpu_pressure": ("psi_cpu", "cpu_psi"),
    "io_pressure": ("psi_io", "io_psi"),
    "memory_pressure": ("psi_memory", "memory_psi", "mem_pressure"),
    "load_average": ("loadavg", "load_avg", "load"),
    "context_switches": ("context_switch_rate", "ctxt"),
    "swap_usage": ("swap_utilization", "swap_used", "swap"),
    "disk_utilization": ("disk_usage", "disk_util", "io_utilization"),
}
"""Every system metric that can be observed, with the other names that are taken for it."""


def load_experiment(path: str | Path) -> Experiment:
    """Read an experiment from a JSON or YAML file.

    Args:
        path: ``.json`` is read as JSON, ``.yaml`` and ``.yml`` as YAML; anything else as whichever it is.

    Returns:
        The experiment, valid as far as a file alone can tell.

    Raises:
        ConfigurationError: the file cannot be read or used; it lists every problem by path.
    """
    return _parse(read_document(Path(path)), str(path))


def parse_experiment(document: Mapping[str, object], source: str = "") -> Experiment:
    """Read an experiment from a mapping, such as a parsed JSON object.

    Args:
        document: the configuration; it is copied, never changed.
        source: where it comes from, for messages.

    Returns:
        The experiment, valid as far as a document alone can tell.

    Raises:
        ConfigurationError: the document cannot be used; it lists every problem by path.
    """
    return _parse(document, source)


def json_schema() -> dict[str, object]:
    """The JSON Schema (Draft 2020-12) of a configuration, with a description of every key."""
    return document_schema()


def _parse(document: object, source: str) -> Experiment:
    found = Findings()
    values = plain(document, found)
    experiment = None
    if isinstance(values, dict):
        experiment = _experiment(read_shape(values, found), values, found)
    elif not found.at(()):
        found.add((), f"must be an object with keys and values, not {shown(values)}")
    if experiment is None:
        raise ConfigurationError(found.problems(values), source)
    return experiment


def _experiment(doc: Document, values: Mapping[str, object], found: Findings) -> Experiment | None:
    for key in ("workload_name", "reward_metric"):
        if not (getattr(doc, key) or "").isprintable():
            found.add((key,), "must be one line of printable text")
    _check_metric(doc, found)
    _check_surroundings(doc, found)
    duration = _duration(doc, found)
    parameters = read_parameters(doc, found)
    services = read_services(doc, found)
    constraints = _constraints(doc, parameters, found)
    states = _state_metrics(doc, found)
    reward = _reward(doc, found)
    budget = _budget(doc, found)
    if found.below(()) or not (doc.workload_name and doc.reward_metric and doc.benchmark_command):
        return None
    training = Training(**doc.training_config.model_dump())
    workload = Workload(
        command=doc.benchmark_command,
        timeout_s=training.benchmark_timeout,
        duration_s=duration,
        setup_command=doc.setup_command,
        teardown_command=doc.teardown_command,
        user=doc.benchmark_user,
        environment=dict(doc.environment or {}),
        progress_pattern=doc.progress_pattern,
    )
    # Keys that were not named keep the defaults of Experiment, so that each default is written down once.
    named = {
        name: value
        for name in ("algorithm", "algorithm_args", "baseline_runs", "max_failures", "stop_early")
        if (value := getattr(doc, name)) is not None
    }
    if doc.max_regression is not None:
        named.setdefault("algorithm", "auto")  # the default of an experiment cannot keep to a floor
    named |= {
        name: percent / 100.0
        for name in ("target_improvement", "worthwhile_improvement", "max_regression")
        if (percent := getattr(doc, name)) is not None
    }
    return Experiment(
        workload_name=doc.workload_name,
        metric=Metric(doc.reward_metric, doc.goal, doc.metric_pattern, doc.metric_path),
        workload=workload,
        parameters=parameters,
        constraints=constraints,
        state_metrics=states,
        training=training,
        reward=reward,
        budget=budget,
        verification=Verification(**doc.verification.model_dump()),
        pacing=Pacing(**doc.pacing.model_dump()),
        guardrails=_guardrails(doc),
        limits=dict(doc.limits or {}),
        services=services,
        network_namespace=doc.network_namespace,
        random_seed=doc.random_seed,
        document=values,
        **named,
    )


# ---- the metric, the reward, the budget --------------------------------------------------------------------


def _check_metric(doc: Document, found: Findings) -> None:
    if doc.metric_pattern is not None:
        if doc.metric_path is not None:
            found.add(("metric_path",), "cannot stand beside metric_pattern; keep one of them")
        compiled = _compiled(doc.metric_pattern, "metric_pattern", found)
        if compiled is not None and compiled.groups != 1:
            hint = "put one around the number" if compiled.groups == 0 else "write the others as (?:...)"
            found.add(("metric_pattern",), f"must have exactly one (group), not {compiled.groups}; {hint}")
    if doc.progress_pattern is not None:
        compiled = _compiled(doc.progress_pattern, "progress_pattern", found)
        if compiled is not None and "value" not in compiled.groupindex:
            found.add(("progress_pattern",), "must have a group (?P<value>...) around the interval's number")
        elif compiled is not None and (others := set(compiled.groupindex) - {"value", "seconds"}):
            listed = ", ".join(sorted(others))
            found.add(("progress_pattern",), f"has the group {listed}; known are value and seconds")
    if doc.metric_path is not None and not all(part.strip() for part in doc.metric_path.split(".")):
        found.add(("metric_path",), f"{shown(doc.metric_path)} has an empty step between dots")
    elif doc.metric_path is not None and re.search(r"[\[\]$]", doc.metric_path):
        found.add(("metric_path",), "is dotted, without brackets or $; write jobs.0.read.iops")


def _compiled(pattern: str, key: str, found: Findings) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as a nested set: it compiles and means what it says
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        found.add((key,), f"is no regular expression: {error}")
        return None


def _reward(doc: Document, found: Findings) -> RewardWeights:
    if doc.reward is None or found.below(("reward",)):
        return RewardWeights()
    performance, stability = doc.reward.performance, doc.reward.stability
    if performance is None and stability is None:
        found.add(("reward",), "is empty; give performance, stability or both")
        return RewardWeights()
    for name, given, other in (
        ("performance", performance, stability),
        ("stability", stability, performance),
    ):
        if other is None and given is not None and given > 1:
            found.add(("reward", name), f"{given} alone is above 1; give the other weight too")
            return RewardWeights()
    # One weight alone is a share of 1, as in "performance: 0.8".
    performance = 1 - (stability or 0) if performance is None else performance
    stability = 1 - performance if stability is None else stability
    total = performance + stability
    if total == 0:
        found.add(("reward",), "performance and stability cannot both be 0")
        return RewardWeights()
    return RewardWeights(performance / total, stability / total)


def _budget(doc: Document, found: Findings) -> Budget:
    if doc.budget is not None:
        if doc.budget.trials is None and doc.budget.minutes is None and not found.below(("budget",)):
            found.add(("budget",), "is empty; give trials, minutes or both")
        minutes = doc.budget.minutes
        return Budget(doc.budget.trials, None if minutes is None else minutes * 60, "budget")
    if "total_timesteps" in doc.training_config.model_fields_set:
        return Budget(trials=doc.training_config.total_timesteps, source="total_timesteps")
    return Budget()


def _guardrails(doc: Document) -> Guardrails:
    given = doc.guardrails.model_dump(exclude_none=True)
    for name in ("health_interval", "health_timeout"):
        if name in given:
            given[f"{name}_s"] = given.pop(name)
    if "health_ports" in given:
        given["health_ports"] = tuple(dict.fromkeys(doc.guardrails.health_ports or ()))
    return Guardrails(**given)


def _state_metrics(doc: Document, found: Findings) -> tuple[str, ...]:
    if doc.state_space is None:
        return DEFAULT_STATE_METRICS
    aliases = {other: name for name, others in KNOWN_STATE_METRICS.items() for other in others}
    metrics: list[str] = []
    for index, item in enumerate(doc.state_space):
        if item is None or item.metric is None:
            continue
        where = ("state_space", index, "metric")
        metric = aliases.get(item.metric, item.metric)
        if metric not in KNOWN_STATE_METRICS:
            guess = near(metric, [*KNOWN_STATE_METRICS, *aliases])
            hint = f"did you mean {guess}?" if guess else f"known are {', '.join(KNOWN_STATE_METRICS)}"
            found.add(where, f"{shown(metric)} is not known; {hint}")
        elif metric in metrics:
            found.add(where, f"{metric} is observed already; remove one of the two")
        else:
            metrics.append(metric)
    return tuple(metrics)


# ---- the command and what is around it ---------------------------------------------------------------------

_NAMESPACE = re.compile(r"[A-Za-z0-9_][\w.:@+-]*|(/[\w.:@+-]+)+", re.ASCII)


def _duration(doc: Document, found: Findings) -> float | None:
    if "duration" not in placeholders(doc.benchmark_command):
        if doc.duration is not None and doc.benchmark_command is not None:
            found.add(("duration",), "has no effect; write {duration} into benchmark_command or remove it")
        return None
    duration = DEFAULT_DURATION_S if doc.duration is None else doc.duration
    timeout = doc.training_config.benchmark_timeout
    if duration >= timeout and not found.at(("training_config", "benchmark_timeout")):
        where = ("training_config", "benchmark_timeout") if doc.duration is None else ("duration",)
        found.add(
            where, f"a run of {duration:g} s would never end within benchmark_timeout, which is {timeout:g} s"
        )
    # Whole seconds stay whole: many tools refuse "-d 10.0".
    return int(duration) if float(duration).is_integer() else duration


def _check_surroundings(doc: Document, found: Findings) -> None:
    for name in doc.environment or {}:
        if not VARIABLE.fullmatch(name):
            found.add(("environment", name), "is no variable name; use letters, digits and _, no digit first")
    for name in doc.algorithm_args or {}:
        if not name.isidentifier():
            found.add(("algorithm_args", name), "is no argument name; use letters, digits and _")
    namespace = doc.network_namespace
    if namespace is None or namespace == THROW_AWAY:
        return
    if re.sub(r"[\W_]", "", namespace).lower() == "throwaway":
        found.add(("network_namespace",), f"must be {THROW_AWAY}, not {shown(namespace)}")
    elif not _NAMESPACE.fullmatch(namespace) or ".." in namespace:
        found.add(("network_namespace",), f"{shown(namespace)} is neither {THROW_AWAY} nor a name or path")


def _constraints(
    doc: Document, parameters: Sequence[TunedParameter], found: Findings
) -> tuple[Constraint, ...]:
    items = doc.action_space or ()
    names = [item.param for item in items if item is not None and item.param is not None]
    if len(names) < len(items):
        return ()  # the name that a constraint misses may be the one that is broken
    tuned = {entry.name: entry for entry in parameters}
    made = []
    for index, text in enumerate(doc.constraints or ()):
        if text is None:
            continue
        try:
            constraint = Constraint.parse(text, names)
            trouble = _constraint_trouble(constraint, tuned)
        except (ValueError, ArithmeticError) as error:
            trouble = str(error)
        else:
            made.append(constraint)
        if trouble:
            found.add(("constraints", index), trouble)
    if made and not found.below(("constraints",)) and not found.below(("action_space",)):
        try:
            Space([entry.parameter for entry in parameters], made)
        except (ValueError, ArithmeticError) as error:
            found.add(("constraints",), f"cannot hold within these ranges: {error}")
    return tuple(made)


def _constraint_trouble(constraint: Constraint, tuned: Mapping[str, TunedParameter]) -> str:
    known = [tuned[name] for name in constraint.names if name in tuned]
    for entry in known:
        if isinstance(entry.parameter, Categorical):
            return f"{entry.name} has values, not numbers; only numbers can be compared"
    starts = {entry.name: entry.start for entry in known if entry.start is not None}
    if len(starts) < len(constraint.names) or constraint.holds(starts):
        return ""
    listed = " and ".join(f"{name} = {start}" for name, start in starts.items())
    return f"does not hold for the baseline {listed}; declare another default"
