"""The console script ``tactician``: the commands of one host, and later those that understand words."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from cli_ai.agent.commands import commands as agent_commands
from cli_ai.asking.commands import commands as asking_commands
from cli_ai.discovery.commands import commands as discovery_commands
from cli_ai.mcp_server.commands import commands as mcp_commands
from tactician import __version__
from tactician.cli import EXIT_CODES, commands

# Typer names its usage errors in public by this one's child only.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="tactician",
    help="Tune this host for a workload: real trials, everything restored, only proven improvements claimed.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(commands)
app.add_typer(asking_commands)
app.add_typer(agent_commands)
app.add_typer(discovery_commands)
app.add_typer(mcp_commands)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tactician {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; with ``--json`` a wrong usage is a JSON document too."""
    if "--json" not in sys.argv[1:]:
        app()
        return
    try:
        status = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        message = error.format_message()  # type: ignore[attr-defined]
        typer.echo(json.dumps({"success": False, "error": _usage(message)}, indent=2))
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _usage(message: str) -> dict[str, object]:
    return {"code": "usage", "message": message, "problems": [{"path": "", "message": message}]}


if __name__ == "__main__":
    main()
