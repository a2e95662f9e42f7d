"""The tools that make a plan from words, run it, follow it and end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.jobs import Job
from cli_ai.tools.looking import RUN, RunResult, record_of
from cli_ai.tools.progress import Progress, State
from cli_ai.tools.registry import Caller, Data, StoppedError, Tool, Update
from cli_ai.tools.workbench import Workbench
from tactician.errors import OperatorError

_STATES: dict[str, State] = {"running": "running", "finished": "finished"}


class Words(Data):
    """What is wanted, in words."""

    request: str = Field(
        min_length=1, max_length=4000, description="Such as: optimize this system for database workload."
    )


class Planned(Data):
    """A plan and the name by which start_run takes it."""

    plan: str
    proposal: Proposal


class RunThis(Data):
    """Which plan to run, and how much of it."""

    plan: str = Field(max_length=64, description="As propose returned it.")
    trials: int | None = Field(default=None, ge=1, le=10_000, description="In place of the plan's budget.")
    dry_run: bool = Field(default=False, description="Simulate; write and start nothing.")
    wait: bool = Field(default=True, description="Return the result at the end; else return at once.")


class Started(Data):
    """A run that was begun, or is over where it was waited for."""

    job: str
    progress: Progress
    result: dict[str, Any] | None = None


class WhichJob(Data):
    """One run, by the name that start_run gave or by its run id."""

    run: str = Field(default="last", max_length=64, description=f"As start_run returned it, or: {RUN}")


class ConfigFile(Data):
    """An experiment file, as the documented function takes it."""

    config_path: str
    dry_run: bool = False
    verbose: bool = True


def _propose(bench: Workbench, given: Words, caller: Caller) -> Planned:
    name, proposal = bench.propose(given.request)
    return Planned(plan=name, proposal=proposal)


def _start(bench: Workbench, given: RunThis, caller: Caller) -> Started:
    document = bench.experiment(given.plan)
    if given.trials is not None:
        document["budget"] = {"trials": given.trials}
    job = Job(document, bench.home, dry_run=given.dry_run)
    bench.watch(job)
    if not given.wait:
        return Started(job=job.id, progress=job.progress())
    try:
        result = job.follow(lambda now: caller.tell(_update(now)), caller.gone)
    finally:
        job.stop()  # whatever became of the caller, no run of its goes on
        job.forget()
    if caller.gone.is_set():
        raise StoppedError("the run was ended and the host restored")
    return Started(job=job.id, progress=job.progress(), result=result)


def _update(now: Progress) -> Update:
    return Update(now.message, float(now.baselines + now.trial), None)


def _progress(bench: Workbench, given: WhichJob, caller: Caller) -> Progress:
    job = _job(bench, given.run)
    if job is not None:
        return job.progress()
    record = record_of(bench, given.run)
    trials = record.of("trial")
    values = [one.outcome.measurement for one in trials if one.outcome.measurement is not None]
    crashed = record.summary.crashed
    state: State = "failed" if crashed else _STATES.get(record.summary.state, "failed")
    return Progress(
        state=state,
        run_id=record.id,
        baselines=len(record.of("baseline")),
        trial=len(trials),
        failed_trials=record.summary.failed_trials,
        value=values[-1].value if values else None,
        unit=values[-1].unit if values else "",
        message="crashed" if crashed else record.summary.state,
    )


def _stop(bench: Workbench, given: WhichJob, caller: Caller) -> Progress:
    job = _job(bench, given.run)
    if job is None:
        raise OperatorError(f"no run {given.run!r} was begun here; only such runs can be ended")
    job.stop()
    return job.progress()


def _job(bench: Workbench, name: str) -> Job | None:
    jobs = bench.jobs()
    if name == "last" and jobs:
        return list(jobs.values())[-1]
    return bench.job(name)


def _run_file(bench: Workbench, given: ConfigFile, caller: Caller) -> RunResult:
    from cli_ai.tools.optimization.rl_autotuner import run_rl_optimization

    result = run_rl_optimization(Path(given.config_path), given.dry_run, given.verbose)
    state = "finished" if result["success"] else "failed"
    return RunResult(run_id=str(result.get("run_id", "")), state=state, result=result)


TOOLS = (
    Tool(
        "propose",
        "Make a plan from words: knobs, ranges, benchmark, budget, each with its reason. Nothing runs.",
        "look",
        Words,
        Planned,
        _propose,
    ),
    Tool(
        "start_run",
        "Run a plan on this host: real trials, everything restored, the winner verified and not kept.",
        "run",
        RunThis,
        Started,
        _start,
    ),
    Tool("run_progress", "Say how far a run has come.", "look", WhichJob, Progress, _progress),
    Tool(
        "stop_run",
        "End a run begun here; the host is restored.",
        "run",
        WhichJob,
        Progress,
        _stop,
    ),
    Tool(
        "run_rl_optimization",
        "Run an experiment file, whatever command it holds. For programs of the operator, not for models.",
        "file",
        ConfigFile,
        RunResult,
        _run_file,
    ),
)
