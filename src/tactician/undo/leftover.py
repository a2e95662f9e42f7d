"""What could not be put back, as an operator is told of it."""

from __future__ import annotations

from typing import NamedTuple


class Leftover(NamedTuple):
    """A place that is not as it was.

    Attributes:
        path, netns: the place; for a service its name or its file.
        wanted: what it should show.
        found: what it shows, or why it cannot be read.
        command: what an operator can type to set it right.
    """

    path: str
    netns: str
    wanted: str
    found: str
    command: str

    def __str__(self) -> str:
        return f"{self.path} shows {self.found!r} instead of {self.wanted!r}; run: {self.command}"
