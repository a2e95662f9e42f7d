"""What a strategist needs of an endpoint: that it answers a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Asks(Protocol):
    """Gives an answer to a conversation: an endpoint, or anything that behaves like one."""

    def ask(self, messages: Sequence[dict[str, str]], schema: dict[str, Any]) -> str:
        """Return the answer. Raises EndpointError."""
        ...
