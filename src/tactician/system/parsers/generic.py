"""Reads what no tool's parser knows: ``name: value`` and ``name = value`` lines, and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from tactician.system.parsers.documents import around, documents, errors, numbers
from tactician.system.parsers.lines import quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, metric
from tactician.system.parsers.units import Quantity, leading_number, parse_quantity

MOST_METRICS = 2000
"""A program may print a number per request; of more than these the last ones are kept."""

ALONE = "value"
"""The name of a number that is the whole output."""

_MOST_LINES = 20_000
_LONGEST_LINE = 1000
_LONGEST_NAME = 80
_PAIR = re.compile(r"(?<![\w./%-])([A-Za-z_][\w./%-]{0,79})=(?=[-+.\d])([^\s,;]{1,40})")
_WRAPPED = re.compile(r"[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,12}\s{0,20}[:=]")
_WORD_CHARACTER = re.compile(r"[A-Za-z_]")


def parse_plain(text: str) -> Findings:
    """Return the numbers of plain lines and JSON documents; the last value of a name wins."""
    found: dict[str, ParsedMetric] = {}
    parts = list(documents(text))
    for name, quantity in _last_first(around(text, parts), [document for document, _, _ in parts]):
        if name not in found:
            found[name] = metric(name, quantity.value, quantity.unit)
            if len(found) >= MOST_METRICS:
                break
    problems = [f"the output reports an error: {said}" for part in parts for said in errors(part[0])]
    if not found and len(text) < _LONGEST_LINE and (alone := _alone(text)) is not None:
        found[ALONE] = metric(ALONE, alone.value, alone.unit)
    return Findings(list(reversed(found.values())), quoted(problems))


def wrapped_metrics(text: str) -> list[ParsedMetric]:
    """Return the plain lines that begin with a word with underscores as their number's name.

    No tool prints such lines; a script around a tool does, and then means the number it printed.
    """
    found: dict[str, ParsedMetric] = {}
    kept = [line for line in text.split("\n") if _WRAPPED.match(line)] if "_" in text else []
    for name, quantity in _lines_last_first(kept):
        if name not in found:
            found[name] = metric(name, quantity.value, quantity.unit)
            if len(found) >= MOST_METRICS:
                break
    return list(reversed(found.values()))


def _last_first(lines: str, found: Sequence[object]) -> Iterator[tuple[str, Quantity]]:
    yield from _lines_last_first(lines.split("\n"))
    for document in reversed(found):
        for name, value in numbers(document):
            yield name, Quantity(value, "")


def _lines_last_first(lines: Sequence[str]) -> Iterator[tuple[str, Quantity]]:
    short = (line for line in reversed(lines) if len(line) <= _LONGEST_LINE)
    candidates = (line for line in short if ":" in line or "=" in line)
    for line in islice(candidates, _MOST_LINES):
        yield from reversed(list(_of_line(line.strip())))


def _of_line(line: str) -> Iterator[tuple[str, Quantity]]:
    """Yield the one number of ``name: value``, or those of ``a=1, b=2``."""
    pairs = _PAIR.findall(line)
    if len(pairs) > 1 or (pairs and not line.startswith(f"{pairs[0][0]}=")):
        for name, printed in pairs:
            quantity = parse_quantity(printed)
            if quantity is not None:
                yield name, quantity
        return
    for separator in re.finditer(r"[:=]", line[: _LONGEST_NAME + 2]):
        name = line[: separator.start()].strip().strip("\"'")
        rest = line[separator.end() :]
        if not _is_name(name):
            continue
        # "12:30:05" and "host:8080 is up" hold no measurement.
        number = leading_number(rest.strip())
        if number is None or number[1][:1] in (":", "-", "_") or (number[1][:1] == "." and number[1] != "."):
            continue
        if separator[0] == ":" and rest[:1].strip() != "" and number[1].strip() != "":
            continue
        quantity = parse_quantity(rest)
        if quantity is not None:
            yield name, quantity
        return


def _is_name(name: str) -> bool:
    return (
        0 < len(name) <= _LONGEST_NAME and _WORD_CHARACTER.search(name) is not None and name[0] not in "[{("
    )


def _alone(text: str) -> Quantity | None:
    found = leading_number(text.strip())
    if found is None:
        return None
    quantity = parse_quantity(text)
    return quantity if quantity is not None and (found[1] == "" or quantity.unit) else None
