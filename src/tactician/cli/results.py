"""The commands that look back: runs and show."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tactician.cli.base import JsonFlag, RunArgument, commands, errors_reported, open_history, read_record


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the runs of this host."""
    with errors_reported(as_json):
        from dataclasses import asdict

        found = open_history().runs(limit)
        if as_json:
            typer.echo(json.dumps([asdict(summary) for summary in found], indent=2))
            return
        from tactician.observers.console import make_console
        from tactician.observers.tables import runs_table

        make_console().print(runs_table(found))


@commands.command()
def show(run: RunArgument = "last", as_json: JsonFlag = False) -> None:
    """Show one run: its verdict and every trial."""
    with errors_reported(as_json):
        record = read_record(open_history(), run)
        if as_json:
            typer.echo(json.dumps(_shown(record), indent=2))
            return
        from tactician.observers.console import make_console
        from tactician.observers.tables import run_view

        make_console().print(run_view(record))


def _shown(record: Any) -> dict[str, Any]:
    """Return a run's result with its trials, as one JSON document."""
    summary = record.summary
    result = dict(record.result) if record.result is not None else {"run_id": record.id, "success": False}
    measurements = [
        {
            "purpose": entry.purpose,
            "number": entry.number,
            "arm": entry.arm,
            "status": entry.outcome.status,
            "configuration": dict(entry.outcome.configuration),
            "value": entry.outcome.measurement.value if entry.outcome.measurement else None,
            "unit": entry.outcome.measurement.unit if entry.outcome.measurement else None,
            "reward": entry.outcome.reward,
            "estimate": entry.outcome.estimate.value if entry.outcome.estimate else None,
            "bound": entry.outcome.estimate.bound if entry.outcome.estimate else None,
            "performance": entry.outcome.score.performance if entry.outcome.score else None,
            "stability": entry.outcome.score.stability if entry.outcome.score else None,
            "seconds": entry.outcome.seconds,
            "reason": entry.outcome.reason or None,
        }
        for entry in record.measurements
    ]
    state = "crashed" if summary.crashed else summary.state
    return {**result, "state": state, "started_at": summary.started_at, "measurements": measurements}
