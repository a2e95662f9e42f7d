"""Reads pg_test_fsync, which uses one label for different tests in different sections."""

from __future__ import annotations

import re

from tactician.system.parsers.lines import DECIMAL, has_line, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric, qualify, slug
from tactician.system.parsers.units import shifted

_ROW = re.compile(rf"(\S.{{0,60}}?)\s{{2,60}}({DECIMAL}) ops/sec\s+(\d+) usecs/op")
_SECTIONS = {
    "Compare file sync methods using one ": "one_write",
    "Compare file sync methods using two ": "two_writes",
    "Compare open_sync with different write sizes": "write_sizes",
    "Test if fsync on non-write file descriptor": "other_descriptor",
    "Non-sync'ed ": "not_synced",
}


def _parse(text: str) -> Findings:
    sections: dict[str, dict[str, list[ParsedMetric]]] = {}
    section = "other"
    for line in lines_of(text):
        heading = next((name for start, name in _SECTIONS.items() if line.startswith(start)), None)
        if heading is not None:
            section = heading
        elif match := _ROW.match(line):
            sections.setdefault(section, {})[slug(match[1])] = [
                metric("operations_per_second", float(match[2]), "1/s", "ops/sec"),
                metric("latency_mean", shifted(float(match[3]), -6), "s", "usecs/op"),
            ]
    errors = [line for line in lines_of(text) if line.startswith("pg_test_fsync: error")]
    return Findings(qualify({name: qualify(methods) for name, methods in sections.items()}), quoted(errors))


PG_TEST_FSYNC = Parser(
    "pg_test_fsync",
    lambda text: has_line(text, "Compare file sync methods using ", "pg_test_fsync: "),
    _parse,
)
