"""Finds the one number that an experiment asks for, and says what there is when it is not there."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tactician.experiment import Metric
from tactician.system.parsers.documents import at_path, documents
from tactician.system.parsers.errors import MetricNotFoundError
from tactician.system.parsers.generic import parse_plain
from tactician.system.parsers.lines import cleaned
from tactician.system.parsers.metrics import ParsedMetric, ParsedOutput, direction_of
from tactician.system.parsers.units import Quantity, parse_quantity

_MOST_NAMES = 20
_MOST_COMPARED = 2000
_PER_SECOND = re.compile(r"per(?:secs?|s)$")


def find_metric(output: ParsedOutput, text: str, metric: Metric) -> ParsedMetric:
    """Return the number that ``metric`` means.

    A pattern comes first (the last match counts, ``^`` and ``$`` are line ends, a carriage return
    ends a line), then a path into the last JSON document that has it, then the name: exactly, as
    an alias, and without regard to case and punctuation; last among the plain lines and JSON
    numbers of a tool's own output.

    Args:
        output: what :func:`parse_output` made of ``text``.
        text: the output itself.
        metric: what the experiment asks for; its name is never taken for a pattern.

    Raises:
        MetricNotFoundError: the output does not hold it, holds several that fit, or holds
            something that is not a finite number.
    """
    if metric.pattern is not None:
        return _named(metric, _by_pattern(text, metric.pattern), f"the pattern {metric.pattern!r}")
    if metric.path is not None:
        return _named(metric, _by_path(text, metric.path), f"the path {metric.path}")
    found = _by_name((*output.metrics, *output.not_finite), metric.name)
    if found is None and output.tool is not None:
        found = _by_name(parse_plain(cleaned(text)).metrics, metric.name)
    if found is None:
        raise MetricNotFoundError(_absent(metric.name, output))
    return _finite(found, found.name)


def _finite(found: ParsedMetric, what: str) -> ParsedMetric:
    if math.isfinite(found.value):
        return found
    spelling = "NaN" if math.isnan(found.value) else "infinite"
    raise MetricNotFoundError(f"{what} is {spelling} in this output, which is no measurement")


def _named(metric: Metric, quantity: Quantity, what: str) -> ParsedMetric:
    direction = direction_of(metric.name, quantity.unit)
    found = ParsedMetric(metric.name, quantity.value, quantity.unit, direction)
    return _finite(found, f"{metric.name} ({what})")


def _by_pattern(text: str, pattern: str) -> Quantity:
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise MetricNotFoundError(f"the pattern {pattern!r} is no regular expression: {error}") from None
    if compiled.groups != 1:
        raise MetricNotFoundError(
            f"the pattern {pattern!r} has {compiled.groups} groups; exactly one must capture the number"
        )
    captured: str | None = None
    for match in compiled.finditer(cleaned(text)):
        captured = match[1] if match[1] is not None else captured
    if captured is None:
        raise MetricNotFoundError(f"the pattern {pattern!r} matches nothing in the output")
    quantity = parse_quantity(captured)
    if quantity is None:
        raise MetricNotFoundError(f"the pattern {pattern!r} captured {captured[:80]!r}, which is no number")
    return quantity


def _by_path(text: str, path: str) -> Quantity:
    found: list[object] = []
    seen = False
    for document, _, _ in documents(cleaned(text)):
        seen = True
        try:
            found = [at_path(document, path)]
        except LookupError:
            continue
    if not seen:
        raise MetricNotFoundError(f"there is no JSON document in the output, so no path {path}")
    if not found:
        raise MetricNotFoundError(f"no JSON document in the output has the path {path}")
    value = found[0]
    quantity = parse_quantity(value) if isinstance(value, str) else None
    if isinstance(value, float):
        quantity = Quantity(value, "")
    if quantity is None:
        kind = {"dict": "an object", "list": "a list", "NoneType": "null"}.get(
            type(value).__name__, repr(value)[:80]
        )
        raise MetricNotFoundError(f"at the path {path} stands {kind}, which is no number")
    return quantity


def _by_name(metrics: Sequence[ParsedMetric], name: str) -> ParsedMetric | None:
    """Return the metric of this name, or None. Raises MetricNotFoundError for several that fit."""
    wanted = _loose(name)
    rules: tuple[Callable[[ParsedMetric], bool], ...] = (
        lambda each: each.name == name,
        lambda each: name in each.aliases,
        lambda each: wanted != "" and any(_loose(known) == wanted for known in (each.name, *each.aliases)),
    )
    for rule in rules:
        fitting = [each for each in metrics if rule(each)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(dict.fromkeys(each.name for each in fitting[:_MOST_NAMES]))
            raise MetricNotFoundError(f"{name} is ambiguous in this output; it could be: {names}")
    return None


def _loose(name: str) -> str:
    """Return the name without case and punctuation: ``Requests/sec`` is ``requests_per_second``."""
    letters = "".join(character for character in name.lower().replace("/", " per ") if character.isalnum())
    return _PER_SECOND.sub("persecond", letters)


def _absent(name: str, output: ParsedOutput) -> str:
    known = list(dict.fromkeys(each.name for each in output.metrics))
    source = "the output" if output.tool is None else f"the output of {output.tool}"
    if not known:
        return f"{source} holds no metric {name}, nor any other number with a name"
    listed = ", ".join(known[:_MOST_NAMES])
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    nearest = _nearest(name, _all_names(output.metrics))
    hint = f" (did you mean {nearest}?)" if nearest else ""
    return f"{source} holds no metric {name}{hint}; it holds: {listed}{more}"


def _all_names(metrics: Iterable[ParsedMetric]) -> Iterator[str]:
    for each in metrics:
        yield each.name
        yield from each.aliases


def _nearest(name: str, known: Iterable[str]) -> str:
    by_spelling: dict[str, str] = {}
    for each in known:
        if len(by_spelling) >= _MOST_COMPARED:
            break
        by_spelling.setdefault(each.lower()[:80], each)
    close = difflib.get_close_matches(name.lower()[:80], by_spelling, n=1)
    return by_spelling[close[0]] if close else ""
