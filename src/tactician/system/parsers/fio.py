"""Reads fio's JSON, terse and human forms, each with its own units for the same numbers.

``operations_per_second`` (IOPS) and ``bytes_per_second`` are per job and direction; ``latency_*``
is completion latency (clat), ``total_latency_mean`` includes submission, ``sync_latency_*`` is
that of fsync. With several jobs, or reads and writes in one job, names get ``job.`` and ``read.``
or ``write.`` in front and the bare names are ambiguous: fio gives no total over both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from tactician.system.parsers.documents import documents
from tactician.system.parsers.lines import DECIMAL, has_line, lines_of, quoted
from tactician.system.parsers.metrics import (
    Findings,
    ParsedMetric,
    Parser,
    metric,
    numbered,
    percentile_name,
    qualify,
    slug,
)
from tactician.system.parsers.units import normalise, parse_quantity, shifted

Jobs = list[tuple[str, Sequence[ParsedMetric]]]

_DIRECTIONS = ("read", "write", "trim")
_POWERS = (("_ns", -9), ("_us", -6), ("_ms", -3), ("", -6))
_STATISTICS = {
    "min": "min",
    "max": "max",
    "mean": "mean",
    "avg": "mean",
    "stddev": "stddev",
    "stdev": "stddev",
}

_JOB = re.compile(r"([^\s:][^:]{0,200}): \(groupid=\d+, jobs=\d+\): err=\s*(\d+)(.*)")
_DIRECTION = re.compile(r"(read|write|trim)\s*: IOPS=(\S+), BW=(\S+)")
_LATENCY = re.compile(r"(clat|lat|sync) \((nsec|usec|msec|sec)\)\s*: (min=.*)")
_PERCENTILES = re.compile(r"(clat|lat|sync) percentiles \((nsec|usec|msec|sec)\):")
_STATISTIC = re.compile(r"(min|max|avg|stdev)=\s*([\d.]+[kMG]?)")
_PERCENTILE = re.compile(r"(\d{1,3}\.\d{1,6})th=\[\s{0,12}(\d{1,15})\]")


def _rates(iops: float, bytes_per_second: float) -> list[ParsedMetric]:
    return [
        metric("operations_per_second", iops, "1/s", "iops"),
        metric("bytes_per_second", bytes_per_second, "B/s", "bw", "throughput"),
    ]


def _job_metrics(
    directions: Mapping[str, Sequence[ParsedMetric]], sync: Sequence[ParsedMetric]
) -> list[ParsedMetric]:
    return [*qualify({name: each for name, each in directions.items() if each}), *sync]


# --- JSON ---------------------------------------------------------------------------------------


def _latency_block(block: Mapping[str, object], kind: str) -> tuple[Mapping[str, object], int]:
    """Return e.g. ``clat_ns`` with its power of ten; fio 2 wrote ``clat`` in microseconds."""
    for suffix, power in _POWERS:
        found = block.get(f"{kind}{suffix}")
        if isinstance(found, Mapping):
            return found, power
    return {}, 0


def _latencies(block: Mapping[str, object], kind: str, prefix: str = "latency") -> list[ParsedMetric]:
    values, power = _latency_block(block, kind)
    if values.get("N") == 0:
        return []
    found = [
        metric(f"{prefix}_{_STATISTICS[key]}", shifted(value, power), "s")
        for key, value in values.items()
        if key in _STATISTICS and isinstance(value, float)
    ]
    percentiles = values.get("percentile")
    if isinstance(percentiles, Mapping):
        for percent, value in percentiles.items():
            if isinstance(value, float) and re.fullmatch(DECIMAL, percent) and float(percent) > 0:
                name = percentile_name(percent).replace("latency", prefix)
                found.append(metric(name, shifted(value, power), "s"))
    return found


def _json_direction(block: object) -> list[ParsedMetric]:
    if not isinstance(block, Mapping):
        return []
    iops, kibibytes = block.get("iops"), block.get("bw")
    if not isinstance(iops, float) or not isinstance(kibibytes, float):
        return []
    if not any(block.get(key) for key in ("io_bytes", "total_ios", "io_kbytes")):
        return []
    exact = block.get("bw_bytes")
    found = _rates(iops, exact if isinstance(exact, float) else kibibytes * 1024)
    latencies = _latencies(block, "clat") or _latencies(block, "lat")
    total, power = _latency_block(block, "lat")
    mean = total.get("mean")
    if isinstance(mean, float):
        latencies.append(metric("total_latency_mean", shifted(mean, power), "s"))
    return [*found, *latencies]


def _json(report: Mapping[str, object]) -> tuple[Jobs, list[str]]:
    jobs: Jobs = []
    problems: list[str] = []
    listed = report.get("jobs")
    for job in listed if isinstance(listed, list) else []:
        if not isinstance(job, Mapping):
            continue
        name = str(job.get("jobname", "job"))[:100]
        error, total = job.get("error"), job.get("total_err")
        if isinstance(error, float) and error != 0:
            problems.append(_failed(name, error))
        elif isinstance(total, float) and total > 0:
            problems.append(f"fio: job {name} had {total:g} errors")
        sync = job.get("sync")
        syncs = _latencies(sync, "lat", "sync_latency") if isinstance(sync, Mapping) else []
        directions = {each: _json_direction(job.get(each)) for each in _DIRECTIONS}
        jobs.append((name, _job_metrics(directions, syncs)))
    return jobs, problems


def _failed(job: str, error: float) -> str:
    reason = os.strerror(int(error)) if 0 < error < 200 else "unknown"
    return f"fio: job {job} failed with error {error:g} ({reason})"


# --- human --------------------------------------------------------------------------------------


class _Human:
    """State while walking through the human form: which job, direction and percentile table."""

    def __init__(self) -> None:
        self.jobs: Jobs = []
        self.problems: list[str] = []
        self.name = ""
        self.directions: dict[str, list[ParsedMetric]] = {}
        self.sync: list[ParsedMetric] = []
        self.direction = ""
        self.table: tuple[str, str] | None = None

    def read(self, line: str) -> None:
        """Take in one line."""
        if match := _JOB.match(line):
            self.finish()
            self.name = match[1]
            if int(match[2]) != 0:
                self.problems.append(_failed(match[1], float(match[2])))
        elif line.startswith("Run status group"):
            self.finish()
        elif not self.name:
            return
        elif match := _DIRECTION.match(line):
            self.direction, iops, speed = match[1], parse_quantity(match[2]), parse_quantity(match[3])
            if iops is not None and speed is not None:
                self.directions[self.direction] = _rates(iops.value, speed.value)
        elif match := _LATENCY.match(line):
            self._statistics(match[1], match[2], match[3])
        elif match := _PERCENTILES.match(line):
            self.table = (match[1], match[2])
        elif self.table is not None and line.startswith("|"):
            for percent, value in _PERCENTILE.findall(line):
                name = percentile_name(percent)
                self._keep(self.table[0], name.removeprefix("latency_"), float(value), self.table[1])
        elif match := re.match(r"errors\s*: total=(\d+)", line):
            self.problems.append(f"fio: job {self.name} had {match[1]} errors")

    def _statistics(self, kind: str, unit: str, rest: str) -> None:
        for statistic, printed in _STATISTIC.findall(rest):
            quantity = parse_quantity(printed)
            if quantity is not None and (kind != "lat" or statistic == "avg"):
                self._keep(kind, _STATISTICS[statistic], quantity.value, unit)

    def _keep(self, kind: str, statistic: str, value: float, unit: str) -> None:
        seconds = normalise(value, unit)
        if seconds is None:
            return
        prefix = {"lat": "total_latency", "sync": "sync_latency"}.get(kind, "latency")
        target = self.sync if kind == "sync" else self.directions.setdefault(self.direction, [])
        target.append(metric(f"{prefix}_{statistic}", seconds.value, "s"))

    def finish(self) -> None:
        """Close the job at hand."""
        if self.name:
            self.jobs.append((self.name, _job_metrics(self.directions, self.sync)))
        self.name, self.directions, self.sync, self.direction, self.table = "", {}, [], "", None


def _human(text: str) -> tuple[Jobs, list[str]]:
    state = _Human()
    for line in lines_of(text):
        state.read(line)
    state.finish()
    return state.jobs, state.problems


# --- terse --------------------------------------------------------------------------------------

_TERSE_FIRST = {"read": 5, "write": 46}
_TERSE_LENGTH = 87


def _terse_direction(fields: Sequence[str]) -> list[ParsedMetric]:
    """One direction's 41 fields: KiB done, KiB/s, IOPS, ms, then latencies in microseconds."""
    if (
        not all(re.fullmatch(DECIMAL, field) for field in (*fields[:4], *fields[8:12]))
        or float(fields[0]) == 0
    ):
        return []
    found = _rates(float(fields[2]), float(fields[1]) * 1024)
    for name, field in zip(("min", "max", "mean", "stddev"), fields[8:12], strict=True):
        found.append(metric(f"latency_{name}", shifted(float(field), -6), "s"))
    for field in fields[12:32]:
        percent, _, value = field.partition("%=")
        if re.fullmatch(DECIMAL, percent) and re.fullmatch(DECIMAL, value) and float(percent) > 0:
            found.append(metric(percentile_name(percent), shifted(float(value), -6), "s"))
    return found


