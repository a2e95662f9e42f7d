"""What makes a benchmark a well-behaved program, in one place: arguments, output, errors and signals."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

Figures = Mapping[str, int | float]
"""What was measured; the unit, where there is one, is in the name."""

_HOUR_S = 3600.0


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, and whose exit status is 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


class Progress:
    """Says while a benchmark runs what its rate was over the time since it last said so.

    Args:
        rate: the name of the figure.
        every_s: how often; None for never.
    """

    def __init__(self, rate: str, every_s: float | None) -> None:
        self._rate = rate
        self._every_s = math.inf if every_s is None else every_s
        self._last_s = 0.0
        self._last_count = 0
        self.due_s = self._every_s

    def tell(self, elapsed_s: float, count: int) -> None:
        """Print the rate since the last time; call it once ``due_s`` is over."""
        rate = (count - self._last_count) / (elapsed_s - self._last_s)
        print(f"progress: {elapsed_s:.3f} s, {self._rate}: {rate:.6g}", flush=True)
        self._last_s, self._last_count = elapsed_s, count
        self.due_s = elapsed_s + self._every_s


def parser(module: str, description: str, duration_s: float) -> Parser:
    """Return a parser that knows ``--duration``."""
    made = Parser(prog=module, description=description, allow_abbrev=False)
    made.add_argument(
        "--duration",
        type=seconds,
        default=duration_s,
        metavar="SECONDS",
        help=f"how long to measure (default: {duration_s:g})",
    )
    made.add_argument(
        "--progress", type=seconds, metavar="SECONDS", help="say the rate so often while it runs"
    )
    return made


def seconds(text: str) -> float:
    """Read a duration above zero and up to an hour.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= _HOUR_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0 and up to {_HOUR_S:g}")
    return number


def run(name: str, work: Callable[[], Figures]) -> int:
    """Do the work, print its figures, and return the exit status.

    A RuntimeError or OSError becomes one line on standard error. The termination signals become exceptions,
    so that ``finally`` clauses run before the program ends.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        figures = work()
    except RuntimeError as error:
        return _fail(name, str(error))
    except OSError as error:
        return _fail(name, f"{error.strerror}: {error.filename}" if error.filename else str(error))
    except KeyboardInterrupt:
        return 128 + int(signal.SIGINT)
    for label, figure in figures.items():
        print(f"{label}: {figure:.1f}" if isinstance(figure, float) else f"{label}: {figure}")
    return 0


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _fail(name: str, message: str) -> int:
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return 1
