"""Reads pgbench, whose progress lines look like results and whose aborted runs still print a rate."""

from __future__ import annotations

import re
from dataclasses import replace

from tactician.system.parsers.lines import DECIMAL, has_line, last_run, lines_of, quoted
from tactician.system.parsers.metrics import Findings, ParsedMetric, Parser, metric
from tactician.system.parsers.units import shifted

# Anchored by ``match``: "progress: 1.0 s, 8605.7 tps, ..." must not be taken for the result.
_TPS = re.compile(rf"tps = ({DECIMAL})(?: \((.*)\))?")
_LATENCY = re.compile(rf"latency (average|stddev) = ({DECIMAL}) ms")
_CONNECTION = re.compile(rf"(initial|average) connection time = ({DECIMAL}) ms")
_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)(?:/(\d+))?")
_FAILED = re.compile(r"number of failed transactions: (\d+)(?: \((.*)\))?")
_LAG = re.compile(rf"rate limit schedule lag: avg ({DECIMAL}) \(max ({DECIMAL})\) ms")
_LOADED = re.compile(rf"done in ({DECIMAL}) s \(")
_SCRIPT = re.compile(r"SQL script (\d+): ")
_SCRIPT_TPS = re.compile(rf"- \d+ transactions \(.*tps = ({DECIMAL})\)")
_SCRIPT_LATENCY = re.compile(rf"- latency (average|stddev) = ({DECIMAL}) ms")
_COUNTS = {
    "number of transactions retried": "transactions_retried",
    "number of transactions skipped": "transactions_skipped",
    "total number of retries": "retries",
}
_STATISTIC = {"average": "mean", "stddev": "stddev"}
_ERRORS = ("pgbench: error:", "pgbench: fatal:", "connection to database")


def _result(line: str) -> list[ParsedMetric]:
    if match := _TPS.match(line):
        name = "transactions_per_second"
        if match[2] == "including connections establishing":
            name = "transactions_per_second_including_connections"
        return [metric(name, float(match[1]), "1/s")]
    if match := _LATENCY.match(line):
        own = f"latency {match[1]}"
        return [metric(f"latency_{_STATISTIC[match[1]]}", shifted(float(match[2]), -3), "s", own)]
    if match := _CONNECTION.match(line):
        own = f"{match[1]} connection time"
        return [metric(f"connection_time_{match[1]}", shifted(float(match[2]), -3), "s", own)]
    if match := _LAG.match(line):
        mean, worst = shifted(float(match[1]), -3), shifted(float(match[2]), -3)
        return [metric("schedule_lag_mean", mean, "s"), metric("schedule_lag_max", worst, "s")]
    if match := _PROCESSED.match(line):
        return [metric("transactions", float(match[1]), "", "number of transactions actually processed")]
    if match := _FAILED.match(line):
        return [metric("failed_transactions", float(match[1]), "", "number of failed transactions")]
    label, _, rest = line.partition(":")
    if label in _COUNTS and (words := rest.split()) and words[0].isdecimal():
        return [metric(_COUNTS[label], float(words[0]), "", label, direction="minimize")]
    return []


def _script_result(line: str, script: str) -> ParsedMetric | None:
    """One script's share of a run with several; it never answers to the bare name."""
    if match := _SCRIPT_TPS.match(line):
        found = metric("transactions_per_second", float(match[1]), "1/s")
    elif match := _SCRIPT_LATENCY.match(line):
        found = metric(f"latency_{_STATISTIC[match[1]]}", shifted(float(match[2]), -3), "s")
    else:
        return None
    aliases = tuple(f"{script}.{alias}" for alias in found.aliases)
    return replace(found, name=f"{script}.{found.name}", aliases=aliases)


def _metrics(text: str) -> list[ParsedMetric]:
    found: dict[str, ParsedMetric] = {}
    script = ""
    for line in lines_of(text):
        if match := _SCRIPT.match(line):
            script = f"script{match[1]}"
        elif line.startswith("- "):
            share = _script_result(line, script) if script else None
            if share is not None:
                found[share.name] = share
        else:
            found.update((each.name, each) for each in _result(line))
    if not found:
        found.update(
            ("total_time", metric("total_time", float(match[1]), "s", "done in"))
            for line in lines_of(text)
            if (match := _LOADED.match(line))
        )
    return list(found.values())


def _problems(text: str) -> list[str]:
    aborted: list[str] = []
    errors: list[str] = []
    problems: list[str] = []
    processed = ""
    for line in lines_of(text):
        if " aborted in " in line and "client " in line:
            aborted.append(line.removeprefix("pgbench: error: "))
        elif "Run was aborted" in line:
            problems.append("pgbench: the run was aborted, its results are incomplete")
        elif line.startswith(_ERRORS):
            errors.append(line.removeprefix("pgbench: "))
        elif match := _PROCESSED.match(line):
            processed = match[1]
            if int(processed) == 0:
                problems.append("pgbench: not one transaction was processed")
            elif match[2] is not None and match[2] != processed:
                problems.append(f"pgbench: only {processed} of {match[2]} transactions were processed")
        elif (match := _FAILED.match(line)) and int(match[1]) > 0:
            share = f" ({match[2]})" if match[2] else ""
            problems.append(f"pgbench: {match[1]} transactions failed{share}, {processed} succeeded")
    if aborted:
        noun = "client was" if len(aborted) == 1 else "clients were"
        problems.insert(0, f"pgbench: {len(aborted)} {noun} aborted: {aborted[0][:200]}")
    return quoted([*(f"pgbench: {error}" for error in quoted(errors)), *problems], 6)


def _parse(text: str) -> Findings:
    return Findings(last_run(text, "transaction type: ", _metrics), _problems(text))


PGBENCH = Parser(
    "pgbench",
    lambda text: has_line(
        text, "pgbench (", "tps = ", "transaction type: ", "pgbench: ", "generating data (client-side)"
    ),
    _parse,
)
