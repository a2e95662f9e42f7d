"""What a client can read without calling a tool: the catalogue, the runs, and each of them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

import mcp_types as types

from cli_ai.tools.registry import Registry
from cli_ai.tools.workbench import Workbench
from tactician.errors import OperatorError

CATALOGUE, RUNS = "tactician://catalogue", "tactician://runs"
_KNOB, _RUN = "tactician://knob/", "tactician://run/"
_JSON = "application/json"


def resources() -> list[types.Resource]:
    """The fixed ones."""
    return [
        types.Resource(
            uri=CATALOGUE,
            name="catalogue",
            description="Every knob that may be tuned, with what it does.",
            mime_type=_JSON,
        ),
        types.Resource(
            uri=RUNS, name="runs", description="The runs of this host, newest first.", mime_type=_JSON
        ),
    ]


def templates() -> list[types.ResourceTemplate]:
    """Those with a name in them."""
    return [
        types.ResourceTemplate(
            uri_template=_KNOB + "{name}", name="knob", description="One knob explained.", mime_type=_JSON
        ),
        types.ResourceTemplate(
            uri_template=_RUN + "{run}", name="run", description="One run's result.", mime_type=_JSON
        ),
    ]


def read(uri: str, registry: Registry, bench: Workbench) -> types.ReadResourceResult:
    """Read one.

    Raises:
        OperatorError: there is no such resource.
        TacticianError: it cannot be read.
    """
    text = json.dumps(_content(uri, registry, bench), ensure_ascii=False)
    contents = types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)
    return types.ReadResourceResult(contents=[contents])


def _content(uri: str, registry: Registry, bench: Workbench) -> Any:
    if uri == CATALOGUE:
        return _catalogue()
    if uri == RUNS:
        return registry["list_runs"].call(bench).model_dump(mode="json")
    for prefix, tool, argument in ((_KNOB, "explain_knob", "name"), (_RUN, "read_result", "run")):
        if uri.startswith(prefix):
            named = {argument: unquote(uri.removeprefix(prefix))}
            return registry[tool].call(bench, named).model_dump(mode="json")
    raise OperatorError(f"there is no resource {uri[:200]!r}")


def _catalogue() -> list[dict[str, str]]:
    from tactician import catalogue

    return [
        {"name": entry.name, "what": entry.what, "uri": _KNOB + quote(entry.name, safe="")}
        for entry in catalogue.entries()
    ]
