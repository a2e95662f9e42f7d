"""Reads stress-ng's tables, which give each stressor a rate and some of them numbers of their own.

``operations_per_second`` is bogo operations per second of real time; with several stressors the
names begin with the stressor: ``pipe.operations_per_second``.
"""

from __future__ import annotations

import re

from tactician.system.parsers.lines import DECIMAL, has_line, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify, slug
from tactician.system.parsers.units import shifted

_LINE = re.compile(r"stress-ng: (\w+):\s+\[\d+\]\s*(.*)")
_COLUMN = rf"\s+({DECIMAL})"
_ROW = re.compile(rf"([a-z][a-z0-9-]*)\s+(\d+){_COLUMN * 5}(?:\s|$)")
_OWN = re.compile(rf"([a-z][a-z0-9-]*)\s+({DECIMAL}) ([^(\s][^(]{{0,99}})")
_FAILED = re.compile(r"(failed|skipped): ([1-9]\d*)\b(.*)")
_MEBIBYTE = 2.0**20
_TIMES = {"nanosecs": -9, "microsecs": -6, "millisecs": -3, "secs": 0}
_YAML_ROWS = {
    "bogo-ops-per-second-real-time": "operations_per_second",
    "bogo-ops-per-second-usr-sys-time": "operations_per_cpu_second",
    "wall-clock-time": "total_time",
}

Tests = dict[str, dict[str, ParsedMetric]]


def _keep(tests: Tests, stressor: str, found: ParsedMetric) -> None:
    tests.setdefault(slug(stressor), {})[found.name] = found


def _row(name: str, value: float) -> ParsedMetric:
    own = {
        "operations_per_second": ("bogo_ops_per_second", "bogo ops/s"),
        "total_time": ("real_time", "real time"),
    }
    return metric(name, value, "s" if name == "total_time" else "1/s", *own.get(name, ()))


def _own_metric(value: float, text: str) -> ParsedMetric:
    """A stressor's own number, told by its words: ``nanosecs per context switch``, ``MB per sec ...``."""
    words = text.split()
    if words[0] in _TIMES:
        return metric(f"time_{slug(' '.join(words[1:]))}".rstrip("_"), shifted(value, _TIMES[words[0]]), "s")
    if words[0] in ("MB", "MB/sec") and (words[0] == "MB/sec" or "per sec" in text):
        # stress-ng's MB is 1024 * 1024 bytes.
        name = slug(" ".join(words[1:]).removeprefix("per sec").strip())
        return metric(name or "bytes_per_second", value * _MEBIBYTE, "B/s")
    return metric(slug(text), value, "1/s" if "per sec" in text else "")


def _human(text: str, tests: Tests, problems: list[str]) -> None:
    for line in lines_of(text):
        match = _LINE.match(line)
        if match is None:
            if line.startswith("stress-ng: unrecognized option"):
                problems.append(line.removeprefix("stress-ng: "))
            continue
        kind, said = match[1], match[2]
        if kind in ("fail", "error", "fatal") or said.startswith("unsuccessful run"):
            problems.append(said)
        elif (failed := _FAILED.match(said)) is not None:
            problems.append(f"{failed[2]} stressors {failed[1]}{failed[3]}")
        elif (row := _ROW.match(said)) is not None:
            rates = {
                "total_time": row[3],
                "operations_per_second": row[6],
                "operations_per_cpu_second": row[7],
            }
            for name, value in rates.items():
                _keep(tests, row[1], _row(name, float(value)))
            if int(row[2]) == 0:
                problems.append(f"the stressor {row[1]} did not finish one operation")
        elif kind == "metrc" and (own := _OWN.match(said)) is not None:
            _keep(tests, own[1], _own_metric(float(own[2]), own[3]))


def _yaml(text: str, tests: Tests) -> None:
    """``--yaml /dev/stdout``, whose rows carry their stressor's name once, above them."""
    stressor = ""
    for line in lines_of(text):
        key, _, value = line.removeprefix("- ").partition(": ")
        if key == "stressor":
            stressor = value[:80]
        elif stressor and key in _YAML_ROWS and re.fullmatch(DECIMAL, value):
            _keep(tests, stressor, _row(_YAML_ROWS[key], float(value)))


def _parse(text: str) -> Findings:
    tests: Tests = {}
    problems: list[str] = []
    _human(text, tests, problems)
    if not tests:
        _yaml(text, tests)
    named = {name: list(found.values()) for name, found in tests.items()}
    return Findings(qualify(named), quoted((f"stress-ng: {problem}" for problem in problems), 5))


STRESS_NG = Parser(
    "stress-ng",
    lambda text: has_line(text, "stress-ng: ") or "stress-ng-version: " in text,
    _parse,
)
