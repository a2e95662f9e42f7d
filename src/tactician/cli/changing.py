"""The commands that put a result in place, take it back, or hand it over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from tactician.operations import Applied


@commands.command()
def apply(
    run: RunArgument = "last",
    confirm_within: Annotated[
        str | None,
        typer.Option(help="Take everything back after so long (5m, 90s, 1h) unless 'confirm' comes first."),
    ] = None,
    persist: Annotated[bool, typer.Option("--persist", help="Set the values at every boot too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a run's proven winner in place until the next boot; 'revert' takes it back."""
    with errors_reported(as_json):
        from tactician.errors import Interrupted
        from tactician.operations import apply_run

        home = find_home()
        record = read_record(open_history(home), run)
        try:
            done = apply_run(record, home, confirm_within_s=_seconds(confirm_within), persist=persist)
        except Interrupted:
            raise KeyboardInterrupt from None  # by now everything is as it was
        if as_json:
            typer.echo(json.dumps({"success": True, "run_id": record.id, **done.to_dict()}, indent=2))
        else:
            _print_applied(record.id, done)


@commands.command()
def confirm(
    run: Annotated[
        str | None, typer.Argument(help="The run that was applied; the one that waits by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Let stay what 'apply --confirm-within' put in place."""
    with errors_reported(as_json):
        from tactician.operations import confirm as keep

        done = keep(find_home(), run)
        if as_json:
            typer.echo(json.dumps({"success": True, **done._asdict()}, indent=2))
            return
        typer.echo(f"confirmed run {done.run_id}: it stays {_how_long(done.files)}")
        typer.echo(f"Take it back with: tactician revert {done.run_id}")


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
    form: Annotated[str, typer.Option("--format", help="sysctl, tuned, atune, ansible or sh.")] = "sysctl",
) -> None:
    """Print a run's proven winner for another tool, or as a shell script with its own undo."""
    with errors_reported():
        from tactician.operations import export as exported

        typer.echo(exported(read_record(open_history(), run), form), nl=False)


_SPAN = re.compile(r"^(\d+(?:\.\d+)?)(s|m|h)$")
_SECONDS: Mapping[str, float] = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(span: str | None) -> float | None:
    """Read a span of time. Raises OperatorError."""
    from tactician.errors import OperatorError
    from tactician.operations.applying import LONGEST_S

    if span is None:
        return None
    match = _SPAN.match(span)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 1.0 <= seconds <= LONGEST_S:
        raise OperatorError(f"--confirm-within {span}: give a time between 1s and 24h, such as 90s, 5m or 1h")
    return seconds


def _how_long(files: Sequence[str]) -> str:
    return f"and is set at every boot by {', '.join(files)}" if files else "until the next boot"


def _print_applied(run_id: str, done: Applied) -> None:
    for notice in done.notices:
        typer.echo(f"note: {notice}", err=True)
    for name, value in done.changed.items():
        typer.echo(f"applied {name} = {value}")
    for name in done.unchanged:
        typer.echo(f"{name} has its value already")
    for name, value in done.by_hand.items():
        typer.echo(f"set by hand, it is no setting of this host: {name} = {value}")
    if done.confirm is not None:
        typer.echo(f"Everything is taken back at {done.confirm.until} unless you confirm it:")
        typer.echo(f"    {done.confirm.command}")
        if done.files:
            typer.echo(f"From then on it is set at every boot by {', '.join(done.files)}")
    elif done.files:
        typer.echo(f"set at every boot by {', '.join(done.files)}")
    if done.changed or done.files:
        typer.echo(f"Take it back with: tactician revert {run_id}")


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
    from tactician.undo.foreign import is_theirs

    if not recoveries:
        typer.echo("Nothing to recover.")
    for recovery in recoveries:
        typer.echo(f"{verb} run {recovery.run_id}{f': {recovery.note}' if recovery.note else ''}")
        for path, found in recovery.changed:
            kept = is_theirs(found)
            typer.echo(f"  {path} has {found}" if kept else f"  {path} showed {found!r} and is as it was")
        if recovery.ended:
            typer.echo(f"  ended {recovery.ended} benchmark processes")
        for leftover in recovery.leftovers:
            typer.echo(f"  NOT RESTORED: {leftover}", err=True)
