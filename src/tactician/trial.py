"""One configuration from plan to outcome, in which failure is an outcome and the restore always runs."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from oppertune.core.values import Value
from tactician import safety
from tactician.errors import KnobReadError, KnobWriteError
from tactician.events import Applied, BenchmarkFinished, BenchmarkStarted
from tactician.experiment import Experiment
from tactician.interrupts import Interrupts
from tactician.outcomes import Configuration, Measurement, Outcome
from tactician.pacing.pacer import Pace
from tactician.pacing.series import SHORT
from tactician.pacing.stopped import ended_by_look, ended_while_running
from tactician.pacing.watching import Watcher
from tactician.plan import Plan, make_plan
from tactician.ports import (
    Benchmark,
    BenchmarkRun,
    Crossing,
    Emit,
    Guard,
    Guardian,
    Host,
    Journal,
    Knob,
    SystemMonitor,
    Watch,
)
from tactician.reward import score, stability
from tactician.transaction import Transaction

_WHOLE = Pace()


@dataclass(slots=True)
class Bench:
    """Everything that one benchmark run on one host needs, joined by the wiring.

    Attributes:
        knobs: of the parameters that live on the host.
        rendered: the benchmark's command for a configuration, for display, and for a share of its duration.
        guard: watches the host beside it, if anybody does.
    """

    host: Host
    knobs: Sequence[Knob]
    benchmark: Benchmark
    monitor: SystemMonitor
    journal: Journal
    guardian: Guardian
    interrupts: Interrupts
    rendered: Callable[..., str]
    guard: Guard | None = None


class TrialRunner:
    """Runs configurations on a bench.

    Args:
        experiment: what is tuned.
        bench: where.
        run_id: for the events.
        emit: takes the events.
    """

    def __init__(self, experiment: Experiment, bench: Bench, run_id: str, emit: Emit) -> None:
        self.bench = bench
        self._experiment = experiment
        self._run_id = run_id
        self._emit = emit
        self._typical_s: float | None = None
        self.tool_absent = False

    @property
    def crossing(self) -> Crossing | None:
        """The guardrail that the last benchmark crossed."""
        return None if self.bench.guard is None else self.bench.guard.crossing

    @property
    def typical_seconds(self) -> float | None:
        """How long a benchmark run takes, by the runs so far."""
        return self._typical_s

    def run(
        self,
        configuration: Configuration,
        purpose: str,
        baseline: float | None,
        *,
        checked: bool = True,
        pace: Pace = _WHOLE,
    ) -> Outcome:
        """Apply, measure, restore.

        Args:
            configuration: of all parameters.
            purpose: ``baseline``, ``trial`` or ``verification``, for the events.
            baseline: the metric to compare with; None leaves the outcome without a score.
            checked: False for the host's own values, which may lie outside the ranges to search.
            pace: whether the benchmark may end early.

        Raises:
            RestoreError: the host is not as it was.
            JournalError, GuardianError: no safe write is possible; nothing was written.
        """
        if checked and (objection := safety.objection(self._experiment, configuration)):
            return Outcome.refused(configuration, objection)
        transaction = self._transaction()
        try:
            with transaction:
                notes = self._apply(transaction, configuration)
                outcome = self._paced(configuration, purpose, baseline, notes, pace)
        except (KnobReadError, KnobWriteError) as error:
            outcome = Outcome.failed(configuration, str(error.strerror or error))
        return replace(outcome, notes=(*outcome.notes, *transaction.theirs))

    def _paced(
        self,
        configuration: Configuration,
        purpose: str,
        baseline: float | None,
        notes: tuple[str, ...],
        pace: Pace,
    ) -> Outcome:
        """Measure the configuration that is applied, for as long as it is worth it."""
        pacing = self._experiment.pacing
        seconds, metrics = 0.0, {}
        if pace.short_share is not None:
            short, system = self._measure(configuration, purpose, share=pace.short_share)
            if self.crossing is not None:
                return Outcome.crossed(configuration, self.crossing.reason, short.seconds)
            if short.value is None:
                return Outcome.failed(configuration, short.problem, short.seconds, short.output_tail)
            if pace.looks is not None and baseline is not None:
                outcome = ended_by_look(
                    configuration,
                    short,
                    system,
                    pace.looks,
                    pacing.error,
                    baseline,
                    abort=pacing.abort_trials,
                )
                if outcome is not None:
                    return outcome
            seconds, metrics = short.seconds, {SHORT: short.value}
        watcher = None
        if pace.stream is not None and baseline is not None:
            so_far = self.bench.monitor.so_far
            watcher = Watcher(pace.stream, lambda: stability(so_far()), pacing)
        floor = pace.floor(watcher)
        run, system = self._measure(configuration, purpose, watcher if floor is None else floor)
        if self.crossing is not None:
            return Outcome.crossed(configuration, self.crossing.reason, seconds + run.seconds)
        if floor is not None and floor.reason and run.stopped:
            return Outcome.failed(configuration, floor.reason, seconds + run.seconds, run.output_tail)
        if watcher is not None and watcher.look is not None and run.stopped and baseline is not None:
            look, known = watcher.look, watcher.reference
            return ended_while_running(configuration, run, system, look, known, pacing.error, baseline)
        return self._judge(configuration, run, system, baseline, notes, seconds, metrics)

    def plan(self, configuration: Mapping[str, Value]) -> Plan:
        """Return what a configuration would change on the host as it is now.

        Raises:
            OSError: a place cannot be read.
        """
        bench = self.bench
        places = dict.fromkeys(knob.place for knob in bench.knobs)
        current = {place: bench.host.read(place) for place in places}
        return make_plan(bench.knobs, current, configuration, self._experiment.constraints)

    def _transaction(self) -> Transaction:
        bench = self.bench
        return Transaction(bench.host, bench.journal, bench.guardian, bench.interrupts)

    def _apply(self, transaction: Transaction, configuration: Configuration) -> tuple[str, ...]:
        try:
            plan = self.plan(configuration)
        except OSError as error:
            raise KnobReadError(error.errno, f"an original cannot be read: {error}") from error
        except ValueError as error:
            raise KnobReadError(errno.EINVAL, str(error)) from error
        aside = transaction.apply(plan)
        for name, value in configuration.items():
            self._emit(Applied(self._run_id, name, value))
        return tuple(f"the kernel changed {path} on the side; it is restored too" for path in aside)

    def _measure(
        self, configuration: Configuration, purpose: str, watch: Watch | None = None, share: float = 1.0
    ) -> tuple[BenchmarkRun, Mapping[str, float]]:
        bench = self.bench
        bench.guardian.ensure()
        typical = None if self._typical_s is None else self._typical_s * share
        shown = bench.rendered(configuration) if share == 1.0 else bench.rendered(configuration, share)
        self._emit(BenchmarkStarted(self._run_id, purpose, shown, typical))
        bench.monitor.start()
        guard = bench.guard
        watched: AbstractContextManager[None] = (
            contextlib.nullcontext() if guard is None else guard.watching(purpose)
        )
        with watched, bench.interrupts.opened():
            if watch is None and share == 1.0:
                run = bench.benchmark.run(configuration)
            else:
                run = bench.benchmark.run(configuration, watch, share)
        system = bench.monitor.stop()
        self.tool_absent = run.tool_absent
        self._emit(BenchmarkFinished(self._run_id, purpose, run.seconds))
        if run.value is not None and share == 1.0:
            known = self._typical_s
            self._typical_s = run.seconds if known is None else 0.7 * known + 0.3 * run.seconds
        return run, system

    def _judge(
        self,
        configuration: Configuration,
        run: BenchmarkRun,
        system: Mapping[str, float],
        baseline: float | None,
        notes: tuple[str, ...],
        seconds_before: float,
        metrics_before: Mapping[str, float],
    ) -> Outcome:
        if run.value is None:
            seconds = seconds_before + run.seconds
            return Outcome.failed(configuration, run.problem, seconds, run.output_tail)
        metrics = {**run.metrics, **metrics_before}
        measurement = Measurement(run.value, run.unit, run.maximize, metrics, system, run.seconds)
        scored = None if baseline is None else score(measurement, baseline, self._experiment.reward)
        notes = (*notes, *run.notes)
        return Outcome.measured(configuration, measurement, scored, notes, seconds_before=seconds_before)
