"""The one line at the bottom of a terminal that shows that something goes on, and for how long still."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tactician.observers._text import duration, shortened, sparkline

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "|/-\\"
_PER_SECOND = 2.0
"""Seldom, because every refresh takes time from the benchmark that is being measured."""


class Progress:
    """What the line shows, as text.

    Args:
        plain: without signs that ASCII lacks.
        clock: seconds, monotonic.
    """

    def __init__(self, *, plain: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._plain = plain
        self._clock = clock
        self._phase = "starting"
        self._began: float | None = None
        self._estimate: float | None = None
        self._end: float | None = None
        self._performances: list[float] = []

    def phase(self, text: str) -> None:
        """Say what goes on, such as ``trial 3 of 30``."""
        self._phase = text

    def left(self, seconds: float | None) -> None:
        """Set the time left, counted from now; None hides it."""
        self._end = None if seconds is None else self._clock() + seconds

    def benchmark_began(self, estimate: float | None) -> None:
        """A benchmark runs, for about so many seconds."""
        self._began, self._estimate = self._clock(), estimate

    def benchmark_ended(self) -> None:
        """No benchmark runs."""
        self._began = None

    def performance(self, value: float) -> None:
        """Add a bar to the sparkline."""
        self._performances.append(value)

    def line(self, width: int) -> str:
        """The line as of now, at most ``width`` cells."""
        now = self._clock()
        frames = _PLAIN_FRAMES if self._plain else _FRAMES
        parts = [f"{frames[int(now * _PER_SECOND) % len(frames)]} {self._phase}"]
        if self._began is not None:
            about = "" if self._estimate is None else f" of about {duration(self._estimate)}"
            parts.append(f"{duration(now - self._began)}{about}")
        if self._end is not None:
            parts.append(f"{duration(max(0.0, self._end - now))} left")
        text = (", " if self._plain else " · ").join(parts)
        room = width - cell_len(text) - 2
        bars = sparkline(self._performances, room, plain=self._plain)
        return shortened(text, width) if not bars else f"{text}  {bars}"


class LiveLine:
    """Keeps a :class:`Progress` on the terminal's last line while it is open."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._live = Live(
            console=console,
            transient=True,
            refresh_per_second=_PER_SECOND,
            get_renderable=self._text,
            redirect_stdout=False,  # standard output may be the JSON document of --json
            redirect_stderr=False,
        )

    def open(self) -> None:
        """Show the line as of now."""
        if not self._live.is_started:
            self._live.start()
            # rich hides the cursor; a run that is killed must not leave a terminal without one.
            self._console.show_cursor(True)
        self._live.refresh()

    def close(self) -> None:
        """Take the line away."""
        self._live.stop()

    def _text(self) -> Text:
        # One cell less than there are: some terminals wrap when the last one is filled.
        return Text(self._progress.line(self._console.width - 1), no_wrap=True, overflow="crop", style="dim")
