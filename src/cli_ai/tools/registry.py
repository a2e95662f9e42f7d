"""What a tool is: a name, typed input and output, and how much it may do; chat, MCP and agents share them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cli_ai.tools.workbench import Workbench
from tactician.errors import ListedError, OperatorError, Problem

Level = Literal["look", "run", "apply", "file"]
"""What a tool may do: only read; run what our templates built; change this host; run what a file says."""


class Data(BaseModel):
    """Base of what goes into a tool and what comes out of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputError(ListedError):
    """What was handed to a tool does not fit it; every problem is listed, by path."""

    code = "tool-input"
    headline = "the tool cannot be called like this"


class StoppedError(OperatorError):
    """The caller took the call back; the host is as it was before."""

    code = "stopped"
    exit_status = 130


@dataclass(frozen=True, slots=True)
class Update:
    """How far a call has come.

    Attributes:
        done, total: steps; total is None where nobody knows yet.
    """

    message: str
    done: float = 0.0
    total: float | None = None


def _unheard(update: Update) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The other end of a call.

    Attributes:
        tell: is told how far the call has come; called in the thread that runs the tool.
        gone: is set when the result is not wanted any more.
    """

    tell: Callable[[Update], None] = _unheard
    gone: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing that can be done, for a person, a model or a program.

    Attributes:
        level: what it may do, and so what must be allowed before it is offered.
        destructive: it changes this host for longer than a run; a confirmation is needed.
        takes, gives: models of input and output.
        run: does it; may be called in any thread.
    """

    name: str
    description: str
    level: Level
    takes: type[BaseModel]
    gives: type[BaseModel]
    run: Callable[[Workbench, Any, Caller], BaseModel]
    destructive: bool = False

    @property
    def read_only(self) -> bool:
        """Whether nothing on this host can be different afterwards."""
        return self.level == "look"

    def call(
        self, bench: Workbench, arguments: Mapping[str, Any] | None = None, caller: Caller | None = None
    ) -> BaseModel:
        """Check the input, do it, return the output.

        Raises:
            InputError: the arguments do not fit ``takes``.
            TacticianError: it cannot be done; the message says why.
            StoppedError: the caller went away.
        """
        made = self.run(bench, self.check(arguments or {}), caller or Caller())
        assert isinstance(made, self.gives)
        return made

    def check(self, arguments: Mapping[str, Any]) -> BaseModel:
        """Return the input as its model.

        Raises:
            InputError: the arguments do not fit it.
        """
        try:
            return self.takes.model_validate(dict(arguments))
        except ValidationError as error:
            raise InputError(_problems(error), self.name) from None


class Registry(Mapping[str, Tool]):
    """Tools by name, in the order in which they were added."""

    def __init__(self, *tools: Tool) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            InputError: there is one of this name already.
        """
        if tool.name in self._tools:
            raise InputError([Problem("name", f"there is a tool {tool.name} already")])
        self._tools[tool.name] = tool

    def allowed(self, *levels: Level) -> Registry:
        """The tools of these levels, in the same order."""
        return Registry(*(tool for tool in self._tools.values() if tool.level in levels))

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(".".join(map(str, found["loc"])), found["msg"])
        for found in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]
