"""Hand-made event streams, as a tuner would send them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oppertune.core.values import Categorical, Integer, Real
from tactician.events import (
    Applied,
    BaselineMeasured,
    BenchmarkFinished,
    BenchmarkStarted,
    Event,
    Learned,
    Notice,
    RunFinished,
    RunStarted,
    TrialFinished,
    TrialStarted,
    VerificationRun,
    VerificationStarted,
    Verified,
)
from tactician.experiment import Budget, Experiment, Metric, TunedParameter, Workload
from tactician.outcomes import Configuration, Measurement, Outcome, Score, Verdict

RUN = "20260821-101112-ab3f"
SOMAXCONN = "net.core.somaxconn"
BACKLOG = "net.core.netdev_max_backlog"
COMMAND = "wrk -t12 -c400 -d30s --latency http://localhost:80/a/rather/long/path/to/show"


def sysctl(name: str, low: int, high: int, start: int | None = None) -> TunedParameter:
    return TunedParameter(Integer(name=name, val=low, min=low, max=high), "sysctl", name, start)


PARAMETERS = (sysctl(SOMAXCONN, 128, 8192), sysctl(BACKLOG, 1000, 50000))
DECLARED = (sysctl(SOMAXCONN, 128, 8192, start=128), sysctl(BACKLOG, 1000, 50000))
MIXED = (
    sysctl("net.ipv4.tcp_rmem[2]", 4096, 6291456),
    TunedParameter(
        Categorical(name="thp", val="never", categories=("always", "madvise", "never")),
        "sysfs",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ),
    TunedParameter(Integer(name="threads", val=4, min=1, max=16), "argument", "threads", 4),
    TunedParameter(Real(name="ratio", val=0.5, min=0.1, max=0.9), "environment", "CACHE_RATIO", 0.5),
)
ORIGINAL: Configuration = {SOMAXCONN: 4096, BACKLOG: 1000}
BEST: Configuration = {SOMAXCONN: 3584, BACKLOG: 7800}


def experiment(parameters: tuple[TunedParameter, ...] = PARAMETERS, **more: Any) -> Experiment:
    fields: dict[str, Any] = {
        "workload_name": "High-Throughput Web Server",
        "metric": Metric("requests_per_second"),
        "workload": Workload(COMMAND),
        "parameters": parameters,
        "budget": Budget(trials=2),
    }
    return Experiment(**fields | more)


def outcome(configuration: Configuration, value: float, performance: float, reward: float) -> Outcome:
    measurement = Measurement(value, "1/s", True, {"p99": float("nan")}, {"io_wait": 0.01}, 31.24)
    return Outcome.measured(configuration, measurement, Score(performance, 0.89, reward))


def verdict(*, significant: bool = True, reference: str = "original") -> Verdict:
    return Verdict(
        reference=reference,
        improvement=15.4 if significant else 0.0,
        estimate=15.4 if significant else 0.6,
        interval=(13.9, 16.8) if significant else (-1.2, 2.4),
        significant=significant,
        control_interval=(-0.5, 0.5),
        candidate_median=1789.3,
        reference_median=1550.2,
        candidate_stability=0.97,
        reference_stability=0.96,
        rounds=9,
        runs=27,
        seconds=840.0,
        reason="the interval lies above zero",
    )


def result(*verdicts: Verdict, **more: Any) -> dict[str, Any]:
    significant = bool(verdicts) and verdicts[0].significant
    fields = {
        "success": True,
        "run_id": RUN,
        "workload_name": "High-Throughput Web Server",
        "algorithm": "ppo",
        "dry_run": False,
        "restored": True,
        "stopped_because": "budget",
        "error": None,
        "trials": 2,
        "failed_trials": 1,
        "gradient_steps": 12,
        "benchmark_seconds": 900.0,
        "baseline": {"median": 1356.2, "unit": "1/s", "runs": 3},
        "original": dict(ORIGINAL),
        "candidate": dict(BEST),
        "best_config": dict(BEST if significant else ORIGINAL),
        "improvement": verdicts[0].improvement if verdicts else 0.0,
        "improvement_interval": list(verdicts[0].interval or ()) if verdicts else None,
        "significant": significant,
        "verdicts": [as_mapping(entry) for entry in verdicts],
        "network_namespace": None,
        "not_restored": [],
        "notices": [],
    }
    return fields | more


def as_mapping(entry: Verdict) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Verdict.__dataclass_fields__}


def started(what: Experiment, original: Configuration = ORIGINAL, **more: Any) -> RunStarted:
    baseline = {
        tuned.name: original[tuned.name] if tuned.start is None else tuned.start for tuned in what.parameters
    }
    fields: dict[str, Any] = {"undo": "each value is written back and read again", "seconds_estimate": 840.0}
    return RunStarted(RUN, what, original, baseline, **fields | more)


def baseline() -> Iterator[Event]:
    for number in (1, 2):
        yield BenchmarkStarted(RUN, "baseline", COMMAND)
        yield BenchmarkFinished(RUN, "baseline", 31.0)
        yield BaselineMeasured(RUN, number, outcome(ORIGINAL, 1356.2, 1.0, 0.95))


def trials() -> Iterator[Event]:
    yield TrialStarted(RUN, 1, BEST, 2, 62.0)
    for name, value in BEST.items():
        yield Applied(RUN, name, value)
    yield BenchmarkStarted(RUN, "trial", COMMAND, 31.0)
    yield BenchmarkFinished(RUN, "trial", 31.2)
    yield TrialFinished(RUN, 1, outcome(BEST, 1523.5, 1.1233, 1.0066), best=True)
    yield Learned(RUN, 3)
    yield TrialStarted(RUN, 2, ORIGINAL, 2, 31.0)
    yield BenchmarkStarted(RUN, "trial", COMMAND, 31.0)
    yield BenchmarkFinished(RUN, "trial", 3.0)
    reason = (
        "wrk reports 3,211 socket errors, more than 1 % of its 40,000 requests, \x1b[31mso it does not count"
    )
    yield TrialFinished(RUN, 2, Outcome.failed(ORIGINAL, reason, 3.0), best=False)
    yield BaselineMeasured(RUN, 3, outcome(ORIGINAL, 1350.0, 1.0, 0.95), drift_check=True)


def verification(entry: Verdict, reference: Configuration = ORIGINAL) -> Iterator[Event]:
    yield VerificationStarted(RUN, BEST, reference, entry.reference, 20)
    for round_number in (1, 2):
        for arm, value in (("control", 1551.0), ("candidate", 1789.3), ("reference", 1550.2)):
            yield BenchmarkStarted(RUN, "verification", COMMAND, 31.0)
            yield BenchmarkFinished(RUN, "verification", 31.0)
            yield VerificationRun(RUN, entry.reference, round_number, arm, outcome(BEST, value, 1.0, 1.0))
    yield Verified(RUN, entry)


def whole(*verdicts: Verdict, what: Experiment | None = None, **more: Any) -> list[Event]:
    found = experiment() if what is None else what
    events: list[Event] = [started(found, dry_run=bool(more.get("dry_run")))]
    events += baseline()
    events += trials()
    events.append(Notice(RUN, "the guardian was started again", warning=True))
    for entry in verdicts:
        events += verification(entry)
    events.append(RunFinished(RUN, result(*verdicts, **more)))
    return events
