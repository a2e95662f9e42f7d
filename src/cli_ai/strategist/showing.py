"""Shows a plan as lines that fit a terminal: what is tuned and why, the command, the cost, the refusals."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from cli_ai.strategist.llm_text import clean
from cli_ai.strategist.proposal import Proposal, Reason

_NARROWEST, _WIDEST = 60, 110
_LABEL = 11


def plan_lines(proposal: Proposal, width: int | None = None) -> Iterator[str]:
    """The plan in lines of at most ``width`` characters; as wide as the terminal without it."""
    columns = width if width is not None else shutil.get_terminal_size((80, 24)).columns
    columns = max(_NARROWEST, min(_WIDEST, columns))
    yield from _entry("Request", proposal.request, columns)
    understood = [proposal.workload_class or "no workload", proposal.service, proposal.objective]
    if proposal.workload_class:
        yield from _entry("Understood", ", ".join(part for part in understood if part), columns)
    if proposal.experiment is not None:
        yield ""
        yield from _knobs(proposal, columns)
        yield ""
        yield from _around(proposal, columns)
    for label, texts in (
        ("Refused", [f"{one.asked}: {one.why}" for one in proposal.refused]),
        ("Missing", list(proposal.missing)),
        ("Assumed", [f"{one.question} {one.assumed}" for one in proposal.questions]),
        ("Note", list(proposal.notes)),
    ):
        for text in texts:
            yield from _entry(label, text, columns)
    if proposal.strategist != "rules":
        yield from _entry("Made by", proposal.strategist, columns)
    if proposal.experiment is None:
        yield "There is no experiment to run."


def _knobs(proposal: Proposal, columns: int) -> Iterator[str]:
    """A table: the name and its range on one line, the reason beneath."""
    assert proposal.experiment is not None
    reasons = {reason.choice: reason for reason in proposal.reasons}
    names = [str(item["param"]) for item in proposal.experiment["action_space"]]
    widest = min(max(map(len, names), default=0), columns // 2)
    yield f"{'Knob':{widest}}  What will be tried, and why"
    yield "-" * min(columns, widest + 40)
    for name in names:
        reason = reasons.get(name, Reason(choice=name, why=""))
        tried = _wrapped(reason.value or "as declared", columns - widest - 2)
        if len(name) > widest:
            yield clean(name)
            yield from (f"{'':{widest}}  {line}" for line in tried)
        else:
            yield f"{clean(name):{widest}}  {tried[0]}"
            yield from (f"{'':{widest}}  {line}" for line in tried[1:])
        yield from (f"  {line}" for line in _wrapped(_why(reason), columns - 2))


def _why(reason: Reason) -> str:
    # The whole source stands in --json; in a terminal its name is enough.
    source = reason.source.partition(" (")[2].removesuffix(")")
    return f"{reason.why} [{source}]" if source else reason.why


def _around(proposal: Proposal, columns: int) -> Iterator[str]:
    document = proposal.experiment or {}
    reasons = {reason.choice: reason for reason in proposal.reasons}
    yield from _entry("Benchmark", str(document["benchmark_command"]), columns)
    if "benchmark_command" in reasons:
        yield from _entry("", reasons["benchmark_command"].why, columns)
    for key, label in (("setup_command", "Setup"), ("teardown_command", "Teardown")):
        if key in document:
            yield from _entry(label, str(document[key]), columns)
    why = reasons["reward_metric"].why if "reward_metric" in reasons else ""
    yield from _entry("Metric", f"{document['reward_metric']}, {document.get('goal', '')}. {why}", columns)
    for name, most in (document.get("limits") or {}).items():
        yield from _entry("Limit", f"{name} at most {most:g}; a trial beyond it has failed.", columns)
    if document.get("constraints"):
        yield from _entry("Always", "; ".join(document["constraints"]), columns)
    yield from _entry("Cost", proposal.power, columns)


def _entry(label: str, text: str, columns: int) -> Iterator[str]:
    for number, line in enumerate(_wrapped(text, columns - _LABEL - 1)):
        yield f"{label if number == 0 else '':{_LABEL}} {line}".rstrip()


def _wrapped(text: str, columns: int) -> Sequence[str]:
    lines = textwrap.wrap(clean(text, 2000), max(20, columns), break_on_hyphens=False)
    return lines or [""]
