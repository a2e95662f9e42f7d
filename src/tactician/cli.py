"""The commands of one host: tune, demo, runs, show, apply, revert, recover, doctor, export, parse, schema.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

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


@commands.command()
def tune(
    config: Annotated[Path | None, typer.Argument(help="The experiment, JSON or YAML.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="Search with this algorithm.")] = None,
    budget: Annotated[str | None, typer.Option(help="Trials (30) or time (10m, 90s, 2h).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Simulate; write and start nothing.")] = False,
    resume: Annotated[str | None, typer.Option(help="Go on with this run after a crash.")] = None,
    skip_absent: Annotated[
        bool, typer.Option("--skip-absent", help="Leave out what this kernel lacks.")
    ] = False,
    allow_durability: Annotated[
        list[str] | None, typer.Option(help="Allow values of this parameter that risk data in a crash.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Warnings and the verdict only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Tune this host for a workload, restore it, and say what was proven."""
    with errors_reported(as_json):
        overrides = _overrides(algorithm, budget)
        options = {
            "dry_run": dry_run,
            "skip_absent": skip_absent,
            "allow_durability": tuple(allow_durability or ()),
        }
        _finish(*_tune(config, resume, overrides, options, quiet, as_json), as_json)


@commands.command()
def demo(
    workload: Annotated[
        str | None, typer.Option(help="listen-backlog, tcp-churn or sqlite; the best one here by default.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Trials (24) or time (2m).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Simulate; write and start nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Warnings and the verdict only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Tune real kernel parameters for an embedded workload, without touching the host: two minutes."""
    with errors_reported(as_json):
        from tactician.errors import OperatorError
        from tactician.running import run_document
        from tactician.workloads import WORKLOADS, configuration

        name = workload or _demo_workload()
        if name not in WORKLOADS:
            known = ", ".join(WORKLOADS)
            raise OperatorError(f"--workload {name}: there is no such workload; choose from {known}")
        document = {**configuration(name), **_overrides(None, budget)}
        _finish(
            *run_document(document, f"workload {name}", {"dry_run": dry_run}, quiet=quiet, as_json=as_json),
            as_json,
        )


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the runs of this host."""
    with errors_reported(as_json):
        from dataclasses import asdict

        found = _history().runs(limit)
        if as_json:
            typer.echo(json.dumps([asdict(summary) for summary in found], indent=2))
            return
        from tactician.observers.console import make_console
        from tactician.observers.tables import runs_table

        make_console().print(runs_table(found))


@commands.command()
def show(run: RunArgument = "last", as_json: JsonFlag = False) -> None:
    """Show one run: its verdict and every trial."""
    with errors_reported(as_json):
        record = _record(_history(), run)
        if as_json:
            typer.echo(json.dumps(_shown(record), indent=2))
            return
        from tactician.observers.console import make_console
        from tactician.observers.tables import run_view

        make_console().print(run_view(record))


@commands.command()
def apply(run: RunArgument = "last", as_json: JsonFlag = False) -> None:
    """Put a run's proven winner in place until the next boot; 'revert' takes it back."""
    with errors_reported(as_json):
        from tactician.operations import apply_run

        home = _home()
        record = _record(_history(home), run)
        done = apply_run(record, home)
        if as_json:
            typer.echo(json.dumps({"success": True, "run_id": record.id, **done._asdict()}, indent=2))
            return
        for name, value in done.changed.items():
            typer.echo(f"applied {name} = {value}")
        for name in done.unchanged:
            typer.echo(f"{name} has its value already")
        for name, value in done.by_hand.items():
            typer.echo(f"set by hand, it is no setting of this host: {name} = {value}")
        if done.changed:
            typer.echo(f"Take it back with: tactician revert {record.id}")


@commands.command()
def revert(
    run: Annotated[
        str | None, typer.Argument(help="The run that was applied; the latest by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take back what 'apply' put in place."""
    with errors_reported(as_json):
        from tactician.operations import revert as take_back

        _print_recoveries([take_back(_home(), run)], as_json, "reverted")


@commands.command()
def recover(as_json: JsonFlag = False) -> None:
    """Restore what runs that were killed have left behind."""
    with errors_reported(as_json):
        from tactician.operations import recover_everywhere

        recoveries = recover_everywhere(_home())
        _print_recoveries(recoveries, as_json, "recovered")
        if any(recovery.leftovers for recovery in recoveries):
            raise typer.Exit(4)


@commands.command()
def doctor(as_json: JsonFlag = False) -> None:
    """Say what is possible on this host, what is missing, and the command that mends it."""
    with errors_reported(as_json):
        from tactician.system.doctor import examine

        findings = examine(_home())
        if as_json:
            typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
            return
        for finding in findings:
            sign = {True: "ok", False: "!!", None: "--"}[finding.ok]
            typer.echo(f"{sign}  {finding.name:<22} {finding.detail}")
            if finding.mend:
                typer.echo(f"    {'':<22} mend: {finding.mend}")


@commands.command()
def export(
    run: RunArgument = "last",
    form: Annotated[str, typer.Option("--format", help="sysctl or sh.")] = "sysctl",
) -> None:
    """Print a run's proven winner as a sysctl.d file, or as a shell script with its own undo."""
    with errors_reported():
        from tactician.operations import export as exported

        typer.echo(exported(_record(_history(), run), form), nl=False)


@commands.command()
def parse(
    file: Annotated[str, typer.Argument(help="A benchmark's output; - for standard input.")] = "-",
    metric: Annotated[str | None, typer.Option(help="Print this metric only.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what is found in a benchmark's output."""
    with errors_reported(as_json):
        from dataclasses import replace

        from tactician.experiment import Metric
        from tactician.system.parsers import find_metric, parse_output

        text = _input(file)
        output = parse_output(text)
        found = output.metrics if metric is None else (find_metric(output, text, Metric(metric)),)
        if as_json:
            typer.echo(json.dumps(replace(output, metrics=found).to_dict(), indent=2))
            return
        typer.echo(f"tool: {output.tool or 'unknown; name: value lines and JSON are understood'}")
        for entry in found:
            typer.echo(f"{entry.name} = {entry.value:g} {entry.unit}{_aliases(entry.aliases)}")
        for problem in output.problems:
            typer.echo(f"problem: {problem}")


@commands.command()
def schema() -> None:
    """Print the JSON Schema of an experiment file."""
    with errors_reported():
        from tactician.config import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


def _tune(
    config: Path | None,
    resume: str | None,
    overrides: dict[str, object],
    options: dict[str, Any],
    quiet: bool,
    as_json: bool,
) -> tuple[dict[str, Any], int]:
    from tactician import running
    from tactician.errors import OperatorError

    if resume is not None:
        if overrides:
            raise OperatorError(
                "--resume goes on with what the run began with; leave out --algorithm and --budget"
            )
        home = _home()
        record = _record(_history(home), resume)
        return running.resume_run(record, config, options, quiet=quiet, as_json=as_json)
    if config is None:
        raise OperatorError("tune needs a CONFIG file (or --resume RUN); tactician demo needs neither")
    return running.run_file(config, overrides, options, quiet=quiet, as_json=as_json)


def _finish(result: dict[str, Any], status: int, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    raise typer.Exit(status)


def _demo_workload() -> str:
    from tactician.system.namespace import inside_throw_away, why_unavailable

    if inside_throw_away():
        return "listen-backlog"
    reason = why_unavailable()
    if not reason:
        return "listen-backlog"
    typer.echo(
        f"No network namespace can be made here ({reason}): showing the sqlite workload instead.", err=True
    )
    return "sqlite"


_BUDGET = re.compile(r"^(\d+(?:\.\d+)?)(s|m|h)?$")
_MINUTES: Mapping[str, float] = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def _overrides(algorithm: str | None, budget: str | None) -> dict[str, object]:
    from tactician.errors import OperatorError

    overrides: dict[str, object] = {}
    if algorithm is not None:
        overrides["algorithm"] = algorithm
    if budget is not None:
        match = _BUDGET.match(budget)
        if not match or float(match[1]) == 0 or (match[2] is None and "." in match[1]):
            raise OperatorError(f"--budget {budget}: give a number of trials (30) or a time (90s, 10m, 2h)")
        if match[2] is None:
            overrides["budget"] = {"trials": int(match[1])}
        else:
            overrides["budget"] = {"minutes": float(match[1]) * _MINUTES[match[2]]}
    return overrides


def _home() -> Home:
    from tactician.system.home import Home

    return Home.find()


def _history(home: Home | None = None) -> History:
    from tactician.storage.history import History

    return History((home or _home()).history)


def _record(history: History, run: str) -> Any:
    return history.latest() if run == "last" else history.run(run)


def _shown(record: Any) -> dict[str, Any]:
    """Return a run's result with its trials, as one JSON document."""
    summary = record.summary
    result = dict(record.result) if record.result is not None else {"run_id": record.id, "success": False}
    measurements = [
        {
            "purpose": entry.purpose,
            "number": entry.number,
            "arm": entry.arm,
            "status": entry.outcome.status,
            "configuration": dict(entry.outcome.configuration),
            "value": entry.outcome.measurement.value if entry.outcome.measurement else None,
            "unit": entry.outcome.measurement.unit if entry.outcome.measurement else None,
            "reward": entry.outcome.reward,
            "estimate": entry.outcome.estimate.value if entry.outcome.estimate else None,
            "bound": entry.outcome.estimate.bound if entry.outcome.estimate else None,
            "performance": entry.outcome.score.performance if entry.outcome.score else None,
            "stability": entry.outcome.score.stability if entry.outcome.score else None,
            "seconds": entry.outcome.seconds,
            "reason": entry.outcome.reason or None,
        }
        for entry in record.measurements
    ]
    state = "crashed" if summary.crashed else summary.state
    return {**result, "state": state, "started_at": summary.started_at, "measurements": measurements}


def _print_recoveries(recoveries: list[Any], as_json: bool, verb: str) -> None:
    if as_json:
        entries = [
            {
                "run_id": recovery.run_id,
                "changed": [{"path": path, "found": found} for path, found in recovery.changed],
                "not_restored": [{"path": left.path, "message": str(left)} for left in recovery.leftovers],
                "processes_ended": recovery.ended,
                "note": recovery.note,
            }
            for recovery in recoveries
        ]
        restored = not any(recovery.leftovers for recovery in recoveries)
        typer.echo(json.dumps({"success": restored, verb: entries}, indent=2))
        return
    if not recoveries:
        typer.echo("Nothing to recover.")
    for recovery in recoveries:
        typer.echo(f"{verb} run {recovery.run_id}{f': {recovery.note}' if recovery.note else ''}")
        for path, found in recovery.changed:
            typer.echo(f"  {path} showed {found!r} and is as it was")
        if recovery.ended:
            typer.echo(f"  ended {recovery.ended} benchmark processes")
        for leftover in recovery.leftovers:
            typer.echo(f"  NOT RESTORED: {leftover}", err=True)


def _input(file: str) -> str:
    from tactician.errors import OperatorError

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}") from error
    return data.decode("utf-8", "replace")


def _aliases(aliases: tuple[str, ...]) -> str:
    return f"  (also: {', '.join(aliases)})" if aliases else ""
