"""How a plan and a result look in a terminal: tables for what was chosen and why, text as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli_ai.strategist.llm_text import clean
from cli_ai.strategist.proposal import Proposal


def plan_view(proposal: Proposal) -> RenderableType:
    """A plan with everything that a yes should rest on."""
    parts: list[RenderableType] = []
    document = proposal.experiment
    if document is not None:
        parts += [
            Text(clean(str(document.get("workload_name", ""))), style="bold"),
            _knobs(proposal, document),
        ]
        parts.append(_line("benchmark", document.get("benchmark_command")))
        parts.append(_line("metric", document.get("reward_metric")))
        parts.append(_line("budget", _budget(document)))
        named = {str(item.get("param")) for item in document.get("action_space", [])}
        parts += [
            _line(reason.choice, f"{reason.value}: {reason.why}" if reason.value else reason.why)
            for reason in proposal.reasons
            if reason.choice not in named
        ]
    parts += [_line("power", proposal.power)] if proposal.power else []
    parts += [_line("refused", f"{one.asked}: {one.why}", "yellow") for one in proposal.refused]
    parts += [_line("missing", one, "yellow") for one in proposal.missing]
    parts += [
        _line("open", f"{one.question} (assumed: {one.assumed})" if one.assumed else one.question, "yellow")
        for one in proposal.questions
    ]
    parts += [_line("note", note) for note in proposal.notes]
    parts += [_line("made by", proposal.strategist)]
    return Group(*parts)


def result_view(result: Mapping[str, Any], changes: Iterable[tuple[str, Any, Any]]) -> RenderableType:
    """What was proven, and what the best configuration changes.

    Args:
        result: as documented for ``tune --json``.
        changes: name, original and best value of what differs.
    """
    low, high = result.get("improvement_interval") or (None, None)
    if result.get("significant") and low is not None:
        said = (
            f"proven: {result['improvement']:+.1f} % [{low:+.1f}, {high:+.1f}] of {result['reward_metric']}"
        )
    else:
        said = f"no improvement of {result.get('reward_metric')} was proven; the original stays best"
    parts: list[RenderableType] = [Text(said, style="bold")]
    if result.get("significant"):
        table = Table(box=None, pad_edge=False)
        for heading in ("setting", "was", "best"):
            table.add_column(heading)
        for name, was, best in changes:
            table.add_row(Text(clean(name)), Text(clean(str(was))), Text(clean(str(best))))
        parts.append(table)
    restored = "yes" if result.get("restored") else "NO: see tactician recover"
    parts.append(_line("host restored", restored))
    return Group(*parts)


def _knobs(proposal: Proposal, document: Mapping[str, Any]) -> Table:
    why = {reason.choice: reason for reason in proposal.reasons}
    table = Table(box=None, pad_edge=False)
    for heading in ("knob", "range", "why", "source"):
        table.add_column(heading, overflow="fold")
    for item in document.get("action_space", []):
        name = str(item.get("param", ""))
        reason = why.get(name)
        cells = (name, _range(item), reason.why if reason else "", reason.source if reason else "")
        table.add_row(*(Text(clean(cell, 300)) for cell in cells))
    return table


def _range(item: Mapping[str, Any]) -> str:
    if item.get("values"):
        return ", ".join(str(value) for value in item["values"])
    return f"{item.get('min'):g} to {item.get('max'):g}" if item.get("max") is not None else ""


def _budget(document: Mapping[str, Any]) -> str:
    budget = document.get("budget") or {"trials": 30}
    return ", ".join(f"{value:g} {unit}" for unit, value in budget.items() if value)


def _line(name: str, value: object, style: str = "") -> Text:
    return Text.assemble((f"{name}: ", "dim"), (clean(str(value), 2000), style))
