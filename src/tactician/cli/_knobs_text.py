"""How ``tactician knobs`` looks on a terminal: a table of many, a full explanation of one."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tactician import catalogue
from tactician.system.knobs import Answer, Known

_NAME, _NOW, _RANGE = 32, 12, 20
_SIZES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_SCOPES = {
    "namespace": "one network or IPC namespace",
    "host": "the whole host",
    "device": "one device",
    "cgroup": "one control group",
    "service": "one service",
}


def table(answer: Answer, width: int, *, everything: bool) -> str:
    """Return all matches, one or two lines each.

    Args:
        answer: what was found.
        width: of the terminal.
        everything: the question was empty: leave out what this host does not have, and say how much.
    """
    shown = [known for known in answer.known if known.here or not everything]
    lines = [f"{'NAME':<{_NAME}}  {'NOW':>{_NOW}}  {'SAFE HERE':<{_RANGE}}  ACTS"] if shown else []
    for known in shown:
        lines += _row(known, width)
    lines += [f"{name}\n  never tuned: {reason}" for name, reason in answer.never]
    lines += [_gone(name, absent, width) for name, absent in answer.absent]
    if everything:
        left = len(answer.known) - len(shown)
        never = len(catalogue.dangers())
        text = (
            f"{len(shown)} of these are on this host; the catalogue knows {left} more, settings of services "
            f"among them, and {never} patterns of what is never tuned. tactician knobs NAME explains one."
        )
        lines += ["", *textwrap.wrap(text, width)]
    return "\n".join(lines)


def explanation(answer: Answer, width: int) -> str:
    """Return everything about one name."""
    blocks = [_explained(known, width) for known in answer.known]
    blocks += [_paragraph(f"{name} is never tuned: {reason}.", width) for name, reason in answer.never]
    blocks += [_gone(name, absent, width) for name, absent in answer.absent]
    return "\n\n".join(blocks)


def document(answer: Answer) -> dict[str, Any]:
    """Return the same for ``--json``."""
    knobs = [
        {
            **known.entry._asdict(),
            "range": None if known.entry.low is None else [known.entry.low, known.entry.high],
            "formula": known.formula,
            "here": [shown._asdict() for shown in known.here],
        }
        for known in answer.known
    ]
    for knob in knobs:
        del knob["low"], knob["high"]
    return {
        "knobs": knobs,
        "never_tuned": [{"name": name, "reason": reason} for name, reason in answer.never],
        "absent": [{"name": name, **absent._asdict()} for name, absent in answer.absent],
    }


def _row(known: Known, width: int) -> Iterator[str]:
    entry = known.entry
    numbers = f"{_now(known):>{_NOW}}  {_safe(entry):<{_RANGE}}  {entry.acts.partition(';')[0]}"
    if len(entry.name) <= _NAME:
        yield _cut(f"{entry.name:<{_NAME}}  {numbers}", width)
    else:
        yield entry.name
        yield _cut(f"{'':<{_NAME}}  {numbers}", width)
    yield from textwrap.wrap(entry.what, width, initial_indent="  ", subsequent_indent="  ")


def _explained(known: Known, width: int) -> str:
    entry = known.entry
    facts = [
        ("now", "; ".join(_values(known))),
        ("safe here", _safe_in_full(known)),
        ("in steps of", "" if entry.step is None else str(entry.step)),
        ("default", _number(entry.default, entry.unit) if entry.default is not None else ""),
        ("means", "; ".join(f"{value}: {meaning}" for value, meaning in entry.special.items())),
        ("fields", ", ".join(f"[{index}] {name}" for index, name in enumerate(entry.fields))),
        ("acts", entry.acts),
        ("disrupts", entry.disrupts),
        ("belongs to", _SCOPES.get(entry.scope, entry.scope)),
        ("versions", _versions(entry)),
        ("must hold", "; ".join(entry.constraints)),
        ("changes too", ", ".join(entry.pair)),
        ("see also", ", ".join(entry.couples)),
        ("also set by", ", ".join(entry.owners)),
        ("matters for", ", ".join(entry.workloads)),
        ("source", entry.source),
    ]
    lines = [entry.name, _paragraph(entry.what, width)]
    for label, text in facts:
        if text:
            lines += textwrap.wrap(
                f"{label:<13}{text}", width, initial_indent="  ", subsequent_indent=" " * 15,
                break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(lines)


def _values(known: Known) -> Iterator[str]:
    """Yield what the host shows, equal values of several places together."""
    if not known.here:
        yield "ask the service" if known.entry.kind == "service" else "not on this host"
        return
    groups: dict[str, list[str]] = {}
    for name, value in known.here:
        groups.setdefault("not readable" if value is None else " ".join(value.split()), []).append(name)
    for value, names in groups.items():
        if len(known.here) == 1:
            yield value or "empty"
        else:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"{value or 'empty'} in {', '.join(names[:3])}{more}"


def _now(known: Known) -> str:
    values = Counter(_chosen(value) for _, value in known.here)
    if not values:
        return "-"
    text = values.most_common(1)[0][0]
    return _cut(text if len(values) == 1 else f"{text}, ..", _NOW)


def _chosen(text: str | None) -> str:
    if text is None:
        return "?"
    return text.partition("[")[2].partition("]")[0] or " ".join(text.split())


def _safe(entry: catalogue.Entry) -> str:
    if entry.values:
        return _cut(" ".join(entry.values), _RANGE)
    if entry.low is None or entry.high is None:
        return "words"
    return f"{_short(entry.low, entry.unit)} to {_short(entry.high, entry.unit)}"


def _safe_in_full(known: Known) -> str:
    entry = known.entry
    if entry.values:
        return ", ".join(entry.values)
    if entry.low is None or entry.high is None:
        return "any word that the host takes"
    text = f"{_number(entry.low, '')} to {_number(entry.high, entry.unit)}"
    return f"{text}; by the formula {' to '.join(known.formula)}" if known.formula else text


def _short(number: catalogue.Limit, unit: str) -> str:
    if not isinstance(number, int | float):
        return str(number)
    if unit == "bytes":
        for name, size in _SIZES:
            if number >= size:
                return f"{number / size:.3g} {name}"
    return f"{number:.3g}" if abs(number) >= 10**10 else f"{number:g}" if number % 1 else str(int(number))


def _number(number: catalogue.Limit, unit: str) -> str:
    exact = str(int(number)) if isinstance(number, float) and not number % 1 else str(number)
    size = _short(number, unit) if unit == "bytes" and not isinstance(number, str) else ""
    return f"{exact} {unit}{f' ({size})' if size and not size.isdigit() else ''}".strip()


def _versions(entry: catalogue.Entry) -> str:
    since = f"from {entry.since}" if entry.since else ""
    until = f"up to {entry.until}" if entry.until else ""
    return " ".join(filter(None, (since, until)))


def _gone(name: str, absent: catalogue.Absent, width: int) -> str:
    instead = " or ".join(absent.instead)
    text = f"{name} is gone or without effect since {absent.since}: {absent.reason}. Tune {instead} instead."
    return _paragraph(text, width)


def _paragraph(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."
