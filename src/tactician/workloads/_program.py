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
