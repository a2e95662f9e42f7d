"""Compares readings with limits, and with what was so before the run: that is nobody's fault.

Pure: readings in, a reason out. A stall is a share of a window that has passed since the benchmark began, so
a run that is shorter than the window is never judged by it.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tactician.experiment import Guardrails
from tactician.guardrails.readings import Reading

MEMORY_WINDOW_S, IO_WINDOW_S = 3.0, 10.0
"""So long a stall is averaged. Writes come in bursts, and the flush at their end is no accident."""

_WORSE_FACTOR, _WORSE_SHARE = 1.5, 0.1
_LESS_AVAILABLE = 0.8
_IN_A_ROW = 2


class Usual(NamedTuple):
    """The worst that the baseline's own runs showed.

    Attributes:
        memory_stall, io_stall: shares of a window.
        available_memory: the least; 1.0 where nothing was measured.
        oom_kills: how many there were during baselines.
    """

    memory_stall: float = 0.0
    io_stall: float = 0.0
    available_memory: float = 1.0
    oom_kills: int = 0

    def and_also(self, other: Usual) -> Usual:
        """The worse of both."""
        return Usual(
            max(self.memory_stall, other.memory_stall),
            max(self.io_stall, other.io_stall),
            min(self.available_memory, other.available_memory),
            self.oom_kills + other.oom_kills,
        )


class Levels:
    """Follows the readings of one benchmark run.

    Args:
        limits: of the experiment.
        usual: what the baseline showed.

    Attributes:
        seen: the worst of this run, for the usual of a baseline.
    """

    def __init__(self, limits: Guardrails, usual: Usual) -> None:
        self._limits = limits
        self._usual = usual
        self._memory = _Stall(MEMORY_WINDOW_S)
        self._io = _Stall(IO_WINDOW_S)
        self._first_kills: int | None = None
        self._short_of_memory = 0
        self.seen = Usual()

    def take(self, reading: Reading) -> str:
        """Take a reading; the reason where a guardrail is crossed, else nothing."""
        memory = self._memory.take(reading.seconds, reading.memory_stalled_s)
        io = self._io.take(reading.seconds, reading.io_stalled_s)
        available = reading.available_memory
        kills = self._kills(reading.oom_kills)
        self.seen = self.seen.and_also(
            Usual(memory or 0.0, io or 0.0, 1.0 if available is None else available)
        )._replace(oom_kills=kills)
        limits, usual = self._limits, self._usual
        if limits.oom_kill and kills and not usual.oom_kills:
            return "the kernel killed a process for want of memory (OOM)"
        if self._stalled(memory, limits.memory_stall, usual.memory_stall):
            return f"for {memory:.0%} of {MEMORY_WINDOW_S:g} s no task could go on for want of memory"
        if self._stalled(io, limits.io_stall, usual.io_stall):
            return f"for {io:.0%} of {IO_WINDOW_S:g} s no task could go on for want of I/O"
        return self._too_little_memory(available)

    def _kills(self, kills: int | None) -> int:
        if kills is None:
            return 0
        if self._first_kills is None:
            self._first_kills = kills
        return kills - self._first_kills

    @staticmethod
    def _stalled(share: float | None, limit: float, usual: float) -> bool:
        if share is None or limit <= 0.0:
            return False
        return share >= limit and share >= _WORSE_FACTOR * usual + (_WORSE_SHARE if usual > 0.0 else 0.0)

    def _too_little_memory(self, available: float | None) -> str:
        low = min(self._limits.available_memory, _LESS_AVAILABLE * self._usual.available_memory)
        short = available is not None and self._limits.available_memory > 0.0 and available < low
        self._short_of_memory = self._short_of_memory + 1 if short else 0
        if self._short_of_memory < _IN_A_ROW:
            return ""
        return f"only {available:.1%} of the memory is available"


class _Stall:
    """The share of the last window in which nothing went on."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._kept: deque[tuple[float, float]] = deque()

    def take(self, seconds: float, stalled_s: float | None) -> float | None:
        """Take a counter's value; None until a whole window has passed."""
        if stalled_s is None:
            return None
        self._kept.append((seconds, stalled_s))
        # One entry as old as the window stays, to measure from.
        while len(self._kept) > 1 and self._kept[1][0] <= seconds - self._window_s:
            self._kept.popleft()
        since, before = self._kept[0]
        elapsed = seconds - since
        if elapsed < self._window_s:
            return None
        return min(1.0, max(0.0, (stalled_s - before) / elapsed))
