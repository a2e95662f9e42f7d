"""Past runs as tables for ``tactician runs`` and ``tactician show RUN``; pure, the caller prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tactician.observers._findings import finding_rows
from tactician.observers._text import claim, clean, number, percent, setting
from tactician.storage.records import MeasurementRecord, RunRecord, RunSummary

_STYLES = {"finished": "green", "running": "cyan", "stopped": "yellow", "interrupted": "yellow"}


def runs_table(summaries: Sequence[RunSummary]) -> RenderableType:
    """The list of runs, as given."""
    if not summaries:
        return Text("The history holds no run yet.")
    table = _table()
    table.add_column("Run", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Workload", overflow="fold")
    table.add_column("Algorithm", overflow="fold")
    table.add_column("Trials", justify="right", no_wrap=True)
    table.add_column("Improvement", justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(
            summary.id,
            _state(summary),
            Text(clean(summary.workload_name) + _kind(summary)),
            summary.algorithm,
            str(summary.trials),
            _gain(summary),
        )
    return table


def run_view(record: RunRecord) -> RenderableType:
    """One run: what it was, what it found, and every measurement."""
    parts: list[RenderableType] = [_facts(record)]
    for purpose, title in (("baseline", "Baseline"), ("trial", "Trials"), ("verification", "Verification")):
        rows = [found for found in record.measurements if found.purpose == purpose]
        if rows:
            parts += [Text(""), Text(title, "bold"), _measurements(rows)]
    return Group(*parts)


def _facts(record: RunRecord) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in _fact_rows(record):
        grid.add_row(name, value if isinstance(value, Text) else Text(clean(value)))
    return grid


def _fact_rows(record: RunRecord) -> Iterable[tuple[str, str | Text]]:
    summary, result = record.summary, record.result
    yield "Run", summary.id
    yield "State", _state(summary)
    yield "Workload", summary.workload_name
    yield "Algorithm", summary.algorithm
    yield "Started", summary.started_at
    if summary.finished_at is not None:
        yield "Finished", summary.finished_at
    if record.host:
        yield "Host", ", ".join(f"{name} {value}" for name, value in record.host.items())
    if summary.dry_run:
        yield "Dry run", "the host was simulated"
    if summary.throw_away:
        yield "Namespace", "throw-away; it ended with the run"
    elif record.network_namespace is not None:
        yield "Namespace", record.network_namespace
    for name, value in record.original.items():
        yield f"Before: {name}", setting(value)
    if result is None:
        return
    yield "Improvement", _verdict(summary, result.get("improvement_interval"))
    if summary.significant:
        for name, value in (result.get("best_config") or {}).items():
            yield f"Best: {name}", setting(value)
    yield from finding_rows(result)
    if result.get("restored") is False:
        yield "Restored", Text("NO: run tactician recover", "bold red")


def _measurements(rows: Sequence[MeasurementRecord]) -> Table:
    table = _table()
    table.add_column("#", justify="right", no_wrap=True)
    if any(row.arm for row in rows):
        table.add_column("Arm", no_wrap=True)
    table.add_column("Configuration", overflow="fold")
    table.add_column("Value", overflow="fold")
    scored = any(row.outcome.score is not None for row in rows)
    for title in ("Perf", "Stab", "Reward") if scored else ():
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    for row in rows:
        cells: list[RenderableType] = [str(row.number)]
        if any(other.arm for other in rows):
            cells.append(row.arm)
        shown = "\n".join(f"{name}={setting(value)}" for name, value in row.outcome.configuration.items())
        cells += [Text(shown), _value(row)]
        if scored:
            cells += _score(row)
        table.add_row(*cells, f"{row.outcome.seconds:.1f}s")
    return table


def _value(row: MeasurementRecord) -> Text:
    measurement = row.outcome.measurement
    if measurement is None:
        return Text(f"{row.outcome.status}: {clean(row.outcome.reason)}", "red")
    return Text(f"{number(measurement.value)} {measurement.unit}".rstrip())


def _score(row: MeasurementRecord) -> list[str]:
    score = row.outcome.score
    if score is None:
        return ["", "", ""]
    return [f"{score.performance:.3f}", f"{score.stability:.2f}", f"{score.reward:.3f}"]


def _state(summary: RunSummary) -> Text:
    if summary.crashed:
        return Text("crashed", "red")
    return Text(summary.state, _STYLES.get(summary.state, "red"))


def _kind(summary: RunSummary) -> str:
    if summary.dry_run:
        return " (dry run)"
    return " (throw-away)" if summary.throw_away else ""


def _gain(summary: RunSummary) -> str:
    if summary.improvement is None:
        return ""
    if not summary.significant:
        return "none"
    return percent(summary.improvement)


def _verdict(summary: RunSummary, interval: Sequence[float] | None) -> str:
    if not summary.significant or summary.improvement is None:
        return "no significant improvement"
    return claim(summary.improvement, interval)


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
