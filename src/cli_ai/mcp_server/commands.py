"""The command ``tactician mcp``; everything heavy is imported when it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from tactician.cli import errors_reported

commands = typer.Typer()


@commands.command()
def mcp(
    http: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve on this port of 127.0.0.1, behind a token, not on stdio."),
    ] = None,
    allow_runs: Annotated[bool, typer.Option("--allow-runs", help="Offer what runs benchmarks.")] = False,
    allow_apply: Annotated[
        bool, typer.Option("--allow-apply", help="Offer what changes this host; each call is confirmed.")
    ] = False,
    llm: Annotated[str | None, typer.Option(help="Let this language model's address propose plans.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name at --llm.")] = None,
) -> None:
    """Serve this host's tools to other programs' models (Model Context Protocol); read-only by default."""
    with errors_reported():
        from tactician.errors import OperatorError

        try:
            import anyio
            import mcp as _  # noqa: F401 - to say what is missing before anything else
        except ImportError:
            raise OperatorError("tactician mcp needs the package mcp: pip install 'tactician[mcp]'") from None
        from cli_ai.mcp_server.server import TacticianServer, serve_stdio
        from cli_ai.strategist.choice import choose_strategist
        from cli_ai.tools.all import default_registry
        from cli_ai.tools.workbench import Workbench

        bench = Workbench(propose=choose_strategist(llm or "", model or ""))
        server = TacticianServer(
            default_registry(), bench, allow_runs=allow_runs, allow_apply=allow_apply
        ).server()
        if http is None:
            anyio.run(serve_stdio, server)
            return
        from cli_ai.mcp_server.http import serve_http

        serve_http(server, http, bench.home, lambda text: typer.echo(text, err=True))
