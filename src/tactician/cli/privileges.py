"""The commands by which root lets others tune: the helper's table and the systemd units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tactician.cli.base import JsonFlag, commands, errors_reported


@commands.command()
def helper(
    compiling: Annotated[
        bool, typer.Option("--compile", help="Write the table of what the root helper permits.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Where to; the helper's own place by default.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the root helper permits on this host, or compile it for the helper."""
    with errors_reported(as_json):
        from tactician.system.helper_table import compile_table, write_table
        from tactician.undo.helper import TABLE

        if compiling:
            path = output or Path(TABLE)
            count = write_table(path)
            if as_json:
                typer.echo(json.dumps({"success": True, "path": str(path), "knobs": count}, indent=2))
            else:
                typer.echo(f"{path} permits {count} knobs")
            return
        table = compile_table()
        if as_json:
            typer.echo(json.dumps(table, indent=2))
            return
        for entry in table["knobs"]:
            typer.echo(f"{entry['name']}: {_permitted(entry)}")


@commands.command()
def units(
    install: Annotated[
        Path | None, typer.Option(help="Write them into this folder, such as /etc/systemd/system.")
    ] = None,
) -> None:
    """Print the systemd units of the root helper and of the recovery at boot, or install them."""
    with errors_reported():
        from tactician.system import units as known

        if install is None:
            for name in known.NAMES:
                typer.echo(f"# {name}\n{known.unit(name)}")
            return
        for path in known.install(install):
            typer.echo(f"wrote {path}")
        typer.echo("Next: groupadd --system tactician; systemctl daemon-reload;")
        typer.echo("      systemctl enable --now tactician-helper.socket tactician-recover.service")


def _permitted(entry: dict[str, Any]) -> str:
    if entry["values"]:
        return ", ".join(entry["values"])
    return f"a word of {entry['words']}" if entry["words"] else f"{entry['low']:g} to {entry['high']:g}"
