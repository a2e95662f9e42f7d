"""A server as ``tactician mcp`` starts it, whose strategist proposes one experiment, read from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio

from cli_ai.discovery.facts import HostFacts
from cli_ai.mcp_server.server import TacticianServer, serve_stdio
from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.all import default_registry
from cli_ai.tools.workbench import Workbench


def main() -> None:
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    bench = Workbench(
        propose=lambda request, facts: Proposal(request=request, experiment=document), discover=HostFacts
    )
    server = TacticianServer(default_registry(), bench, allow_runs=True, allow_apply=True).server()
    anyio.run(serve_stdio, server)


if __name__ == "__main__":
    main()
