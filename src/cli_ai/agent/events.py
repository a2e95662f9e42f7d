"""What a listener is told while the agent works: frozen messages, in the order of the story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.progress import Progress


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """Base of all of them."""


@dataclass(frozen=True, slots=True)
class PlanMade(AgentEvent):
    """Words became a plan; nothing runs yet.

    Attributes:
        name: by which the plan can be run.
    """

    name: str
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class PlanDeclined(AgentEvent):
    """The plan was shown and nobody said yes."""

    name: str


@dataclass(frozen=True, slots=True)
class RunProgressed(AgentEvent):
    """A run is a step further."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class RunEnded(AgentEvent):
    """A run is over and the host is as it was before.

    Attributes:
        result: as documented for ``tune --json``.
        can_be_applied: it proved an improvement, on this host and for real.
    """

    result: Mapping[str, Any]
    can_be_applied: bool


@dataclass(frozen=True, slots=True)
class HostChanged(AgentEvent):
    """A winner was put in place, kept or taken back.

    Attributes:
        step: ``apply``, ``confirm`` or ``revert``.
        details: what the command said.
    """

    step: str
    details: Mapping[str, Any]
