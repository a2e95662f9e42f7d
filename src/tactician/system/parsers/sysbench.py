"""Reads sysbench, whose tests print different tables and whose threads and mutex tests print no rate."""

from __future__ import annotations

import re

from tactician.system.parsers.lines import DECIMAL, has_line, last_run, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, percentile_name
from tactician.system.parsers.units import shifted

_MEBIBYTE = 2.0**20
_LABELLED = re.compile(rf"([a-z][A-Za-z0-9/(), ]*):\s+({DECIMAL})s?$")
_PERCENTILE = re.compile(rf"({DECIMAL})(?:st|nd|rd|th) percentile:\s+({DECIMAL})$")
_SQL = re.compile(rf"(transactions|queries|ignored errors|reconnects):\s+(\d+)\s*\(({DECIMAL}) per sec\.\)")
_MEMORY_OPERATIONS = re.compile(rf"Total operations: (\d+) \(\s*({DECIMAL}) per second\)")
_TRANSFERRED = re.compile(rf"{DECIMAL} MiB transferred \(({DECIMAL}) MiB/sec\)")
_WRITTEN = re.compile(rf"\d+ bytes written in ({DECIMAL}) seconds \(({DECIMAL}) MiB/sec\)")
_FILE_ROW = re.compile(rf"(read|write|fsync):\s+IOPS=({DECIMAL})(?:\s+({DECIMAL}) MiB/s)?")
_LATENCY = {"min": "latency_min", "avg": "latency_mean", "max": "latency_max"}
_RATES = {
    "reads/s": "reads_per_second",
    "writes/s": "writes_per_second",
    "fsyncs/s": "fsyncs_per_second",
}
_SPEEDS = {"read, MiB/s": "read_bytes_per_second", "written, MiB/s": "written_bytes_per_second"}
_FILE_NAMES = {
    "read": ("reads_per_second", "read_bytes_per_second"),
    "write": ("writes_per_second", "written_bytes_per_second"),
    "fsync": ("fsyncs_per_second", ""),
}
_EVENTS = "events_per_second"


class _Table:
    """One run's numbers by canonical name, and the section that says what a label means."""

    def __init__(self) -> None:
        self.found: dict[str, ParsedMetric] = {}
        self.in_latency = False

    def keep(self, name: str, value: float, unit: str, *own: str) -> None:
        self.found[name] = metric(name, value, unit, *own)

    def read(self, line: str) -> None:
        """Take in one line."""
        if line.startswith("Latency ("):
            self.in_latency = True
        elif line.startswith(("General statistics", "Threads fairness", "Throughput:")):
            self.in_latency = False
        elif match := _PERCENTILE.match(line):
            self.keep(percentile_name(match[1]), shifted(float(match[2]), -3), "s")
        elif match := _SQL.match(line):
            self._sql(match[1], float(match[2]), float(match[3]))
        elif match := _MEMORY_OPERATIONS.match(line):
            self.keep("operations_per_second", float(match[2]), "1/s", "Total operations", *_usual(_EVENTS))
        elif match := _TRANSFERRED.match(line):
            self.keep("bytes_per_second", float(match[1]) * _MEBIBYTE, "B/s", "MiB transferred")
        elif match := _WRITTEN.match(line):
            self.keep("total_time", float(match[1]), "s")
            self.keep("written_bytes_per_second", float(match[2]) * _MEBIBYTE, "B/s", "bytes written")
        elif match := _FILE_ROW.match(line):
            operations, speed = _FILE_NAMES[match[1]]
            self.keep(operations, float(match[2]), "1/s")
            if match[3] is not None and speed:
                self.keep(speed, float(match[3]) * _MEBIBYTE, "B/s")
        elif match := _LABELLED.match(line):
            self._labelled(match[1], float(match[2]))

    def _sql(self, label: str, count: float, rate: float) -> None:
        if label == "transactions":
            self.keep("transactions_per_second", rate, "1/s", label, *_usual(_EVENTS))
        elif label == "queries":
            self.keep("queries_per_second", rate, "1/s", label)
        else:
            self.keep(label.replace(" ", "_"), count, "", label)

    def _labelled(self, label: str, value: float) -> None:
        if self.in_latency and label in _LATENCY:
            self.keep(_LATENCY[label], shifted(value, -3), "s")
        elif label in ("events per second", "events/s (eps)"):
            self.keep(_EVENTS, value, "1/s", label)
        elif label in ("total time", "time elapsed"):
            self.keep("total_time", value, "s", label)
        elif label == "total number of events":
            self.keep("events", value, "", label)
        elif label in _RATES:
            self.keep(_RATES[label], value, "1/s", label)
        elif label in _SPEEDS:
            self.keep(_SPEEDS[label], value * _MEBIBYTE, "B/s", label)

    def completed(self) -> list[ParsedMetric]:
        """Return the metrics; the rate is computed for the tests that print none."""
        rates = {_EVENTS, "transactions_per_second", "operations_per_second"}
        events, seconds = self.found.get("events"), self.found.get("total_time")
        if rates.isdisjoint(self.found) and events is not None and seconds is not None and seconds.value > 0:
            self.keep(_EVENTS, events.value / seconds.value, "1/s")
        return list(self.found.values())


def _usual(name: str) -> tuple[str, ...]:
    """Every sysbench test counts events, whatever it calls them."""
    return (name, *metric(name, 0.0, "1/s").aliases)


def _metrics(text: str) -> list[ParsedMetric]:
    table = _Table()
    for line in lines_of(text):
        table.read(line)
    return table.completed()


def _problems(text: str) -> list[str]:
    fatal: list[str] = []
    counted: list[str] = []
    for line in lines_of(text):
        if line.startswith(("FATAL: ", "invalid option: ")) and "failed query was" not in line:
            fatal.append(f"sysbench: {line.removeprefix('FATAL: ')}")
        elif (
            (match := _SQL.match(line)) and match[1] in ("ignored errors", "reconnects") and int(match[2]) > 0
        ):
            counted.append(f"sysbench: {match[2]} {match[1]} ({match[3]} per second)")
        elif (
            (match := _LABELLED.match(line)) and match[1] == "total number of events" and float(match[2]) == 0
        ):
            counted.append("sysbench: not one event in the whole run")
    return [*quoted(fatal), *quoted(counted)]


def _parse(text: str) -> Findings:
    return Findings(last_run(text, "sysbench ", _metrics), _problems(text))


SYSBENCH = Parser(
    "sysbench",
    lambda text: has_line(text, "sysbench 0.", "sysbench 1.", "    events per second:", "events per second:"),
    _parse,
)
