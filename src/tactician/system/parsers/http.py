"""Reads HTTP load generators, which count an error page as one more request: wrk, ab, h2load and hey.

All four exit with 0 when every answer was a 404, and a server that only sends error pages is
faster than one that works; so the number of wrong answers decides whether a run counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tactician.system.parsers.lines import DECIMAL, has_line, last_run, lines_of, lines_with, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, percentile_name
from tactician.system.parsers.units import parse_number, parse_quantity, shifted

TOLERATED_SOCKET_ERRORS_PERCENT = 1
"""A few timeouts at the end of a run with many connections are usual; more than this share is not."""

_WRK_TIMES = {"us": -6, "ms": -3, "s": 0}
_WRK_LONG_TIMES = {"m": 60.0, "h": 3600.0}
_WRK_TIME = re.compile(rf"({DECIMAL})(us|ms|s|m|h)")
_WRK_LATENCY = re.compile(r"Latency\s+(\S+)\s+(\S+)\s+(\S+)\s+\S+%$")
_WRK_PERCENTILE = re.compile(rf"({DECIMAL})%\s+({DECIMAL}(?:us|ms|s|m|h))$")
_WRK_TOTAL = re.compile(r"(\d+) requests in (\S+), (\S+) read$")
_WRK_BAD = re.compile(r"\s*Non-2xx or 3xx responses: (\d+)")
_WRK_SOCKET = re.compile(r"\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_WRK_REFUSALS = (
    "unable to connect to ",
    "number of connections must be >= threads",
    "unable to create thread",
)

_AB_LABEL = re.compile(rf"([A-Z][A-Za-z0-9 -]+):\s+({DECIMAL})(.*)")
_AB_TOTAL = re.compile(rf"Total:\s+(\d+)\s+(\d+)\s+({DECIMAL})\s+(\d+)\s+(\d+)$")
_AB_PERCENTILE = re.compile(r"(\d+)%\s+(\d+)(?: \(longest request\))?$")
_AB_ERRORS = ("apr_", "ab: ", "Test aborted after ", "SSL handshake failed", "SSL read failed")

_H2LOAD_FINISHED = re.compile(rf"finished in (\S+), ({DECIMAL}) req/s, (\S+)$")
_H2LOAD_REQUESTS = re.compile(
    r"requests: (\d+) total, \d+ started, (\d+) done, \d+ succeeded, "
    r"(\d+) failed, (\d+) errored, (\d+) timeout"
)
_H2LOAD_STATUSES = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_H2LOAD_ROWS = {
    "time for request": "latency",
    "request": "latency",
    "time for connect": "connect_time",
    "connect": "connect_time",
    "time to 1st byte": "first_byte_time",
    "TTFB": "first_byte_time",
}
_H2LOAD_COLUMNS = {
    "min": "min",
    "max": "max",
    "mean": "mean",
    "sd": "stddev",
    "median": "p50",
    "p95": "p95",
    "p99": "p99",
}

_HEY_LABEL = re.compile(r"(Total|Slowest|Fastest|Average|Requests/sec|Total data|Size/request):\s+(\S+)")
_HEY_PERCENTILE = re.compile(rf"(\d+)% in ({DECIMAL}) secs$")
_HEY_COUNT = re.compile(r"\[(\d+)\]\s+(.*)")
_HEY_NAMES = {
    "Total": ("total_time", "s"),
    "Slowest": ("latency_max", "s"),
    "Fastest": ("latency_min", "s"),
    "Average": ("latency_mean", "s"),
    "Requests/sec": ("requests_per_second", "1/s"),
}


def _wrk_seconds(text: str) -> float | None:
    match = _WRK_TIME.fullmatch(text)
    if match is None:
        return None
    value, unit = float(match[1]), match[2]
    return shifted(value, _WRK_TIMES[unit]) if unit in _WRK_TIMES else value * _WRK_LONG_TIMES[unit]


def _wrk_metrics(text: str) -> list[ParsedMetric]:
    found: dict[str, ParsedMetric] = {}

    def keep(each: ParsedMetric) -> None:
        found[each.name] = each

    for line in lines_of(text):
        if match := _WRK_LATENCY.match(line):
            for name, printed in zip(("mean", "stddev", "max"), match.groups(), strict=True):
                seconds = _wrk_seconds(printed)
                if seconds is not None:
                    keep(metric(f"latency_{name}", seconds, "s"))
        elif match := _WRK_PERCENTILE.match(line):
            seconds = _wrk_seconds(match[2])
            if seconds is not None:
                keep(metric(percentile_name(match[1]), seconds, "s", f"{match[1]}%"))
        elif match := _WRK_TOTAL.match(line):
            keep(metric("requests", float(match[1]), ""))
            seconds = _wrk_seconds(match[2])
            if seconds is not None:
                keep(metric("total_time", seconds, "s"))
        elif line.startswith("Requests/sec:"):
            rate = parse_number(line.partition(":")[2])
            if rate is not None:
                keep(metric("requests_per_second", rate, "1/s", "Requests/sec"))
        elif line.startswith("Transfer/sec:"):
            # wrk's kB and MB are powers of 1024.
            size = parse_quantity(line.partition(":")[2], binary=True)
            if size is not None and size.unit == "B":
                keep(metric("bytes_per_second", size.value, "B/s", "Transfer/sec"))
    return list(found.values())


def _wrk(text: str) -> Findings:
    metrics = last_run(text, "Running ", _wrk_metrics)
    problems = [f"wrk: {line}" for line in quoted(lines_with(text, *_WRK_REFUSALS))]
    requests = 0
    for line in lines_of(text):
        if match := _WRK_TOTAL.match(line):
            requests = int(match[1])
            if requests == 0:
                problems.append("wrk: not one request was answered")
        elif match := _WRK_BAD.match(line):
            problems.append(f"wrk: {match[1]} of {requests} responses were neither 2xx nor 3xx")
        elif match := _WRK_SOCKET.match(line):
            connect, read, write, timeout = (int(count) for count in match.groups())
            errors = connect + read + write + timeout
            if errors * 100 > TOLERATED_SOCKET_ERRORS_PERCENT * requests:
                problems.append(
                    f"wrk: {errors} socket errors (connect {connect}, read {read}, write {write}, "
                    f"timeout {timeout}) for {requests} requests"
                )
    return Findings(metrics, problems)


def _ab_metrics(text: str) -> list[ParsedMetric]:
    found: dict[str, ParsedMetric] = {}

    def keep(each: ParsedMetric) -> None:
        found[each.name] = each

    for line in lines_of(text):
        if match := _AB_TOTAL.match(line):
            keep(metric("latency_min", shifted(float(match[1]), -3), "s"))
            keep(metric("latency_stddev", shifted(float(match[3]), -3), "s"))
            keep(metric("latency_max", shifted(float(match[5]), -3), "s"))
        elif match := _AB_PERCENTILE.match(line):
            keep(metric(percentile_name(match[1]), shifted(float(match[2]), -3), "s", f"{match[1]}%"))
        elif match := _AB_LABEL.match(line):
            label, value, rest = match[1], float(match[2]), match[3]
            if label == "Requests per second":
                keep(metric("requests_per_second", value, "1/s", label))
            elif label == "Time per request" and "across all" in rest:
                keep(metric("time_per_request_across_all", shifted(value, -3), "s"))
            elif label == "Time per request":
                keep(metric("latency_mean", shifted(value, -3), "s", label))
            elif label == "Time taken for tests":
                keep(metric("total_time", value, "s", label))
            elif label == "Transfer rate":
                # ab divides by 1024 and calls it Kbytes.
                keep(metric("bytes_per_second", value * 1024, "B/s", label))
            elif label == "Complete requests":
                keep(metric("requests", value, "", label))
    return list(found.values())


def _ab(text: str) -> Findings:
    metrics = last_run(text, "This is ApacheBench", _ab_metrics)
    problems = [f"ab: {line}" for line in quoted(lines_with(text, *_AB_ERRORS))]
    complete, failed = 0, 0
    for line in lines_of(text):
        label, _, printed = line.partition(":")
        words = printed.split()
        count = int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 19 else 0
        if label == "Complete requests":
            complete, failed = count, 0
        elif label == "Failed requests" and count > 0:
            failed = count
            problems.append(f"ab: {count} of {complete} requests failed")
        elif failed and line.startswith("(Connect: "):
            problems[-1] += f" {line}"
            if f"Length: {failed}," in line:
                problems[-1] += "; where the page's length varies by nature, give ab the option -l"
            failed = 0
        elif label == "Non-2xx responses" and count > 0:
            problems.append(f"ab: {count} of {complete} responses were not 2xx")
        elif label == "Total transferred" and count == 0 and complete > 0:
            problems.append(f"ab: the server sent nothing at all in {complete} requests")
    return Findings(metrics, problems)


def _h2load_row(line: str, columns: Sequence[str]) -> list[ParsedMetric]:
    label, _, cells = line.partition(":")
    stem = _H2LOAD_ROWS.get(label.strip())
    if stem is None:
        return []
    found = []
    for column, cell in zip(columns, cells.split(), strict=False):
        quantity = parse_quantity(cell)
        if column in _H2LOAD_COLUMNS and quantity is not None and quantity.unit == "s":
            found.append(metric(f"{stem}_{_H2LOAD_COLUMNS[column]}", quantity.value, "s"))
    return found


def _h2load_metrics(text: str) -> list[ParsedMetric]:
    found: list[ParsedMetric] = []
    columns: list[str] = []
    for line in lines_of(text):
        if match := _H2LOAD_FINISHED.match(line):
            took, rate = parse_quantity(match[1]), float(match[2])
            # h2load's KB and MB are powers of 1024.
            size = parse_quantity(match[3].removesuffix("/s"), binary=True)
            if took is not None and size is not None:
                found.append(metric("requests_per_second", rate, "1/s", "req/s"))
                found.append(metric("bytes_per_second", size.value, "B/s"))
                found.append(metric("total_time", took.value, "s", "finished in"))
        elif line.startswith("min ") and " mean " in line:
            columns = line.replace("+/- sd", "within").split()
        elif columns:
            found.extend(_h2load_row(line, columns))
    return found


def _h2load(text: str) -> Findings:
    metrics = last_run(text, "starting benchmark...", _h2load_metrics)
    problems: list[str] = []
    for line in lines_of(text):
        if match := _H2LOAD_REQUESTS.match(line):
            total, done, failed, errored, timeout = match.groups()
            if int(failed) or int(errored) or int(timeout):
                problems.append(
                    f"h2load: of {total} requests {done} were done, {failed} failed, {errored} errored, "
                    f"{timeout} timed out"
                )
        elif match := _H2LOAD_STATUSES.match(line):
            _, moved, refused, broken = (int(count) for count in match.groups())
            if moved + refused + broken > 0:
                problems.append(
                    f"h2load: responses that are not 2xx: {moved} 3xx, {refused} 4xx, {broken} 5xx"
                )
    return Findings(metrics, problems)


def _hey_metrics(text: str) -> list[ParsedMetric]:
    found: dict[str, ParsedMetric] = {}
    for line in lines_of(text):
        if match := _HEY_LABEL.match(line):
            value = parse_number(match[2])
            if match[1] in _HEY_NAMES and value is not None:
                name, unit = _HEY_NAMES[match[1]]
                found[name] = metric(name, value, unit, match[1])
        elif (match := _HEY_PERCENTILE.match(line)) and match[1] != "0":
            # With few samples hey fills the list up with "0% in 0.0000 secs".
            name = percentile_name(match[1])
            found[name] = metric(name, float(match[2]), "s", f"{match[1]}%")
    return list(found.values())


def _hey(text: str) -> Findings:
    metrics = last_run(text, "Summary:", _hey_metrics)
    problems: list[str] = []
    section = ""
    for line in lines_of(text):
        if line.endswith("distribution:"):
            section = line
        elif match := _HEY_COUNT.match(line):
            if section == "Status code distribution:" and not match[1].startswith("2"):
                problems.append(f"hey: {match[2]} had status {match[1]}")
            elif section == "Error distribution:":
                problems.append(f"hey: {match[1]} requests failed: {match[2][:200]}")
    return Findings(metrics, quoted(problems, 5))


WRK = Parser(
    "wrk",
    lambda text: has_line(text, "Requests/sec:", *_WRK_REFUSALS),
    _wrk,
)
AB = Parser("ab", lambda text: has_line(text, "This is ApacheBench"), _ab)
H2LOAD = Parser(
    "h2load",
    lambda text: has_line(text, "starting benchmark...") or ("\nfinished in " in text and " req/s, " in text),
    _h2load,
)
HEY = Parser(
    "hey",
    lambda text: has_line(text, "Summary:") and "\n  Requests/sec:" in text,
    _hey,
)
