"""Every tool there is, in the order in which they are used."""

from __future__ import annotations

from cli_ai.tools import changing, looking, running
from cli_ai.tools.registry import Registry


def default_registry() -> Registry:
    """All tools, new and free to extend."""
    return Registry(*looking.TOOLS, *running.TOOLS, *changing.TOOLS)
