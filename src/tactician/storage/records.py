"""What the history gives back, as plain frozen data that needs no database to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from tactician.outcomes import Configuration, Estimate, Measurement, Outcome, Score, Status

Purpose = Literal["baseline", "trial", "verification"]
RunState = Literal["running", "finished", "failed", "interrupted", "stopped"]
RUN_STATES: tuple[RunState, ...] = get_args(RunState)


class Recorded(NamedTuple):
    """One measurement as ``--resume`` needs it: enough to tell the algorithm what it already knows.

    Attributes:
        number: of the trial, the baseline run or the verification's round.
        request_id: of the algorithm's prediction; empty where there was none.
        context: what the algorithm was told before it predicted.
    """

    number: int
    outcome: Outcome
    request_id: str
    context: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of ``tactician runs``.

    Attributes:
        id: ``YYYYMMDD-HHMMSS-xxxx``, the UTC second of its start and four random hex digits.
        started_at, finished_at: UTC, ISO 8601.
        state: as it was written last; a killed run stays ``running``, see ``crashed``.
        crashed: it says running, and its process is gone.
        throw_away: it was made in a network namespace that ended with it.
        trials, failed_trials: without baseline and verification.
        improvement: percent by verification, None where the run has no result.
    """

    id: str
    started_at: str
    finished_at: str | None
    state: RunState
    crashed: bool
    workload_name: str
    algorithm: str
    dry_run: bool
    throw_away: bool
    trials: int
    failed_trials: int
    improvement: float | None = None
    significant: bool = False


@dataclass(frozen=True, slots=True)
class MeasurementRecord:
    """One benchmark run as it is in the history.

    Attributes:
        sequence: position within the run, from 1, in the order in which they ended.
        number: of the trial, the baseline run or the verification's round.
        arm: ``candidate``, ``reference`` or ``control`` in a verification; ``drift`` for a baseline
            that was repeated between trials; else empty.
        reference: what a verification compared with; else empty.
        started_at: UTC, ISO 8601: when it was recorded, less the seconds it took.
    """

    run_id: str
    sequence: int
    purpose: Purpose
    number: int
    arm: str
    reference: str
    outcome: Outcome
    request_id: str
    context: Mapping[str, float]
    started_at: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run with everything that was measured in it.

    Attributes:
        summary: its line in the list of runs.
        document: the configuration file as it was read.
        host: facts of the machine: kernel, cores, memory.
        original: what the host had, by parameter; empty until the run began.
        baseline: the baseline configuration; empty until the run began.
        result: as documented for ``tune --json``; None until the run ended.
        pid, pid_start, boot_id: which process ran it: its start in clock ticks, and the boot.
    """

    summary: RunSummary
    document: Mapping[str, Any]
    random_seed: int | None
    network_namespace: str | None
    host: Mapping[str, Any]
    original: Configuration
    baseline: Configuration
    result: Mapping[str, Any] | None
    pid: int | None
    pid_start: int | None
    boot_id: str | None
    measurements: tuple[MeasurementRecord, ...] = field(repr=False)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.summary.id

    def of(self, purpose: Purpose) -> list[MeasurementRecord]:
        """The measurements of one purpose, in the order in which they were made."""
        return [found for found in self.measurements if found.purpose == purpose]

    def outcomes(self, purpose: Purpose) -> list[Recorded]:
        """The outcomes of one purpose as they were, in order, for a run that goes on."""
        return [
            Recorded(found.number, found.outcome, found.request_id, found.context)
            for found in self.of(purpose)
        ]


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    """An outcome as values for the measurements table."""
    measurement: Measurement | Estimate | None = outcome.measurement or outcome.estimate
    score = outcome.score if outcome.estimate is None else outcome.estimate.score
    return {
        "configuration": plain(outcome.configuration),
        "status": outcome.status,
        "value": None if measurement is None else float(measurement.value),
        "unit": None if measurement is None else storable(measurement.unit),
        "maximize": None if measurement is None else bool(measurement.maximize),
        "metrics": None if measurement is None else plain(_metrics(measurement)),
        "system": None if measurement is None else plain(measurement.system),
        "performance": None if score is None else float(score.performance),
        "stability": None if score is None else float(score.stability),
        "reward": None if score is None else float(score.reward),
        "seconds": float(outcome.seconds),
        "change_seconds": outcome.change_seconds,
        "reason": storable(outcome.reason),
        "notes": [storable(note) for note in outcome.notes],
        "output_tail": storable(outcome.output_tail),
    }


def outcome_of(row: Mapping[str, Any]) -> Outcome:
    """The outcome that :func:`outcome_columns` took apart."""
    status: Status = row["status"]
    measurement = None
    if status == "measured":
        measurement = Measurement(
            value=row["value"],
            unit=row["unit"],
            maximize=row["maximize"],
            metrics=_numbers(row["metrics"]),
            system=_numbers(row["system"]),
            seconds=row["seconds"],
        )
    score = None
    if row["reward"] is not None:
        score = Score(performance=row["performance"], stability=row["stability"], reward=row["reward"])
    estimate = None
    if status == "aborted" and score is not None:
        estimate = _estimate(row, score)
    return Outcome(
        status,
        row["configuration"],
        measurement,
        None if estimate is not None else score,
        reason=row["reason"],
        seconds=row["seconds"],
        notes=tuple(row["notes"]),
        output_tail=row["output_tail"],
        estimate=estimate,
        change_seconds=row["change_seconds"],
    )


def _metrics(found: Measurement | Estimate) -> Mapping[str, float]:
    """The numbers beside the value; those of an estimate say how good it is."""
    if isinstance(found, Measurement):
        return found.metrics
    return {"bound": found.bound, "seconds": found.seconds, "error": found.error}


def _estimate(row: Mapping[str, Any], score: Score) -> Estimate:
    """The estimate of a trial that was ended early; its columns are those of a measurement."""
    beside = _numbers(row["metrics"])
    return Estimate(
        value=row["value"],
        bound=beside.get("bound", row["value"]),
        unit=row["unit"],
        maximize=row["maximize"],
        seconds=beside.get("seconds", row["seconds"]),
        error=beside.get("error", 0.0),
        system=_numbers(row["system"]),
        score=score,
    )


def plain(value: Any) -> Any:
    """The same as dictionaries, lists and native numbers, the way JSON can hold it.

    A number that is not finite becomes None, since JSON has none; numpy's numbers become Python's.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def storable(text: str) -> str:
    """The text with what is no UTF-8 (a benchmark's raw bytes) written as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _numbers(found: Mapping[str, float | None]) -> dict[str, float]:
    return {name: number for name, number in found.items() if number is not None}
