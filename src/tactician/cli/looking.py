"""The commands that only look: doctor, knobs, parse and schema."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from tactician.cli.base import JsonFlag, commands, errors_reported, find_home


@commands.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Say what is possible on this host, what is missing, and the command that mends it."""
    with errors_reported(as_json):
        from tactician.system.doctor import examine

        findings = examine(find_home())
        if as_json:
            typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
            return
        for finding in findings:
            sign = {True: "ok", False: "!!", None: "--"}[finding.ok]
            typer.echo(f"{sign}  {finding.name:<22} {finding.detail}")
            if finding.mend:
                typer.echo(f"    {'':<22} mend: {finding.mend}")


@commands.command()
def knobs(
    query: Annotated[
        list[str] | None,
        typer.Argument(help="A name in any spelling, or words: part of a name, a workload. All by default."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List what can be tuned here, or explain one name: safe range, value, couplings, source."""
    with errors_reported(as_json):
        from tactician.cli import _knobs_text
        from tactician.errors import OperatorError
        from tactician.system import facts
        from tactician.system.knobs import look_up

        asked = " ".join(query or ())
        answer = look_up(asked, facts.numbers())
        if not any(answer[:3]):
            raise OperatorError(f"nothing known has {asked!r} in it; tactician knobs lists what can be tuned")
        width = max(60, min(shutil.get_terminal_size().columns, 110))
        if as_json:
            typer.echo(json.dumps(_knobs_text.document(answer), indent=2))
        elif answer.exact or len(answer.known) == 1:
            typer.echo(_knobs_text.explanation(answer, width))
        else:
            typer.echo(_knobs_text.table(answer, width, everything=not asked))


@commands.command()
def parse(
    file: Annotated[str, typer.Argument(help="A benchmark's output; - for standard input.")] = "-",
    metric: Annotated[str | None, typer.Option(help="Print this metric only.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what is found in a benchmark's output."""
    with errors_reported(as_json):
        from dataclasses import replace

        from tactician.experiment import Metric
        from tactician.system.parsers import find_metric, parse_output

        text = _input(file)
        output = parse_output(text)
        found = output.metrics if metric is None else (find_metric(output, text, Metric(metric)),)
        if as_json:
            typer.echo(json.dumps(replace(output, metrics=found).to_dict(), indent=2))
            return
        typer.echo(f"tool: {output.tool or 'unknown; name: value lines and JSON are understood'}")
        for entry in found:
            typer.echo(f"{entry.name} = {entry.value:g} {entry.unit}{_aliases(entry.aliases)}")
        for problem in output.problems:
            typer.echo(f"problem: {problem}")


@commands.command()
def schema() -> None:
    """Print the JSON Schema of an experiment file."""
    with errors_reported():
        from tactician.config import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


def _input(file: str) -> str:
    from tactician.errors import OperatorError

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}") from error
    return data.decode("utf-8", "replace")


def _aliases(aliases: tuple[str, ...]) -> str:
    return f"  (also: {', '.join(aliases)})" if aliases else ""
