"""Reads memcslap, which prints only times: a rate has to be computed from its keys and seconds."""

from __future__ import annotations

import re

from tactician.system.parsers.lines import DECIMAL, lines_of
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify

_TEST = re.compile(rf"Time to (\w+)\s+(\d+) keys by\s+(\d+) threads:\s+({DECIMAL}) seconds\.$")
_LOAD = re.compile(rf"Time to set\s+(\d+) keys:\s+({DECIMAL}) seconds\.$")
_TOTAL = re.compile(rf"Time total:\s+({DECIMAL}) seconds\.$")


def _test(action: str, keys: float, seconds: float) -> list[ParsedMetric]:
    found = [metric("test_time", seconds, "s", f"Time to {action}", f"time_to_{action}")]
    if seconds > 0:
        own = ("requests_per_second", "rps", "keys_per_second")
        found.append(metric("operations_per_second", keys / seconds, "1/s", *own))
    return found


def _parse(text: str) -> Findings:
    tests: dict[str, list[ParsedMetric]] = {}
    beside: dict[str, ParsedMetric] = {}
    problems: list[str] = []
    fatal = text.count("Fatal error for key ")
    for line in lines_of(text):
        if match := _TEST.match(line):
            tests[match[1]] = _test(match[1], float(match[2]), float(match[4]))
            if int(match[2]) == 0:
                problems.append(
                    f"memcslap: not one key was handled by {match[3]} threads in the test {match[1]}"
                )
        elif match := _LOAD.match(line):
            beside["preload_time"] = metric("preload_time", float(match[2]), "s")
            if int(match[1]) == 0:
                problems.append("memcslap: not one key could be set before the test")
        elif match := _TOTAL.match(line):
            beside["total_time"] = metric("total_time", float(match[1]), "s", "Time total")
    if fatal:
        problems.insert(0, f"memcslap: {fatal} fatal errors{_reason(text)}")
    return Findings([*qualify(tests), *beside.values()], problems)


def _reason(text: str) -> str:
    """Return why the first key failed; two threads may write into one line, so it can be anywhere."""
    start = text.find(") ", text.find("Fatal error for key "))
    end = text.find(",  host:", start)
    return f": {text[start + 2 : end]}" if 0 <= start < end < start + 200 else ""


MEMCSLAP = Parser(
    "memcslap",
    lambda text: "Time to " in text and (" test keys: " in text or " keys by " in text),
    _parse,
)
