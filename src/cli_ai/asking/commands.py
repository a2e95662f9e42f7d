"""What ``tactician ask`` takes and how it ends; everything heavy is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tactician.cli import errors_reported
from tactician.cli.base import JsonFlag

commands = typer.Typer()


@commands.command()
def ask(
    words: Annotated[list[str], typer.Argument(help="What is to be better, in English or Chinese.")],
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and run nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Run without asking; never what disturbs or risks data.")
    ] = False,
    save: Annotated[Path | None, typer.Option(help="Write the experiment to this new file.")] = None,
    llm: Annotated[str, typer.Option(help="An OpenAI-compatible address; rules without it.")] = "",
    model: Annotated[str, typer.Option(help="The model's name at --llm.")] = "",
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Of the run: warnings and the verdict only.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Turn words into an experiment for this host, show it with its reasons, and run it on a yes."""
    with errors_reported(as_json):
        from cli_ai.asking.conversation import Wishes, converse

        wishes = Wishes(" ".join(words), plan, yes, save, llm, model, quiet, as_json)
        raise typer.Exit(converse(wishes))
