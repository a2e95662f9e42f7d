"""What is said at the end: only what verification proved, what was restored, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tactician.events import RunStarted
from tactician.experiment import Experiment
from tactician.observers._commands import benchmark_command, host_commands
from tactician.observers._findings import effect_lines, regression_line
from tactician.observers._opening import RULE
from tactician.observers._text import Line, claim, number, setting, settings

NOTHING_WON = "no significant improvement; keep the defaults"
_OWN = "kernel defaults"
_TITLES = {
    "interrupted": "Optimization Interrupted",
    "failures": "Optimization Stopped: too many failures in a row",
    "safety": "Optimization Stopped by a guardrail",
    "error": "Optimization Failed",
}
_Result = Mapping[str, Any]


def closing(result: _Result, started: RunStarted | None) -> list[Line]:
    """The closing summary between its rules."""
    complete = str(result.get("stopped_because")) not in _TITLES
    title = _TITLES.get(str(result.get("stopped_because")), "Optimization Complete!")
    lines = [Line(""), Line(RULE), Line(title, "bold" if complete else "bold yellow"), Line(RULE)]
    if result.get("error"):
        lines.append(Line(f"Reason: {result['error']}", "red"))
    lines += _figures(result, started)
    lines += _improvements(result, started)
    lines += _configuration(result, started)
    lines += effect_lines(result)
    lines += _restored(result, started)
    lines += _next(result, started)
    return [*lines, Line(RULE)]


def verdict(result: _Result, started: RunStarted | None) -> list[Line]:
    """The same in a line or two, for ``--quiet``."""
    name, run_id = result.get("workload_name", "run"), result.get("run_id", "")
    lines = []
    if result.get("error"):
        lines.append(Line(f"{name}: failed: {result['error']}", "red"))
    elif not result.get("significant"):
        ended = _TITLES.get(str(result.get("stopped_because")))
        early = "" if ended is None else f"{ended}; "
        lines.append(Line(f"{name}: {early}{NOTHING_WON} (tactician show {run_id})"))
    else:
        claims = "; ".join(
            f"{_said(found)} against {reference_name(found['reference'], started)}"
            for found in _verdicts(result)
        )
        where = " (dry run, simulated)" if result.get("dry_run") else ""
        lines.append(Line(f"{name}: {claims}{where}", "bold green"))
        lines.append(Line(f"{settings(result.get('best_config') or {})} (tactician show {run_id})"))
    return lines + _not_restored(result)


def verified(found: _Result, started: RunStarted | None) -> list[Line]:
    """One verdict as the verification ends."""
    against = f"against {reference_name(found['reference'], started)}"
    style = "bold green" if found["significant"] else "yellow"
    return [
        Line(f"  Verified {against}: {_said(found)}", style),
        Line(f"  {_measured(found)}: {found['reason']}"),
    ]


def reference_name(reference: str, started: RunStarted | None) -> str:
    """What a verdict compared with, in words."""
    if reference == _OWN:
        return "this kernel's own defaults"
    if started is not None and any(tuned.start is not None for tuned in started.experiment.parameters):
        return "the declared start"
    return "what was set before"


def _figures(result: _Result, started: RunStarted | None) -> list[Line]:
    lines = [Line(f"Workload: {result.get('workload_name', '')}")]
    trials, failed = int(result.get("trials", 0)), int(result.get("failed_trials", 0))
    if started is not None:
        longest = max(1, started.experiment.training.max_steps_per_episode)
        lines.append(Line(f"Total Episodes: {math.ceil(trials / longest)}"))
    aborted = int(result.get("aborted_trials", 0))
    crossed = int(result.get("guardrail_trials", 0))
    parts = ([f"{failed} failed"] if failed else []) + ([f"{aborted} ended early"] if aborted else [])
    parts += [f"{crossed} crossed a guardrail"] if crossed else []
    lines.append(Line(f"Total Trials: {trials}" + (f" ({', '.join(parts)})" if parts else "")))
    if lost := regression_line(result):
        lines.append(Line(lost))
    if result.get("gradient_steps") is not None:
        lines.append(Line(f"Gradient Steps: {result['gradient_steps']}"))
    baseline = result.get("baseline") or {}
    unit = f" {baseline['unit']}" if baseline.get("unit") else ""
    if baseline.get("median") is not None:
        lines.append(Line(f"Baseline Performance: {number(baseline['median'])}{unit}"))
    if found := next(iter(_verdicts(result)), None):
        label = "Best Performance" if found["significant"] else "Candidate Performance"
        how = f"verified, {found['rounds']} rounds"
        reference = f"baseline {number(found['reference_median'])}{unit}"
        lines.append(Line(f"{label}: {number(found['candidate_median'])}{unit} ({how}; {reference})"))
        calm = f"{found['candidate_stability']:.2f} (baseline {found['reference_stability']:.2f})"
        lines.append(Line(f"Stability: {calm}"))
    return lines


def _improvements(result: _Result, started: RunStarted | None) -> list[Line]:
    verdicts = _verdicts(result)
    if not verdicts:
        decision = result.get("decision")
        return [
            Line(f"Improvement: {NOTHING_WON}", "bold"),
            *([Line(f"  Decided: {decision}.")] if decision else []),
            Line("  Nothing was verified, so nothing is claimed."),
        ]
    lines = []
    for found in verdicts:
        against = f"against {reference_name(found['reference'], started)}"
        if found["significant"]:
            # One comparison needs no name; with two, each says which it is.
            which = f" {against}" if len(verdicts) > 1 else ""
            lines.append(Line(f"Improvement: {_said(found)}{which}", "bold green"))
            continue
        said = f"no significant improvement {against}; keep them" if _is_own(found) else NOTHING_WON
        lines += [Line(f"Improvement: {said}", "bold"), Line(f"  Measured {against}: {_interval(found)}")]
    return lines


def _configuration(result: _Result, started: RunStarted | None) -> list[Line]:
    if not result.get("significant"):
        return [Line(""), Line("Keep what you have: there is nothing to apply.")]
    best = result.get("best_config") or {}
    lines = [Line(""), Line("Optimal Configuration:", "bold")]
    lines += [Line(f"  {name} = {setting(value)}") for name, value in best.items()]
    if result.get("dry_run"):
        note = "This was a dry run: the numbers are of a simulated host, so there is nothing to apply."
        return [*lines, Line(""), Line(note, "yellow")]
    return lines if started is None else lines + _how_to_apply(result, started.experiment, best)


def _how_to_apply(result: _Result, experiment: Experiment, best: Mapping[str, Any]) -> list[Line]:
    lines = [Line("")]
    commands = host_commands(experiment, best)
    # Better than a start that this kernel left behind long ago is no reason to change this host.
    kept = any(_is_own(found) and not found["significant"] for found in _verdicts(result))
    if commands:
        if experiment.throw_away:
            lines.append(Line("The values were in a throw-away network namespace that no longer exists."))
        if kept:
            lines.append(Line("Against this kernel's own defaults nothing was won: keep what you have here."))
            lines.append(Line("On a host that has the declared start, run:"))
        elif experiment.throw_away:
            lines.append(Line("To apply this configuration to a host with this workload, run:"))
        else:
            lines.append(Line("To apply this configuration permanently, run:"))
        lines += [Line(f"  {command}", command=True) for command in commands]
        lines.append(Line("This holds until the next boot; exported files hold for longer (see below)."))
    if (command := benchmark_command(experiment, best)) is not None:
        lines += [
            Line("The benchmark's own command with this configuration:"),
            Line(f"  {command}", command=True),
        ]
    return lines


def _restored(result: _Result, started: RunStarted | None) -> list[Line]:
    if not result.get("restored", True):
        return _not_restored(result)
    if result.get("dry_run"):
        return [Line(""), Line("Restored: nothing was written.")]
    if started is None:
        return [Line(""), Line("Restored: everything is as it was.")]
    experiment = started.experiment
    host = {
        t.name: started.original[t.name]
        for t in experiment.parameters
        if t.on_host and t.name in started.original
    }
    if not host:
        said = "nothing on the host was changed, only the benchmark's own command."
    elif experiment.throw_away:
        said = "the throw-away namespace is gone, and this host kept its own values throughout."
    else:
        said = f"every value is as it was: {settings(host)}"
    return [Line(""), Line(f"Restored: {said}")]


def _not_restored(result: _Result) -> list[Line]:
    if result.get("restored", True):
        return []
    lines = [
        Line(""),
        Line("NOT RESTORED: this host is not as it was. Set by hand, or run tactician recover:", "bold red"),
    ]
    return lines + [
        Line(f"  {entry.get('path', '')}: {entry.get('message', '')}", "red")
        for entry in result.get("not_restored", ())
    ]


def _next(result: _Result, started: RunStarted | None) -> list[Line]:
    run_id = result.get("run_id", "")
    lines = [
        Line(""),
        Line(f"Run: {run_id}"),
        Line("Next:"),
        Line(f"  tactician show {run_id}", command=True),
    ]
    if not result.get("significant") or result.get("dry_run"):
        return lines
    if started is not None and not any(tuned.on_host for tuned in started.experiment.parameters):
        return lines
    if started is None or not started.experiment.throw_away:
        lines.append(Line(f"  tactician apply {run_id}", command=True))
    return [*lines, Line(f"  tactician export {run_id} --format sysctl", command=True)]


def _verdicts(result: _Result) -> Sequence[_Result]:
    found: Sequence[_Result] = result.get("verdicts") or ()
    return found


def _is_own(found: _Result) -> bool:
    return bool(found["reference"] == _OWN)


def _said(found: _Result) -> str:
    return claim(found["improvement"], found["interval"]) if found["significant"] else NOTHING_WON


def _interval(found: _Result) -> str:
    if found["interval"] is None:
        return str(found["reason"])
    low, high = found["interval"]
    return f"[{low:+.1f}, {high:+.1f}] % ({found['reason']})"


def _measured(found: _Result) -> str:
    return f"{found['rounds']} rounds, {found['runs']} runs"
