"""What becomes of knobs that a request names: wanted, or refused with the catalogue's reason."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cli_ai.strategist.proposal import Refused
from cli_ai.strategist.rules.knob_names import knob_of
from cli_ai.strategist.rules.limits import Limits
from cli_ai.strategist.rules.words import Clause, Request
from tactician import catalogue

_VALUE = re.compile(r"-?\d+(?:\.\d+)?")
_BETWEEN = ("to", "=", "as", "at", "be", "is", "value", "为", "到", "成")
_OFF = (
    "off",
    "no",
    "disable",
    "disabled",
    "disabling",
    "without",
    "turn",
    "关",
    "关闭",
    "关掉",
    "禁用",
    "0",
    "never",
)


def named(request: Request, limits: Limits) -> tuple[tuple[str, ...], tuple[Refused, ...]]:
    """Sort the knobs of a request into those that may be tuned and those that may not be.

    Returns:
        The names that are wanted, and what is refused.
    """
    wanted: dict[str, None] = {}
    refused: dict[str, Refused] = {}
    for clause in request.clauses:
        for index, word in enumerate(clause.words):
            name = knob_of(word)
            if not name or name in refused:
                continue
            why = _objection(name, clause, index)
            if why:
                refused[name] = Refused(asked=name, why=why)
            elif limits.allows(name):
                wanted[name] = None
    return tuple(name for name in wanted if name not in refused), tuple(refused.values())


def _objection(name: str, clause: Clause, index: int) -> str:
    """Why what is asked of a knob is not done; empty if it may be tuned."""
    danger = catalogue.danger(name)
    if danger is not None:
        return f"{name} is never tuned: {danger}"
    gone = catalogue.absent(name)
    if gone is not None and catalogue.entry(name) is None:
        return f"{name} is gone since Linux {gone.since}: {gone.reason}"
    risky = catalogue.durability_risks(name)
    if risky and _asks_for(risky, clause, index):
        return f"it wins by giving up crash safety; tune --allow-durability {name} accepts the loss of data"
    return "" if risky else _out_of_range(name, clause, index)


def _asks_for(risky: tuple[str, ...], clause: Clause, index: int) -> bool:
    near = clause.words[max(0, index - 4) : index + 4]
    value = clause.words[index].partition("=")[2]
    return any(word in _OFF or word in risky for word in (*near, value))


def _out_of_range(name: str, clause: Clause, index: int) -> str:
    entry = catalogue.entry(name)
    if entry is None:
        return ""
    for value in _values(clause, index):
        low, high = entry.low, entry.high
        if isinstance(low, int | float) and value < low:
            return f"{value:g} is below the safe range, which begins at {low:g} ({entry.source})"
        if isinstance(high, int | float) and value > high:
            return f"{value:g} is above the safe range, which ends at {high:g} ({entry.source})"
    return ""


def _values(clause: Clause, index: int) -> Iterator[float]:
    """The numbers that a knob is to be set to."""
    own = clause.words[index].partition("=")[2]
    if _VALUE.fullmatch(own):
        yield float(own)
    for word in clause.words[index + 1 : index + 4]:
        if _VALUE.fullmatch(word):
            yield float(word)
        elif word not in _BETWEEN:
            return
