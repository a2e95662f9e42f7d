"""Makes the consoles that everything is printed through: plain in a pipe, quiet when nobody reads."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

_PIPE_WIDTH = 10_000


class _PatientConsole(Console):
    """A console whose reader may leave; rich would end the process, and with it the run."""

    def on_broken_pipe(self) -> None:
        """Let the error through to whoever prints."""
        raise BrokenPipeError("nobody reads this output any more")


def make_console(stream: TextIO | None = None) -> Console:
    """A console on a stream: colours and the terminal's width on a terminal, else neither.

    ``NO_COLOR`` is honoured. ``FORCE_COLOR`` is not: a pipe gets text that programs can read.

    Args:
        stream: standard output where it is None.
    """
    file = sys.stdout if stream is None else stream
    if is_terminal(file):
        return _PatientConsole(file=file, highlight=False, markup=False, emoji=False)
    return _PatientConsole(
        file=file,
        force_terminal=False,
        force_interactive=False,
        color_system=None,
        width=_PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def width_of(console: Console) -> int | None:
    """Where lines must be broken; None in a pipe, where they must not."""
    return console.width if console.is_terminal else None


def is_plain(console: Console) -> bool:
    """Whether its encoding lacks the signs."""
    return not console.encoding.lower().startswith("utf")
