"""What a parser yields, and the names under which every tool's numbers can be asked for.

Tools disagree on names; an experiment should not have to. Each number carries one canonical name
(``requests_per_second``, ``latency_p99``, ...), the tool's own spelling, and the usual aliases.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Direction = Literal["maximize", "minimize"]

_USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "transactions_per_second": ("tps", "transactions_per_sec", "throughput"),
    "requests_per_second": ("rps", "requests_per_sec", "throughput"),
    "operations_per_second": ("ops_per_second", "ops_per_sec", "ops", "throughput"),
    "events_per_second": ("eps", "operations_per_second", "ops_per_second", "ops", "throughput"),
    "queries_per_second": ("qps",),
    "bytes_per_second": ("bandwidth",),
    "bits_per_second": ("bitrate", "bandwidth", "throughput"),
    "total_time": ("time", "elapsed", "elapsed_time"),
    "latency_mean": ("latency", "latency_avg", "latency_average", "avg_latency", "mean_latency"),
    "latency_p50": ("p50", "p50_latency", "latency_median", "50th percentile"),
    "latency_p90": ("p90", "p90_latency", "90th percentile"),
    "latency_p95": ("p95", "p95_latency", "95th percentile"),
    "latency_p99": ("p99", "p99_latency", "99th percentile"),
    "latency_max": ("max_latency",),
    "latency_min": ("min_latency",),
    "latency_stddev": ("latency_stdev",),
}
_LOWER_IS_BETTER = re.compile(
    r"latenc|(?:^|[^a-z])(?:p\d\d|time|delay|duration|elapsed|wait|jitter|lag|took|re(?:transmits|tries|connects)|lost|errors?"
    r"|fail(?:ed|ures?)|seconds|secs|stddev|stdev)(?![a-z])"
)
_HIGHER_IS_BETTER = re.compile(
    r"per_?sec|throughput|bandwidth|bitrate|(?:^|[^a-z])(?:tps|rps|qps|iops|ops|eps|speed|score|rate)(?![a-z])"
)
_BAD_RATE = re.compile(r"(?:error|fail(?:ed|ure)?|loss|miss|drop)s?[ _-]?rate")
_RATE_UNITS = frozenset({"1/s", "B/s", "bit/s"})


@dataclass(frozen=True, slots=True)
class ParsedMetric:
    """One number of an output.

    Attributes:
        name: canonical; with several tests in one output ``set.requests_per_second``.
        value: in ``unit``.
        unit: ``s``, ``B``, ``B/s``, ``1/s``, ``bit/s``, ``%``, or empty when unknown or a count.
        direction: which way is better, None if unknown.
        aliases: further names that find it: the tool's own and the usual ones.
    """

    name: str
    value: float
    unit: str
    direction: Direction | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedOutput:
    """Everything that was understood of one output.

    Attributes:
        tool: which benchmark printed it, ``a+b`` for two in one output, None if no known one.
        metrics: finite numbers, each name once.
        problems: why the run does not count, whatever the tool's exit status; empty if it does.
        not_finite: numbers printed as NaN or infinity; known by name so that asking for one can
            be answered, and not part of the document.
    """

    tool: str | None
    metrics: tuple[ParsedMetric, ...]
    problems: tuple[str, ...]
    not_finite: tuple[ParsedMetric, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the document that ``parse --json`` prints."""
        return {
            "tool": self.tool,
            "metrics": [
                {
                    "name": metric.name,
                    "value": metric.value,
                    "unit": metric.unit,
                    "direction": metric.direction,
                    "aliases": list(metric.aliases),
                }
                for metric in self.metrics
            ],
            "problems": list(self.problems),
        }


class Findings(NamedTuple):
    """What one parser makes of a text."""

    metrics: Sequence[ParsedMetric]
    problems: Sequence[str] = ()


class Parser(NamedTuple):
    """One tool's parser; the registry in the package's ``__init__`` lists them all.

    Attributes:
        name: the tool, as ``parse --json`` reports it.
        recognises: whether a text is this tool's, by signature lines and never by the command.
        parse: total on any text.
    """

    name: str
    recognises: Callable[[str], bool]
    parse: Callable[[str], Findings]


def direction_of(name: str, unit: str = "") -> Direction | None:
    """Return which way is better, judged by unit and name; None if neither tells."""
    if unit == "s":
        return "minimize"
    spelling = name.lower()[:200]
    if _BAD_RATE.search(spelling):
        return "minimize"
    if unit in _RATE_UNITS or _HIGHER_IS_BETTER.search(spelling):
        return "maximize"
    return "minimize" if _LOWER_IS_BETTER.search(spelling) else None


def metric(name: str, value: float, unit: str, *own: str, direction: Direction | None = None) -> ParsedMetric:
    """Build a metric with its canonical name's usual aliases.

    Args:
        name: canonical.
        value: already in ``unit``.
        unit: one of the units of :mod:`units`.
        own: the tool's own names for it.
        direction: overrides what name and unit say.
    """
    aliases = [alias for alias in (*own, *_USUAL_NAMES.get(name, ())) if alias != name]
    return ParsedMetric(
        name, value, unit, direction or direction_of(name, unit), tuple(dict.fromkeys(aliases))
    )


def percentile_name(percent: str) -> str:
    """Return ``latency_p99.9`` for ``99.900000``."""
    return f"latency_p{float(percent):g}"


def slug(text: str) -> str:
    """Return a tool's label as a name: lower case, digits, underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def qualify(tests: Mapping[str, Iterable[ParsedMetric]]) -> list[ParsedMetric]:
    """Name the metrics of several tests that one output holds.

    One test: canonical names stay bare, and ``set.requests_per_second`` is an alias. Several: the
    name is ``set.requests_per_second`` and the bare name is an alias of each, so that asking for
    it is an error that names the candidates instead of a choice made in silence.
    """
    several = len(tests) > 1
    named: list[ParsedMetric] = []
    for test, metrics in tests.items():
        for each in metrics:
            scoped = [f"{test}.{name}" for name in (each.name, *each.aliases)]
            if several:
                aliases = (*scoped[1:], each.name, *each.aliases)
                named.append(replace(each, name=scoped[0], aliases=aliases))
            else:
                named.append(replace(each, aliases=(*each.aliases, *scoped)))
    return named


def numbered(tests: Sequence[tuple[str, Sequence[ParsedMetric]]]) -> dict[str, Sequence[ParsedMetric]]:
    """Return tests by name; those that share one are numbered from 0: ``w_0``, ``w_1``."""
    repeated = {name for name, count in Counter(name for name, _ in tests).items() if count > 1}
    seen: dict[str, int] = {}
    result: dict[str, Sequence[ParsedMetric]] = {}
    for name, metrics in tests:
        index = seen.get(name, 0)
        seen[name] = index + 1
        result[f"{name}_{index}" if name in repeated else name] = metrics
    return result
