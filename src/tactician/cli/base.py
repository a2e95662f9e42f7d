"""What every command shares: how errors end a process, where state lives, how a run is named."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tactician.storage.history import History
    from tactician.system.home import Home

EXIT_CODES = """Exit codes: 0 finished, with or without an improvement; 1 failed, host restored;
2 usage, configuration, rights, lock, key or tool absent: nothing touched; 3 stopped by safety, host restored;
4 host NOT fully restored: each key is named with the command that sets it; 130 interrupted, host restored."""

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
RunArgument = Annotated[str, typer.Argument(help="A run's id or its beginning; 'last' is the newest.")]

commands = typer.Typer()


def report_error(error: Exception, as_json: bool) -> int:
    """Print an error the way it was asked for, and return the exit status."""
    from tactician.errors import OperatorError, TacticianError

    if not isinstance(error, TacticianError):
        if os.environ.get("TACTICIAN_DEBUG"):
            raise error
        text = f"internal error: {type(error).__name__}: {error} (TACTICIAN_DEBUG=1 shows where)"
        _print_error({"code": "internal", "message": text, "problems": []}, as_json)
        return 1
    problems = [{"path": problem.path, "message": problem.message} for problem in error.problems]
    _print_error({"code": error.code, "message": str(error), "problems": problems}, as_json)
    if isinstance(error, OperatorError) and not as_json:
        typer.echo("Nothing was changed on this host.", err=True)
    return error.exit_status


def _print_error(error: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"success": False, "error": error}, indent=2))
    else:
        typer.echo(f"error: {error['message']}", err=True)


@contextmanager
def errors_reported(as_json: bool = False) -> Iterator[None]:
    """End the process with the right status and a readable message for whatever goes wrong inside."""
    try:
        yield
    except (typer.Exit, SystemExit):
        raise
    except KeyboardInterrupt:  # before a run began; a run turns it into a restored host and a result
        typer.echo("Interrupted; nothing was changed on this host.", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # The reader has seen enough; Python must not complain about it while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except Exception as error:
        raise typer.Exit(report_error(error, as_json)) from None


def find_home() -> Home:
    """Where this user keeps state."""
    from tactician.system.home import Home

    return Home.find()


def open_history(place: Home | None = None) -> History:
    """Open the history of this home."""
    from tactician.storage.history import History

    return History((place or find_home()).history)


def read_record(known: History, run: str) -> Any:
    """Read one run by its id or its beginning; ``last`` is the newest. Raises OperatorError."""
    return known.latest() if run == "last" else known.run(run)