def _terse(text: str) -> tuple[Jobs, list[str]]:
    jobs: Jobs = []
    problems: list[str] = []
    for line in lines_of(text):
        fields = line.split(";")
        if len(fields) < _TERSE_LENGTH or fields[0] not in ("3", "4"):
            continue
        if fields[4].isdecimal() and int(fields[4]) != 0:
            problems.append(_failed(fields[2][:100], float(fields[4])))
        directions = {name: _terse_direction(fields[at : at + 41]) for name, at in _TERSE_FIRST.items()}
        jobs.append((fields[2][:100], _job_metrics(directions, [])))
    return jobs, problems


# ------------------------------------------------------------------------------------------------


def _reports(text: str) -> Iterator[Mapping[str, object]]:
    for document, _, _ in documents(text):
        if isinstance(document, Mapping) and "fio version" in document:
            yield document


def _parse(text: str) -> Findings:
    jobs: Jobs = []
    problems: list[str] = []
    for report in _reports(text):
        jobs, failed = _json(report)
        problems.extend(failed)
    if not jobs:
        jobs, problems = _human(text)
        # Of several runs the last one counts; what failed in any of them does too.
        jobs = _human(text[max(text.rfind("\nfio-"), 0) :])[0] or jobs
    if not jobs:
        jobs, problems = _terse(text)
    if not any(metrics for _, metrics in jobs) and not problems:
        problems = quoted(line for line in lines_of(text) if line.startswith("fio: "))
    named = numbered([(slug(name) or "job", metrics) for name, metrics in jobs])
    return Findings(qualify(named), quoted(problems, 5))


FIO = Parser(
    "fio",
    lambda text: '"fio version"' in text or has_line(text, "fio-", "fio: ", "3;fio-", "4;fio-"),
    _parse,
)
