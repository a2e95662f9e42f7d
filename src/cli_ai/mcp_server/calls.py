"""Runs a tool in a thread for a client: progress goes out as it comes, a cancelled call restores the host."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from pydantic import BaseModel

from cli_ai.tools.registry import Caller, Tool, Update
from cli_ai.tools.workbench import Workbench
from tactician.errors import TacticianError

Report = Callable[[float, float | None, str | None], Coroutine[Any, Any, None]]


async def call_tool(
    tool: Tool, bench: Workbench, arguments: Mapping[str, Any], report: Report
) -> types.CallToolResult:
    """Call a tool, and return what it gives or why it could not.

    A cancelled call does not return before the host is restored.

    Args:
        tool: what to call.
        bench: the connection's own.
        arguments: as the client sent them.
        report: sends a progress notification: count, total, message.
    """
    gone, over = threading.Event(), threading.Event()
    count = 0

    def tell(update: Update) -> None:
        nonlocal count
        if not gone.is_set():
            count += 1  # the protocol wants a number that only grows
            anyio.from_thread.run(report, float(count), None, update.message)

    def work() -> BaseModel:
        try:
            return tool.call(bench, arguments, Caller(tell, gone))
        finally:
            over.set()

    try:
        made = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except TacticianError as error:
        return refused(error)
    except anyio.get_cancelled_exc_class():
        gone.set()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(over.wait)
        raise
    return answered(made.model_dump(mode="json"))


def answered(content: dict[str, Any]) -> types.CallToolResult:
    """A result, as an object for programs and as text for models."""
    text = json.dumps(content, ensure_ascii=False)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=content
    )


def refused(error: TacticianError) -> types.CallToolResult:
    """A result that says what went wrong, and everything that is to be corrected."""
    text = str(error) or type(error).__name__
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
