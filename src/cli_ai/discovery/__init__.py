"""What this host is: read-only discovery, under two seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli_ai.discovery.facts import HostFacts

__all__ = ["discover"]


def discover(watch_s: float = 0.0, root: str = "") -> HostFacts:
    """Look at this host and write nothing.

    Args:
        watch_s: seconds to watch the system for bottlenecks; 0 takes one look only.
        root: folder of a recorded host instead of this one; nothing in it is ever run.

    Raises:
        ValueError: a negative or endless watch, or a root that is not a folder.
    """
    from cli_ai.discovery.look import look

    return look(watch_s, root)
