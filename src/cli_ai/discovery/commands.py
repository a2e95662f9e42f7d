"""The command ``tactician discover``; everything heavy is imported when it is called."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from tactician.cli import errors_reported
from tactician.cli.base import JsonFlag

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

commands = typer.Typer()


@commands.command()
def discover(
    watch: Annotated[
        str | None, typer.Option(help="Watch for so long what is scarce, such as 30s or 2m.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what this host is: system, services, benchmarks, knobs, what is scarce. Writes nothing."""
    with errors_reported(as_json):
        from cli_ai.discovery import discover as look

        facts = look(_seconds(watch))
        if as_json:
            typer.echo(json.dumps(facts.model_dump(mode="json"), indent=2))
            return
        from cli_ai.discovery.showing import lines

        for line in lines(facts):
            typer.echo(line)


def _seconds(text: str | None) -> float:
    from tactician.errors import OperatorError

    if text is None:
        return 0.0
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0.0 < seconds <= 3600.0:
        raise OperatorError(f"--watch takes a time from above 0 to 1h, such as 30s or 2m, not {text!r}")
    return seconds
