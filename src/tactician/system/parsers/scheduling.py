"""Reads the small kernel benchmarks: hackbench, cyclictest and perf bench."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tactician.system.parsers.lines import DECIMAL, has_line, lines_of, lines_with, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify, slug
from tactician.system.parsers.units import parse_quantity, shifted

# --- hackbench ----------------------------------------------------------------------------------

_HACKBENCH_BEGINNINGS = ("Running in process mode with", "Running in threaded mode with", "hackbench: ")


def _hackbench(text: str) -> Findings:
    found: list[ParsedMetric] = []
    problems: list[str] = []
    for line in lines_of(text):
        if line.startswith("hackbench: ") or " (error: " in line:
            problems.append(f"hackbench: {line.removeprefix('hackbench: ')}")
        elif match := re.fullmatch(rf"Time: ({DECIMAL})", line):
            found = [metric("total_time", float(match[1]), "s", "Time")]
    return Findings(found, quoted(problems))


# --- cyclictest ---------------------------------------------------------------------------------

_THREAD = re.compile(
    r"T:\s*(\d+) \(\s*\d+\) P:\s*\d+ I:\s*\d+ C:\s*(\d+) "
    r"Min:\s*(\d+) Act:\s*-?\d+ Avg:\s*(\d+) Max:\s*(\d+)"
)
_HISTOGRAM = re.compile(r"# (Min|Avg|Max) Latencies:((?: \d+)+)$")
_CYCLICTEST_FAILURES = (
    "Unable to change scheduling policy!",
    "could not set",
    "failed to set",
    "FATAL: ",
    "sched_setscheduler",
)


def _cyclictest(text: str) -> Findings:
    """In microseconds, as printed without ``--nsecs``; the text itself does not tell the two apart."""
    threads: dict[str, tuple[float, Mapping[str, float]]] = {}
    for line in lines_of(text):
        if match := _THREAD.match(line):
            microseconds = (float(each) for each in match.groups()[2:])
            latencies = dict(zip(("min", "mean", "max"), microseconds, strict=True))
            threads[match[1]] = (float(match[2]), latencies)
        elif match := _HISTOGRAM.match(line):
            statistic = {"Min": "min", "Avg": "mean", "Max": "max"}[match[1]]
            for index, printed in enumerate(match[2].split()):
                before = threads.get(str(index), (1.0, {}))
                threads[str(index)] = (before[0], {**before[1], statistic: float(printed)})
    problems = [line for line in lines_of(text) if line.startswith(_CYCLICTEST_FAILURES)]
    # The screen starts with "Min:1000000 ... Max: 0" before the first cycle.
    problems.extend(f"thread {name} made no cycle" for name, (cycles, _) in threads.items() if cycles == 0)
    counted = {name: each for name, each in threads.items() if each[0] > 0}
    found = _microseconds("", _over_threads(counted))
    if len(counted) > 1:
        for name, (_, values) in counted.items():
            found.extend(_microseconds(f"thread{name}.", values))
    return Findings(found, quoted(f"cyclictest: {problem}" for problem in problems))


def _microseconds(prefix: str, values: Mapping[str, float]) -> list[ParsedMetric]:
    return [metric(f"{prefix}latency_{name}", shifted(value, -6), "s") for name, value in values.items()]


def _over_threads(threads: Mapping[str, tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """Return the worst, the best and the mean over all threads, which are one test."""
    columns: dict[str, list[tuple[float, float]]] = {}
    for cycles, values in threads.values():
        for name, value in values.items():
            columns.setdefault(name, []).append((cycles, value))
    found: dict[str, float] = {}
    for name, pairs in columns.items():
        values_only = [value for _, value in pairs]
        if name == "mean":
            total = sum(cycles for cycles, _ in pairs)
            found[name] = sum(cycles * value for cycles, value in pairs) / total
        else:
            found[name] = max(values_only) if name == "max" else min(values_only)
    return found


# --- perf bench ---------------------------------------------------------------------------------

_PERF_BEGIN = re.compile(r"# Running '?([a-z0-9/_-]{1,60})'? benchmark")
_PERF_FUNCTION = re.compile(r"# function '([^']{1,60})'")
_PERF_TOTAL = re.compile(rf"Total time: ({DECIMAL}) \[sec\]$")
_PERF_RATE = re.compile(rf"({DECIMAL}) (usecs/op|ops/sec|[KMGT]?B/sec|usecs/op/cpu)$")
_PERF_AVERAGE = re.compile(rf"Averaged ({DECIMAL}) (?:(\w+) )?operations(/sec)?(?: \(|$)")
_PERF_TOOK = re.compile(
    r"(?:Wokeup \d+ of \d+ threads|Requeued \d+ of \d+ threads|Avg per-thread latency \([^)]*\))"
    rf" in ({DECIMAL}) ms"
)
_PERF_STEP = re.compile(rf"Average ([a-z-]+(?: [a-z]+)?) took: ({DECIMAL}) (usec|msec|nsec)")
_PERF_NUMA = re.compile(rf"[^,]{{1,80}},\s+({DECIMAL}), ([^,]{{1,12}}),\s+(\S.{{0,60}})$")
_PERF_ERRORS = ("Unknown benchmark:", "Unknown collection:", "perf: ", "Error: unknown switch")


def _perf_line(line: str) -> ParsedMetric | None:
    if match := _PERF_TOTAL.match(line):
        return metric("total_time", float(match[1]), "s", "Total time")
    if match := _PERF_RATE.match(line):
        if match[2] == "ops/sec":
            return metric("operations_per_second", float(match[1]), "1/s", "ops/sec")
        if match[2].startswith("usecs/op"):
            name = "latency_mean" if match[2] == "usecs/op" else "latency_mean_per_cpu"
            return metric(name, shifted(float(match[1]), -6), "s", match[2])
        # perf's memory benchmarks call 1024 * 1024 * 1024 a GB.
        size = parse_quantity(f"{match[1]} {match[2]}", binary=True)
        return metric("bytes_per_second", size.value, "B/s", match[2]) if size is not None else None
    if match := _PERF_AVERAGE.match(line):
        if match[3]:
            return metric("operations_per_second", float(match[1]), "1/s", "operations/sec")
        name = f"{match[2].lower()}_operations" if match[2] else "operations"
        return metric(name, float(match[1]), "", direction="maximize")
    if match := _PERF_TOOK.match(line):
        return metric("latency_mean", shifted(float(match[1]), -3), "s")
    if match := _PERF_STEP.match(line):
        step = parse_quantity(f"{match[2]} {match[3]}")
        return metric(f"{slug(match[1])}_time", step.value, "s") if step is not None else None
    return None


def _perf_numa(line: str) -> ParsedMetric | None:
    match = _PERF_NUMA.match(line)
    quantity = parse_quantity(f"{match[1]} {match[2]}") if match is not None else None
    if match is None or quantity is None:
        return None
    name = slug(match[3])
    return metric(name, quantity.value, quantity.unit, match[3])


def _perf_bench(text: str) -> Findings:
    tests: list[tuple[str, list[ParsedMetric]]] = []
    benchmark = ""
    for line in lines_of(text):
        if match := _PERF_BEGIN.match(line):
            benchmark = match[1]
            tests.append((slug(benchmark), []))
        elif match := _PERF_FUNCTION.match(line):
            if tests and not tests[-1][1]:
                tests.pop()
            tests.append((slug(match[1]), []))
        elif tests:
            found = _perf_numa(line) if benchmark.startswith("numa") else _perf_line(line)
            if found is not None:
                tests[-1][1].append(found)
    problems = [f"perf bench: {line}" for line in lines_of(text) if line.startswith(_PERF_ERRORS)]
    return Findings(qualify({name: metrics for name, metrics in tests if metrics}), quoted(problems))


HACKBENCH = Parser("hackbench", lambda text: has_line(text, *_HACKBENCH_BEGINNINGS), _hackbench)
CYCLICTEST = Parser(
    "cyclictest",
    lambda text: has_line(text, "# /dev/cpu_dma_latency set to", "T: 0 (", _CYCLICTEST_FAILURES[0]),
    _cyclictest,
)
PERF_BENCH = Parser(
    "perf bench",
    lambda text: (
        any(_PERF_BEGIN.match(line) for line in lines_with(text, "# Running "))
        or has_line(text, *_PERF_ERRORS[:2])
    ),
    _perf_bench,
)
