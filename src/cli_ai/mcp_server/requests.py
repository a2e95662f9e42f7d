"""The usual requests as prompts, so that a client's user can pick one from a menu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import mcp_types as types

from tactician.errors import OperatorError


class _Usual(NamedTuple):
    description: str
    text: str
    arguments: Mapping[str, str] = {}


_STEPS = (
    "Call propose with this request, show the plan with its reasons and everything it refuses or asks, and "
    "wait for a yes. Then call start_run, report its progress, and present the result with its interval. "
    "Claim an improvement only where the result says significant. Do not apply anything unless asked."
)
_USUAL: Mapping[str, _Usual] = {
    "tune": _Usual(
        "Make this host better for a workload.", "{request}\n\n" + _STEPS, {"request": "What is wanted."}
    ),
    "tune-database": _Usual(
        "Tune this host for its database.", "Optimize this system for database workload.\n\n" + _STEPS
    ),
    "tune-web-bursts": _Usual(
        "Stop a web server from dropping connections.",
        "My nginx drops connections under bursts.\n\n" + _STEPS,
    ),
    "tune-tail-latency": _Usual(
        "Lower a service's tail latency.",
        "The tail latency of {service} is too high; lower it.\n\n" + _STEPS,
        {"service": "Such as redis."},
    ),
    "explain-run": _Usual(
        "Explain what a run found.",
        "Read the result of run {run} with read_result, explain each knob of its best configuration with "
        "explain_knob, and say what was proven and what was not.",
        {"run": "A run's id, or last."},
    ),
}


def prompts() -> list[types.Prompt]:
    """All of them."""
    return [
        types.Prompt(
            name=name,
            description=usual.description,
            arguments=[
                types.PromptArgument(name=argument, description=what, required=True)
                for argument, what in usual.arguments.items()
            ],
        )
        for name, usual in _USUAL.items()
    ]


def prompt(name: str, arguments: Mapping[str, str]) -> types.GetPromptResult:
    """One of them with its arguments filled in.

    Raises:
        OperatorError: there is no such prompt, or an argument is missing.
    """
    usual = _USUAL.get(name)
    if usual is None:
        raise OperatorError(f"there is no prompt {name[:100]!r}; there are {', '.join(_USUAL)}")
    if missing := [argument for argument in usual.arguments if not arguments.get(argument)]:
        raise OperatorError(f"the prompt {name} needs {', '.join(missing)}")
    text = usual.text
    for argument in usual.arguments:
        text = text.replace(f"{{{argument}}}", arguments[argument])
    message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.GetPromptResult(description=usual.description, messages=[message])
