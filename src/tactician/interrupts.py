"""Turns SIGINT, SIGTERM and SIGHUP into one exception, and holds it back while a host is half written.

Python's default for SIGTERM and SIGHUP ends a process without running any ``finally``, which has left
hosts detuned.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tactician.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Delivers signals as :class:`Interrupted`, but never inside :meth:`held`.

    Only the main thread can receive signals in Python; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._outer = 0
        self._pending: int | None = None

    @contextlib.contextmanager
    def installed(self) -> Iterator[Interrupts]:
        """Install the handlers, and put the former ones back at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold signals back; one that arrived meanwhile is delivered at the end of the outermost block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0:
            self.deliver()

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Let signals through inside a held block, for as long as a benchmark runs.

        One comes through; from then on they are held back again, so that a second Ctrl-C cannot
        reach the restore that the first one led to.
        """
        outer = self._depth
        self._outer, self._depth = outer, 0
        try:
            self.deliver()
            yield
        finally:
            self._outer, self._depth = 0, outer

    def deliver(self) -> None:
        """Raise what was held back, if anything."""
        number, self._pending = self._pending, None
        if number is not None:
            raise Interrupted(number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._pending = number
            return
        self._depth, self._outer = self._outer, 0
        raise Interrupted(number)
