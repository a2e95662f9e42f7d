"""The commands that run an experiment: tune and demo."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from tactician.cli.base import JsonFlag, commands, errors_reported, find_home, open_history, read_record


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
    allow_uncatalogued: Annotated[
        list[str] | None,
        typer.Option(help="Tune this place although no catalogue knows a safe range for it."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="Add every event to this file, one JSON object a line.")
    ] = None,
    benchmark_user: Annotated[
        str | None, typer.Option(help="Run the benchmark as this account; whoever called sudo by default.")
    ] = None,
    max_regression: Annotated[
        str | None, typer.Option(help="Make trials rare that lose more than this of the metric (20%).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Warnings and the verdict only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Tune this host for a workload, restore it, and say what was proven."""
    with errors_reported(as_json):
        overrides = _overrides(algorithm, budget)
        if max_regression is not None:
            overrides["max_regression"] = _percent("--max-regression", max_regression)
        if benchmark_user is not None:
            overrides["benchmark_user"] = benchmark_user
        options = {
            "dry_run": dry_run,
            "skip_absent": skip_absent,
            "allow_durability": tuple(allow_durability or ()),
            "allow_uncatalogued": tuple(allow_uncatalogued or ()),
        }
        _finish(*_tune(config, resume, overrides, options, quiet, as_json, events), as_json)


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


def _tune(
    config: Path | None,
    resume: str | None,
    overrides: dict[str, object],
    options: dict[str, Any],
    quiet: bool,
    as_json: bool,
    events: Path | None,
) -> tuple[dict[str, Any], int]:
    from tactician import running
    from tactician.errors import OperatorError

    if resume is not None:
        if overrides:
            raise OperatorError(
                "--resume goes on with what the run began with; leave out --algorithm and --budget"
            )
        home = find_home()
        record = read_record(open_history(home), resume)
        return running.resume_run(record, config, options, quiet=quiet, as_json=as_json, events=events)
    if config is None:
        raise OperatorError("tune needs a CONFIG file (or --resume RUN); tactician demo needs neither")
    return running.run_file(config, overrides, options, quiet=quiet, as_json=as_json, events=events)


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


_PERCENT = re.compile(r"^(\d+(?:\.\d+)?)\s*%?$")


def _percent(option: str, text: str) -> float:
    from tactician.errors import OperatorError

    match = _PERCENT.match(text.strip())
    if not match or not 1 <= float(match[1]) < 100:
        raise OperatorError(f"{option} {text}: give percent, from 1% to less than 100%, such as 20%")
    return float(match[1])


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
