"""What is said before anything is touched: what will change, how it is undone, how long it takes."""

from __future__ import annotations

from oppertune.core.values import Categorical
from tactician.events import RunStarted
from tactician.experiment import Experiment, TunedParameter
from tactician.observers._text import Line, counted, duration, setting

RULE = "=" * 80
_LONG_SECONDS = 3 * 3600
_SUGGESTED_TRIALS = 30


def opening(event: RunStarted) -> list[Line]:
    """The banner and the announcement."""
    experiment = event.experiment
    lines = [
        Line(RULE),
        Line("RL Autotuner Environment Initialized", "bold"),
        Line(RULE),
        Line(f"Workload: {experiment.workload_name}"),
        Line(f"Reward Metric: {experiment.metric.name}"),
        Line(f"Action Space: {counted(len(experiment.parameters), 'parameter')}"),
        Line(f"State Space: {counted(len(experiment.state_metrics), 'metric')}"),
        Line(RULE),
        Line(""),
        Line("What will change (now -> range that is tried):", "bold"),
    ]
    longest = max((len(tuned.name) for tuned in experiment.parameters), default=0)
    lines += [Line(_change(tuned, event, longest)) for tuned in experiment.parameters]
    if event.dry_run:
        lines.append(
            Line("Dry run: the host is simulated, nothing is written and no benchmark runs.", "yellow")
        )
    elif experiment.throw_away:
        lines.append(Line("All of it happens in a throw-away network namespace; the host keeps its values."))
    lines.append(Line(f"How it will be undone: {event.undo}"))
    lines.append(Line(f"How long it will take: {_time(event)}"))
    if (suggestion := _suggestion(event)) is not None:
        lines.append(Line(suggestion, "yellow"))
    if event.resumed_trials:
        lines.append(Line(f"Taken over from before: {counted(event.resumed_trials, 'trial')}"))
    return lines


def _change(tuned: TunedParameter, event: RunStarted, longest: int) -> str:
    now = setting(event.original[tuned.name]) if tuned.name in event.original else "unset"
    start = event.baseline.get(tuned.name)
    if start is not None and start != event.original.get(tuned.name):
        now = f"{now} (declared start: {setting(start)})" if tuned.on_host else setting(start)
    return f"  {tuned.name:<{longest}}  {now} -> {_range(tuned)}"


def _range(tuned: TunedParameter) -> str:
    parameter = tuned.parameter
    if isinstance(parameter, Categorical):
        return "one of " + ", ".join(str(choice) for choice in parameter.categories)
    step = getattr(parameter, "step", None)
    stepped = "" if step in (None, 1) else f" in steps of {setting(step)}"
    return f"{setting(parameter.min)} .. {setting(parameter.max)}{stepped}"


def _time(event: RunStarted) -> str:
    experiment = event.experiment
    spent = _budget(experiment)
    if event.seconds_estimate is None:
        return f"not known before the first benchmark; {spent}"
    return f"about {duration(event.seconds_estimate)}; {spent}"


def _budget(experiment: Experiment) -> str:
    budget = experiment.budget
    parts = []
    if budget.trials is not None:
        parts.append(counted(budget.trials, "trial"))
    if budget.seconds is not None:
        parts.append(f"{duration(budget.seconds)} of trials")
    said = {
        "budget": "",
        "total_timesteps": " (as total_timesteps says)",
        "default": " (the default; name a budget to change it)",
    }[budget.source]
    return f"{' or '.join(parts) or 'no limit'}{said} by {experiment.algorithm}, then verification"


def _suggestion(event: RunStarted) -> str | None:
    """What a smaller budget would cost, where total_timesteps asks for hours or days."""
    budget, estimate = event.experiment.budget, event.seconds_estimate
    if budget.source != "total_timesteps" or budget.trials is None or budget.trials <= _SUGGESTED_TRIALS:
        return None
    if estimate is None:
        return f"That many trials can take days; --budget {_SUGGESTED_TRIALS} is often enough."
    if estimate < _LONG_SECONDS:
        return None
    less = estimate * _SUGGESTED_TRIALS / budget.trials
    return (
        f"That is long: --budget {_SUGGESTED_TRIALS} would take about {duration(less)}, and is often enough."
    )
