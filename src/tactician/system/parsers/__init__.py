"""Reads the metric out of what real benchmark tools print, and tells a failed run from a good one.

Pure functions over text. The tool is found from its output and not from the command, because a
command may be a script. Each tool has a parser in :data:`PARSERS`; lines and JSON documents that
belong to none are read by :mod:`generic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tactician.system.parsers.errors import MetricNotFoundError
from tactician.system.parsers.fio import FIO
from tactician.system.parsers.generic import parse_plain, wrapped_metrics
from tactician.system.parsers.http import AB, H2LOAD, HEY, WRK
from tactician.system.parsers.iperf3 import IPERF3
from tactician.system.parsers.lines import cleaned
from tactician.system.parsers.lookup import find_metric
from tactician.system.parsers.memcslap import MEMCSLAP
from tactician.system.parsers.metrics import (
    Direction,
    Findings,
    ParsedMetric,
    ParsedOutput,
    Parser,
    qualify,
    slug,
)
from tactician.system.parsers.pg_test_fsync import PG_TEST_FSYNC
from tactician.system.parsers.pgbench import PGBENCH
from tactician.system.parsers.redis import REDIS_BENCHMARK
from tactician.system.parsers.scheduling import CYCLICTEST, HACKBENCH, PERF_BENCH
from tactician.system.parsers.stress_ng import STRESS_NG
from tactician.system.parsers.sysbench import SYSBENCH

__all__ = [
    "PARSERS",
    "Direction",
    "MetricNotFoundError",
    "ParsedMetric",
    "ParsedOutput",
    "find_metric",
    "parse_output",
]

PARSERS: tuple[Parser, ...] = (
    PGBENCH,
    WRK,
    AB,
    H2LOAD,
    HEY,
    SYSBENCH,
    REDIS_BENCHMARK,
    MEMCSLAP,
    FIO,
    IPERF3,
    HACKBENCH,
    CYCLICTEST,
    PERF_BENCH,
    STRESS_NG,
    PG_TEST_FSYNC,
)


def parse_output(text: str) -> ParsedOutput:
    """Return the tool, its metrics and the problems of one run's output; never raises.

    Where several tools wrote into one output, ``tool`` is their names joined by ``+``. A script's
    own line such as ``requests_per_second: 1200`` replaces the tool's number of that name.

    Args:
        text: standard output and standard error, decoded with ``errors="replace"``.
    """
    text = cleaned(text)
    tools = [parser for parser in PARSERS if parser.recognises(text)]
    if not tools:
        return _output(None, parse_plain(text))
    parsed = [parser.parse(text) for parser in tools]
    metrics = parsed[0].metrics
    if len(tools) > 1:
        metrics = _merged({slug(tool.name): findings for tool, findings in zip(tools, parsed, strict=True)})
    own = wrapped_metrics(text)
    names = {each.name for each in own}
    findings = Findings(
        [*(each for each in metrics if each.name not in names), *own],
        [problem for each in parsed for problem in each.problems],
    )
    return _output("+".join(tool.name for tool in tools), findings)


def _merged(parsed: dict[str, Findings]) -> Sequence[ParsedMetric]:
    """Return all tools' metrics; each tool counts as one test of several if it found anything."""
    return qualify({name: findings.metrics for name, findings in parsed.items() if findings.metrics})


def _output(tool: str | None, findings: Findings) -> ParsedOutput:
    metrics = tuple({each.name: each for each in findings.metrics}.values())
    return ParsedOutput(
        tool,
        tuple(each for each in metrics if math.isfinite(each.value)),
        tuple(findings.problems),
        tuple(each for each in metrics if not math.isfinite(each.value)),
    )
