"""The tools that only look: this host, a knob, an experiment before it runs, and the runs there were."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from cli_ai.discovery.facts import HostFacts
from cli_ai.tools.registry import Caller, Data, Tool
from cli_ai.tools.workbench import Workbench
from tactician.errors import ConfigurationError, OperatorError, RefusedError

RUN = "A run's id or its beginning; 'last' is the newest."


class Nothing(Data):
    """A tool that needs no input."""


class KnobName(Data):
    """One knob."""

    name: str = Field(max_length=256, description="Such as vm.swappiness or postgresql.work_mem.")


class KnobExplained(Data):
    """What is known of one knob.

    Attributes:
        never: why it is never tuned; empty where it may be.
        low, high: the range that is safe on this host; None where the values are words or not known.
    """

    name: str
    known: bool
    what: str = ""
    never: str = ""
    gone: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    unit: str = ""
    default: str = ""
    acts: str = ""
    scope: str = ""
    disrupts: str = ""
    couples: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    present: bool | None = Field(default=None, description="Whether this host has it; null where unknown.")
    source: str = ""


class ExperimentDocument(Data):
    """One experiment, as tactician tune takes it."""

    experiment: dict[str, Any]


class Complaint(Data):
    """One thing to correct."""

    path: str
    message: str


class Validation(Data):
    """Whether an experiment can be used; it is only read, nothing runs.

    Attributes:
        refused: it is understood, and safety does not allow it.
    """

    valid: bool
    refused: bool = False
    problems: tuple[Complaint, ...] = ()


class HowMany(Data):
    """How many runs to list."""

    limit: int = Field(default=20, ge=1, le=1000)


class RunLine(Data):
    """One run in a list."""

    run_id: str
    state: str
    workload_name: str
    started_at: str
    trials: int
    dry_run: bool
    improvement: float | None
    significant: bool


class RunList(Data):
    """Runs, newest first."""

    runs: tuple[RunLine, ...]


class WhichRun(Data):
    """One run."""

    run: str = Field(default="last", max_length=64, description=RUN)


class RunResult(Data):
    """One run's result, as tactician tune --json gives it; None while there is none."""

    run_id: str
    state: str
    result: dict[str, Any] | None


def record_of(bench: Workbench, run: str) -> Any:
    """One run from the history. Raises OperatorError where there is none."""
    from tactician.storage.history import History

    if not bench.home.history.exists():
        raise OperatorError("the history holds no run yet")
    history = History(bench.home.history)
    return history.latest() if run == "last" else history.run(run)


def _discover(bench: Workbench, given: Nothing, caller: Caller) -> HostFacts:
    return bench.facts(fresh=True)


def _explain(bench: Workbench, given: KnobName, caller: Caller) -> KnobExplained:
    from tactician import catalogue

    never = catalogue.danger(given.name) or ""
    gone = catalogue.absent(given.name)
    entry = catalogue.entry(given.name)
    if entry is None:
        said = "" if gone is None else f"gone since {gone.since}: {gone.reason}"
        return KnobExplained(name=given.name, known=bool(never or gone), never=never, gone=said)
    facts = bench.facts()
    try:
        entry = catalogue.resolve(entry, numbers_of(facts))
    except ValueError:
        entry = entry._replace(low=None, high=None)  # such as a formula of the link's speed, which is unknown
    host_knob = entry.kind != "service"
    return KnobExplained(
        name=entry.name or given.name,
        known=True,
        what=entry.what,
        never=never,
        low=entry.low if isinstance(entry.low, int | float) else None,
        high=entry.high if isinstance(entry.high, int | float) else None,
        values=entry.values,
        unit=entry.unit,
        default="" if entry.default is None else str(entry.default),
        acts=entry.acts,
        scope=entry.scope,
        disrupts=entry.disrupts,
        couples=entry.couples,
        constraints=entry.constraints,
        workloads=entry.workloads,
        present=(given.name in facts.knobs or entry.name in facts.knobs) if host_knob else None,
        source=entry.source,
    )


def numbers_of(facts: HostFacts) -> dict[str, float]:
    """The facts that a catalogue's formula may use; what is not known is left out."""
    import os

    links = [link.speed_mbit for link in facts.links if link.speed_mbit and link.up]
    known = {
        "cores": float(facts.cores),
        "memory_bytes": float(facts.memory_bytes),
        "swap_bytes": float(facts.swap_bytes),
        "page_bytes": float(os.sysconf("SC_PAGE_SIZE")),
    }
    return {**known, "link_mbit": float(max(links))} if links else known


def _validate(bench: Workbench, given: ExperimentDocument, caller: Caller) -> Validation:
    from tactician.config import parse_experiment
    from tactician.options import Options
    from tactician.wiring import check

    try:
        check(parse_experiment(given.experiment, "the experiment"), Options())
    except (ConfigurationError, RefusedError, OperatorError) as error:
        problems = tuple(Complaint(path=one.path, message=one.message) for one in error.problems)
        return Validation(valid=False, refused=isinstance(error, RefusedError), problems=problems)
    return Validation(valid=True)


def _list(bench: Workbench, given: HowMany, caller: Caller) -> RunList:
    from tactician.storage.history import History

    if not bench.home.history.exists():
        return RunList(runs=())
    found = History(bench.home.history).runs(given.limit)
    return RunList(
        runs=tuple(
            RunLine(
                run_id=one.id,
                state="crashed" if one.crashed else one.state,
                workload_name=one.workload_name,
                started_at=one.started_at,
                trials=one.trials,
                dry_run=one.dry_run,
                improvement=one.improvement,
                significant=one.significant,
            )
            for one in found
        )
    )


def _read(bench: Workbench, given: WhichRun, caller: Caller) -> RunResult:
    record = record_of(bench, given.run)
    state = "crashed" if record.summary.crashed else record.summary.state
    return RunResult(
        run_id=record.id, state=state, result=None if record.result is None else dict(record.result)
    )


TOOLS = (
    Tool(
        "discover",
        "Find out about this host: system, disks, services that listen, benchmark tools, knobs. Only reads.",
        "look",
        Nothing,
        HostFacts,
        _discover,
    ),
    Tool(
        "explain_knob",
        "Explain one knob: what it does, its safe range here, when a change acts, and the source.",
        "look",
        KnobName,
        KnobExplained,
        _explain,
    ),
    Tool(
        "validate_experiment",
        "Check an experiment's form and safety and list everything that is wrong with it. Nothing runs.",
        "look",
        ExperimentDocument,
        Validation,
        _validate,
    ),
    Tool("list_runs", "List the runs of this host, newest first.", "look", HowMany, RunList, _list),
    Tool(
        "read_result",
        "Read a run's result: what was proven, with its interval, and the best configuration.",
        "look",
        WhichRun,
        RunResult,
        _read,
    ),
)
