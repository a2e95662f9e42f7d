"""What the noise allows to be proven, before the first trial, and which parameters mattered, at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tactician.events import PowerAssessed, RunStarted
from tactician.experiment import Budget
from tactician.observers._text import Line, counted, duration


def power_lines(event: PowerAssessed, started: RunStarted | None) -> list[Line]:
    """Noise, what this budget proves, and what a smaller improvement would take."""
    found = event.found
    low, high = found["noise_interval"]
    source = f"{low:.2g} to {high:.2g} %, from {counted(found['baseline_runs'], 'baseline run')}"
    lines = [Line(f"  Noise of one run: {found['noise']:.2g} % ({source})")]
    time = "" if event.seconds_left is None else f": at most {duration(event.seconds_left)}"
    least = found["provable_improvement"]
    proof = "no proof of anything" if least is None else f"the proof of at least {least:.2g} %"
    trials = "" if started is None else f"{_trials(started.experiment.budget)} and "
    lines.append(Line(f"  {trials[:1].upper()}{trials[1:]}{proof}{time}"))
    wanted = found["suggestion"]
    if least is None or least > wanted["improvement"]:
        lines.append(Line(f"  {_suggestion(wanted)}"))
    return lines


def regression_line(result: Mapping[str, Any]) -> str:
    """How many trials lost more than was to be lost; empty where nothing was said of it."""
    found = result.get("regressions")
    if not found:
        return ""
    share = f"{100.0 * found['share']:.3g} %"
    return f"Lost more than {found['max_regression']:g} %: {counted(found['trials'], 'trial')} ({share})"


def effect_lines(result: Mapping[str, Any]) -> list[Line]:
    """A line for every parameter without a measurable effect, and for those of which nothing is known."""
    effects: Mapping[str, Mapping[str, Any]] = result.get("effects") or {}
    inert = {name: found for name, found in effects.items() if found["verdict"] == "inert"}
    unknown = [name for name, found in effects.items() if found["verdict"] == "unknown"]
    lines = [
        Line(f"  {name}: no measurable effect (at most {100.0 * found['high']:.2g} % of the variation)")
        for name, found in inert.items()
    ]
    if unknown and len(unknown) < len(effects):
        lines.append(Line(f"  not enough trials to tell: {', '.join(unknown)}"))
    elif unknown:
        lines.append(Line("  not enough trials to tell which parameters matter"))
    return [Line(""), Line("What mattered:"), *lines] if lines else []


def finding_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same as name and value, for a run that is over."""
    power = result.get("power")
    if power:
        least = power["provable_improvement"]
        provable = "nothing can be proven" if least is None else f"{least:.2g} % can be proven"
        yield "Noise", f"{power['noise']:.2g} % a run; {provable}"
    if result.get("decision"):
        yield "Decided", str(result["decision"])
    if regression := regression_line(result):
        yield "Regressions", regression
    for name, found in (result.get("effects") or {}).items():
        share = f"{100.0 * found['low']:.0f} to {100.0 * found['high']:.0f} % of the variation"
        said = {"inert": "none measurable", "matters": "matters"}.get(found["verdict"], "unknown")
        yield f"Effect: {name}", f"{said} ({share})"


def _trials(budget: Budget) -> str:
    if budget.trials is not None:
        return counted(budget.trials, "trial")
    return "no limit" if budget.seconds is None else f"{duration(budget.seconds)} of trials"


def _suggestion(wanted: Mapping[str, Any]) -> str:
    improvement = f"{wanted['improvement']:.2g} %"
    if wanted["rounds"] is None:
        return f"No number of rounds proves {improvement} here; longer benchmark runs may."
    time = "" if wanted["seconds"] is None else f", {duration(wanted['seconds'])} of verification"
    return f'To prove {improvement}: "verification": {{"rounds": {wanted["rounds"]}}}{time}'
