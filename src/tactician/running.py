"""From a configuration to a finished run: enters the namespace it needs, wires, shows, returns the result."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from tactician.config import parse_experiment
from tactician.errors import MisuseError, OperatorError
from tactician.events import Event
from tactician.experiment import Experiment
from tactician.observers.console import ConsoleObserver
from tactician.observers.jsonl import JsonLinesObserver
from tactician.options import Options
from tactician.results import exit_status
from tactician.storage.records import RunRecord
from tactician.system import namespace
from tactician.system.command import run_in_foreground
from tactician.wiring import check, load_document, wire

Ran = tuple[dict[str, Any], int]
"""A result and the exit status that goes with it."""


def run_file(
    path: str | Path,
    overrides: Mapping[str, object],
    options: Mapping[str, Any],
    *,
    quiet: bool,
    as_json: bool,
    events: Path | None = None,
) -> Ran:
    """Run an experiment file on the command line.

    Args:
        path: JSON or YAML.
        overrides: keys of the document that the command line replaces.
        options: fields of :class:`~tactician.options.Options`.
        quiet: warnings and the verdict only.
        as_json: progress goes to standard error.
        events: a file to which every event is added as a line of JSON.

    Raises:
        TacticianError: nothing could be begun.
    """
    experiment = load_document(path, overrides)
    return _run(experiment, Options(**options), quiet=quiet, as_json=as_json, events=events)


def run_document(
    document: Mapping[str, object], source: str, options: Mapping[str, Any], *, quiet: bool, as_json: bool
) -> Ran:
    """Run a configuration that is no file; as :func:`run_file`."""
    return _run(parse_experiment(document, source), Options(**options), quiet=quiet, as_json=as_json)


def resume_run(
    record: RunRecord,
    config: Path | None,
    options: Mapping[str, Any],
    *,
    quiet: bool,
    as_json: bool,
    events: Path | None = None,
) -> Ran:
    """Go on with a run whose process is gone, without measuring again what was measured.

    Raises:
        OperatorError: it is over, or another configuration was given.
    """
    if record.result is not None and record.result.get("success"):
        raise OperatorError(f"run {record.id} is finished; there is nothing to go on with")
    experiment = parse_experiment(dict(record.document), f"run {record.id}")
    if config is not None and load_document(config).document != experiment.document:
        raise OperatorError(
            f"{config} differs from what run {record.id} began with; leave it out, or begin a new run"
        )
    merged = {
        **options,
        "skip_absent": True,
        "dry_run": record.summary.dry_run,
        "allow_uncatalogued": experiment.names,  # as when it began
    }
    return _run(experiment, Options(**merged), quiet=quiet, as_json=as_json, record=record, events=events)


def run_in_child(path: str | Path, *, dry_run: bool, verbose: bool) -> Ran:
    """Run a file in a namespace of its own from a process that cannot enter one, such as yours."""
    arguments = [
        "tune",
        str(path),
        "--json",
        *(["--dry-run"] if dry_run else []),
        *([] if verbose else ["--quiet"]),
    ]
    argv = namespace.entering_command(arguments)
    status, output = run_in_foreground(argv, namespace.entering_environment(tied=True))
    try:
        result = json.loads(output)
    except ValueError as error:
        raise MisuseError(f"the run ended with status {status} and no result") from error
    return result, status


def needs_namespace(experiment: Experiment, options: Options) -> bool:
    """Whether a throw-away namespace must be entered first."""
    return experiment.throw_away and not options.dry_run and not namespace.inside_throw_away()


def _run(
    experiment: Experiment,
    options: Options,
    *,
    quiet: bool,
    as_json: bool,
    record: RunRecord | None = None,
    events: Path | None = None,
) -> Ran:
    if needs_namespace(experiment, options):
        check(experiment, options)
        namespace.enter(sys.argv[1:])
    if experiment.throw_away and not options.dry_run:
        namespace.settle()
    namespace.follow_parent()
    with contextlib.ExitStack() as stack:
        observers: list[Callable[[Event], None]] = []
        observers.append(
            stack.enter_context(ConsoleObserver(sys.stderr if as_json else sys.stdout, quiet=quiet))
        )
        if events is not None:
            observers.append(JsonLinesObserver(stack.enter_context(_opened(events))))
        result = wire(experiment, options, observers, resume=record).tuner.run()
    return result, exit_status(result)


def _opened(events: Path) -> TextIO:
    try:
        return events.open("a", encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"--events {events} cannot be written: {error.strerror}") from error
