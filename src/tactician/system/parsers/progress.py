"""Reads what a benchmark says of itself while it runs, so that a hopeless run need not be waited for.

Interval reports of pgbench (``-P``), sysbench (``--report-interval``), iperf3 (``--forceflush``), fio
(``--eta=always --eta-newline=1s``) and redis-benchmark, the lines of our own workloads, and whatever a
``progress_pattern`` finds. A tool's interval counts for a metric if its name means that metric.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tactician.experiment import Metric
from tactician.system.parsers.errors import MetricNotFoundError
from tactician.system.parsers.lines import DECIMAL
from tactician.system.parsers.lookup import find_metric
from tactician.system.parsers.metrics import (
    ParsedMetric,
    ParsedOutput,
    metric,
    percentile_name,
    qualify,
    slug,
)
from tactician.system.parsers.units import parse_quantity, shifted

_LONGEST_LINE = 2000
_NUMBER = rf"-?(?:{DECIMAL}|nan|inf)"


class Interval(NamedTuple):
    """One report.

    Attributes:
        seconds: since the benchmark began, by its own account; None where it does not say.
        value: of the metric over this interval, in the metric's unit.
    """

    seconds: float | None
    value: float


class _Report(NamedTuple):
    """What one line says: the end of its interval, and every metric in it."""

    seconds: float | None
    metrics: Sequence[ParsedMetric]


_PGBENCH = re.compile(rf"progress: ({DECIMAL}) s, ({_NUMBER}) tps, lat ({_NUMBER}) ms stddev ({_NUMBER})")


def _pgbench(line: str) -> _Report | None:
    match = _PGBENCH.match(line)
    if match is None:
        return None
    tps, latency = float(match[2]), shifted(float(match[3]), -3)
    found = [metric("transactions_per_second", tps, "1/s"), metric("latency_mean", latency, "s")]
    return _Report(float(match[1]), found)


_OWN = re.compile(rf"progress: ({DECIMAL}) s, ([A-Za-z_][\w.]*): (\S+)$")


def _own(line: str) -> _Report | None:
    """Return the report of an embedded workload, or of a script that writes the same way."""
    match = _OWN.match(line)
    quantity = None if match is None else parse_quantity(match[3])
    if match is None or quantity is None:
        return None
    return _Report(float(match[1]), [metric(match[2], quantity.value, quantity.unit)])


_SYSBENCH = re.compile(rf"\[ ({DECIMAL})s \] (.*)$")
_SYSBENCH_RATES = {
    "eps": "events_per_second",
    "tps": "transactions_per_second",
    "qps": "queries_per_second",
    "fsyncs": "fsyncs_per_second",
}
_SYSBENCH_RATE = re.compile(rf"\b({'|'.join(_SYSBENCH_RATES)}): ({DECIMAL})")
_SYSBENCH_LATENCY = re.compile(rf"lat(?:ency)? \(ms, ?({DECIMAL})%\): ({DECIMAL})")
_SYSBENCH_SPEED = re.compile(rf"(?:(reads|writes): )?({DECIMAL}) MiB/s")
_SYSBENCH_SPEEDS = {
    "": "bytes_per_second",
    "reads": "read_bytes_per_second",
    "writes": "written_bytes_per_second",
}


def _sysbench(line: str) -> _Report | None:
    match = _SYSBENCH.match(line)
    if match is None:
        return None
    found = [
        metric(_SYSBENCH_RATES[name], float(rate), "1/s") for name, rate in _SYSBENCH_RATE.findall(match[2])
    ]
    # sysbench's OLTP tests call their events transactions; its own summary answers to both names.
    found += [
        metric("events_per_second", each.value, "1/s")
        for each in found
        if each.name == "transactions_per_second"
    ]
    found += [
        metric(percentile_name(percent), shifted(float(value), -3), "s")
        for percent, value in _SYSBENCH_LATENCY.findall(match[2])
    ]
    found += [
        metric(_SYSBENCH_SPEEDS[way], float(speed) * 2.0**20, "B/s")
        for way, speed in _SYSBENCH_SPEED.findall(match[2])
    ]
    return _Report(float(match[1]), found)


_REDIS = re.compile(
    rf"(.{{1,200}}): rps=({_NUMBER}) \(overall: ({_NUMBER})\) avg_msec=({_NUMBER}) \(overall: ({_NUMBER})\)"
)


def _redis(line: str) -> _Report | None:
    match = _REDIS.match(line)
    # Nothing was answered yet: a moment before the first interval, and no interval.
    if match is None or float(match[5]) == 0.0 or math.isnan(float(match[5])):
        return None
    usual = ("rps", "requests per second", "operations_per_second", "ops_per_second", "ops", "iops")
    found = [metric("requests_per_second", float(match[2]), "1/s", *usual)]
    if math.isfinite(float(match[4])):
        found.append(metric("latency_mean", shifted(float(match[4]), -3), "s"))
    return _Report(None, qualify({slug(match[1].partition(" (")[0]) or "test": found}))


_FIO = re.compile(r"Jobs: \d+ \(f=\d+\): \[.*?\]\[.*?%\]\[(.*?)\](?:\[(.*?) IOPS\])?\[eta ")
_FIO_WAYS = {"r": "read", "w": "write", "t": "trim"}


def _fio(line: str) -> _Report | None:
    match = _FIO.search(line)
    if match is None:
        return None
    ways: dict[str, list[ParsedMetric]] = {}
    for part in match[1].split(","):
        way, _, text = part.partition("=")
        speed = parse_quantity(text, binary=True)
        if way in _FIO_WAYS and speed is not None:
            found = metric("bytes_per_second", speed.value, "B/s", "bw", "throughput")
            ways.setdefault(_FIO_WAYS[way], []).append(found)
    for part in (match[2] or "").split(","):
        way, _, text = part.partition("=")
        rate = parse_quantity(text)
        if way in _FIO_WAYS and rate is not None:
            found = metric("operations_per_second", rate.value, "1/s", "iops")
            ways.setdefault(_FIO_WAYS[way], []).append(found)
    return _Report(None, qualify(ways)) if ways else None


_IPERF3 = re.compile(
    rf"\[\s*(\d+|SUM)\]\s+({DECIMAL})-\s*({DECIMAL})\s+sec\s+{DECIMAL} [KMGT]?Bytes\s+"
    rf"({DECIMAL} [KMGT]?(?:bits|Bytes)/sec)(.*)$"
)
_NO_INTERVAL = ("(omitted)", "sender", "receiver")


class _Iperf3:
    """iperf3 with one stream or several, of which only the sum counts."""

    def __init__(self) -> None:
        self._streams = 0

    def __call__(self, line: str) -> _Report | None:
        if " connected to " in line and line.startswith("["):
            self._streams += 1
            return None
        match = _IPERF3.match(line)
        if match is None or match[5].rstrip().endswith(_NO_INTERVAL):
            return None
        if (match[1] == "SUM") != (self._streams > 1):
            return None
        speed = parse_quantity(match[4], binary=True)
        if speed is None:
            return None
        bits = speed.value * 8 if speed.unit == "B/s" else speed.value
        return _Report(float(match[3]), [metric("bits_per_second", bits, "bit/s")])


# A cheap test first: most lines of most benchmarks are no reports.
_SIGNS = ("progress: ", "[", "Jobs: ", ": rps=")


class ProgressReader:
    """Finds the metric's intervals in lines, one line at a time.

    Args:
        wanted: the metric of the experiment. One that is found by a pattern or a path may be any number,
            so its intervals are found by ``pattern`` only.
        pattern: the experiment's ``progress_pattern``, which then is all that counts.
    """

    def __init__(self, wanted: Metric, pattern: str | None = None) -> None:
        self._wanted = wanted
        self._pattern = None if pattern is None else re.compile(pattern)
        self._named = wanted.pattern is None and wanted.path is None
        self._tools: tuple[Callable[[str], _Report | None], ...] = (
            _pgbench,
            _own,
            _sysbench,
            _Iperf3(),
            _fio,
            _redis,
        )

    def read(self, line: str) -> Interval | None:
        """Return the interval that a line reports, None for every other line; never raises."""
        line = line[:_LONGEST_LINE].strip()
        if self._pattern is not None:
            return self._by_pattern(self._pattern, line)
        if not self._named or not any(sign in line for sign in _SIGNS):
            return None
        for tool in self._tools:
            report = tool(line)
            if report is not None:
                return self._interval(report)
        return None

    def _interval(self, report: _Report) -> Interval | None:
        try:
            found = find_metric(ParsedOutput(None, tuple(report.metrics), ()), "", self._wanted)
        except MetricNotFoundError:
            return None
        return Interval(report.seconds, found.value) if math.isfinite(found.value) else None

    def _by_pattern(self, pattern: re.Pattern[str], line: str) -> Interval | None:
        match = pattern.search(line)
        if match is None:
            return None
        groups = match.groupdict()
        quantity = parse_quantity(groups["value"] or "")
        if quantity is None or not math.isfinite(quantity.value):
            return None
        seconds = parse_quantity(groups.get("seconds") or "")
        at = None if seconds is None or not math.isfinite(seconds.value) else seconds.value
        return Interval(at, quantity.value)
