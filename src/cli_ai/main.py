"""The console script ``tactician``: the commands of one host, and later those that understand words."""

from __future__ import annotations

from typing import Annotated

import typer

from tactician import __version__
from tactician.cli import EXIT_CODES, commands

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
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
