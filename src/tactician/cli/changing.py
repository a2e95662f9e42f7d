"""The commands that put a result in place, take it back, or hand it over."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tactician.cli.base import (
    JsonFlag,
    RunArgument,
    commands,
    errors_reported,
    find_home,
    open_history,
    read_record,
)


@commands.command()
def apply(run: RunArgument = "last", as_json: JsonFlag = False) -> None:
    """Put a run's proven winner in place until the next boot; 'revert' takes it back."""
    with errors_reported(as_json):
        from tactician.operations import apply_run

        home = find_home()
        record = read_record(open_history(home), run)
        done = apply_run(record, home)
        if as_json:
            typer.echo(json.dumps({"success": True, "run_id": record.id, **done._asdict()}, indent=2))
            return
        for name, value in done.changed.items():
            typer.echo(f"applied {name} = {value}")
        for name in done.unchanged:
            typer.echo(f"{name} has its value already")
        for name, value in done.by_hand.items():
            typer.echo(f"set by hand, it is no setting of this host: {name} = {value}")
        if done.changed:
            typer.echo(f"Take it back with: tactician revert {record.id}")


@commands.command()
def revert(
    run: Annotated[
        str | None, typer.Argument(help="The run that was applied; the latest by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take back what 'apply' put in place."""
    with errors_reported(as_json):
        from tactician.operations import revert as take_back

        _print_recoveries([take_back(find_home(), run)], as_json, "reverted")


@commands.command()
def recover(as_json: JsonFlag = False) -> None:
    """Restore what runs that were killed have left behind."""
    with errors_reported(as_json):
        from tactician.operations import recover_everywhere

        recoveries = recover_everywhere(find_home())
        _print_recoveries(recoveries, as_json, "recovered")
        if any(recovery.leftovers for recovery in recoveries):
            raise typer.Exit(4)


@commands.command()
def export(
    run: RunArgument = "last",
    form: Annotated[str, typer.Option("--format", help="sysctl or sh.")] = "sysctl",
) -> None:
    """Print a run's proven winner as a sysctl.d file, or as a shell script with its own undo."""
    with errors_reported():
        from tactician.operations import export as exported

        typer.echo(exported(read_record(open_history(), run), form), nl=False)


def _print_recoveries(recoveries: list[Any], as_json: bool, verb: str) -> None:
    if as_json:
        entries = [
            {
                "run_id": recovery.run_id,
                "changed": [{"path": path, "found": found} for path, found in recovery.changed],
                "not_restored": [{"path": left.path, "message": str(left)} for left in recovery.leftovers],
                "processes_ended": recovery.ended,
                "note": recovery.note,
            }
            for recovery in recoveries
        ]
        restored = not any(recovery.leftovers for recovery in recoveries)
        typer.echo(json.dumps({"success": restored, verb: entries}, indent=2))
        return
    if not recoveries:
        typer.echo("Nothing to recover.")
    for recovery in recoveries:
        typer.echo(f"{verb} run {recovery.run_id}{f': {recovery.note}' if recovery.note else ''}")
        for path, found in recovery.changed:
            typer.echo(f"  {path} showed {found!r} and is as it was")
        if recovery.ended:
            typer.echo(f"  ended {recovery.ended} benchmark processes")
        for leftover in recovery.leftovers:
            typer.echo(f"  NOT RESTORED: {leftover}", err=True)
