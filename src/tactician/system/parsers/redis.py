"""Reads redis-benchmark in its human, quiet and CSV forms, under the carriage returns of its progress."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tactician.system.parsers.lines import DECIMAL, has_line, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify, slug
from tactician.system.parsers.units import shifted

_TITLE = re.compile(r"====== (.{1,200}) ======$")
_QUIET = re.compile(rf"(.{{1,200}}): ({DECIMAL}) requests per second(?:, p50=({DECIMAL}) msec)?$")
_SUMMARY = re.compile(rf"(?:throughput summary: )?({DECIMAL}) requests per second$")
_ONLY_REDIS = re.compile(
    rf"====== .{{1,200}} ======$|.{{1,200}}: {DECIMAL} requests per second, p50="
    rf"|[A-Z_]+(?: \(.*\))?: {DECIMAL} requests per second$"
)
_COMPLETED = re.compile(rf"\d+ requests completed in ({DECIMAL}) seconds$")
_CSV_ROW = re.compile(r'"[^"]{1,200}"(?:,"[^"]{0,40}")+$')
_CSV_HEADER = '"test","rps"'
_LATENCY_COLUMNS = {
    "avg": "latency_mean",
    "min": "latency_min",
    "p50": "latency_p50",
    "p95": "latency_p95",
    "p99": "latency_p99",
    "max": "latency_max",
}
_PLAIN_CSV = re.compile(rf'"[A-Z_a-z0-9 ()]{{1,80}}","{DECIMAL}"$')
_ERRORS = (
    "Error from server: ",
    "Could not connect to Redis",
    "Error: ",
    "Server closed the connection",
    "All clients disconnected",
    "Unrecoverable error",
)


def _rate(text: str) -> ParsedMetric:
    usual = ("rps", "requests per second", "operations_per_second", "ops_per_second", "ops", "iops")
    return metric("requests_per_second", float(text), "1/s", *usual)


def _test_name(title: str) -> str:
    """``MSET (10 keys)`` is ``mset``; the LPUSH that LRANGE needs first is not the test LPUSH."""
    return slug(title if "(needed" in title else title.partition(" (")[0]) or "test"


def _latencies(columns: Sequence[str], cells: Sequence[str]) -> list[ParsedMetric]:
    found = []
    for column, cell in zip(columns, cells, strict=False):
        name = _LATENCY_COLUMNS.get(column.removesuffix("_latency_ms"))
        if name is not None and re.fullmatch(DECIMAL, cell):
            found.append(metric(name, shifted(float(cell), -3), "s"))
    return found


def _csv(text: str) -> Iterator[tuple[str, list[ParsedMetric]]]:
    """Yield the tests of ``--csv``; before 6.2 it had no header and no latencies."""
    columns: list[str] = ["test", "rps"]
    for line in lines_of(text):
        if not _CSV_ROW.match(line):
            continue
        cells = line.strip('"').split('","')
        if cells[0] == "test":
            columns = cells
        elif len(cells) > 1 and re.fullmatch(DECIMAL, cells[1]):
            yield _test_name(cells[0]), [_rate(cells[1]), *_latencies(columns[2:], cells[2:])]


def _human(text: str) -> Iterator[tuple[str, list[ParsedMetric]]]:
    """Yield the tests of the long form and of ``-q``; of a progress line only its last state is one."""
    title, columns = "", ""
    metrics: list[ParsedMetric] = []
    for line in lines_of(text):
        if match := _TITLE.match(line):
            title, metrics = _test_name(match[1]), []
        elif match := _SUMMARY.match(line):
            metrics.append(_rate(match[1]))
            if title:
                yield title, metrics
        elif match := _QUIET.match(line):
            median = [metric("latency_p50", shifted(float(match[3]), -3), "s")] if match[3] else []
            yield _test_name(match[1]), [_rate(match[2]), *median]
        elif match := _COMPLETED.match(line):
            metrics.append(metric("total_time", float(match[1]), "s"))
        elif columns:
            metrics.extend(_latencies(columns.split(), line.split()))
            columns = ""
        elif line.startswith("avg ") and " p99 " in line:
            columns = line


def _parse(text: str) -> Findings:
    tests = {**dict(_csv(text)), **dict(_human(text))}
    problems = quoted(f"redis-benchmark: {line}" for line in lines_of(text) if line.startswith(_ERRORS))
    return Findings(qualify(tests), problems)


def _recognises(text: str) -> bool:
    if has_line(text, _CSV_HEADER, "Error from server: ", "Could not connect to Redis"):
        return True
    if " requests per second" in text and any(_ONLY_REDIS.match(line) for line in lines_of(text)):
        return True
    return has_line(text, '"') and any(_PLAIN_CSV.match(line) for line in lines_of(text[:4000]))


REDIS_BENCHMARK = Parser("redis-benchmark", _recognises, _parse)
