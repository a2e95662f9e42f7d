"""The command ``tactician chat``; everything heavy is imported when it is called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tactician.cli import errors_reported

if TYPE_CHECKING:
    from rich.console import Console

    from cli_ai.agent.consent import Step
    from cli_ai.agent.events import AgentEvent

commands = typer.Typer()


@commands.command()
def chat(
    llm: Annotated[str | None, typer.Option(help="An OpenAI-compatible address; rules without it.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name at --llm.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Run plans without asking; never what disturbs or lasts.")
    ] = False,
) -> None:
    """Talk about this host: a plan refined sentence by sentence, run, explained, applied. Chinese too."""
    with errors_reported():
        from cli_ai.agent.chat import HELP, Chat
        from cli_ai.agent.story import Agent
        from cli_ai.strategist.choice import find_strategist
        from cli_ai.tools.workbench import Workbench
        from tactician.observers.console import make_console

        console = make_console()
        strategist = find_strategist(llm or "", model or "")
        bench = Workbench(propose=strategist.propose)
        agent = Agent(bench, consent=_consent(yes), listen=_listener(console))
        talk = Chat(agent, console.print, strategist.edits)
        typer.echo(HELP)
        try:
            while (sentence := _read()) is not None and talk.turn(sentence):
                continue
        finally:
            bench.close()


def _read() -> str | None:
    """The next sentence; None at the end of the input."""
    if sys.stdin.isatty():
        try:
            return input("> ")
        except EOFError:
            return None
    line = sys.stdin.readline()
    return line if line else None


def _consent(yes: bool):  # type: ignore[no-untyped-def]
    from cli_ai.agent.consent import script_consent

    def consent(step: Step) -> bool:
        typer.echo(step.what)
        for danger in step.dangers:
            typer.echo(f"  careful: {danger}")
        if yes and script_consent(step):
            return True
        if not sys.stdin.isatty():
            typer.echo("  a terminal is needed to say yes to this")
            return False
        typer.echo("Yes? [y/N] ", nl=False)
        return (_read() or "").strip().lower() in ("y", "yes", "是", "好")

    return consent


def _listener(console: Console):  # type: ignore[no-untyped-def]
    def listen(event: AgentEvent) -> None:
        from rich.text import Text

        from cli_ai.agent.events import RunProgressed

        if isinstance(event, RunProgressed):
            console.print(Text(f"  {event.progress.message}", style="dim"))

    return listen
