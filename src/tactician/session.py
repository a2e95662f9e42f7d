"""One visit to one host: baseline, trials within a budget, verification, and the way out.

Tuner and Gymnasium environment share it, so that lock, journal, guardian, budget and the count of
failures exist once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tactician.errors import BenchmarkError, GuardrailError, MisuseError, PreflightError, Problem
from tactician.events import (
    BaselineMeasured,
    Event,
    Notice,
    PowerAssessed,
    TrialFinished,
    TrialStarted,
    VerificationRun,
    VerificationStarted,
    Verified,
)
from tactician.experiment import Experiment
from tactician.outcomes import Configuration, Outcome, Verdict
from tactician.pacing.pacer import Pacer
from tactician.ports import Clock
from tactician.power import Power, noise_of, power_of
from tactician.reward import score
from tactician.trial import Bench, TrialRunner
from tactician.verification import Comparison, Decision

DRIFT_EVERY = 8
"""After so many trials the baseline is measured again, since machines drift."""

MOST_BASELINES = 8
"""So often the baseline is measured at most before a run is refused for its noise."""

_RECENT = 3
REFERENCE = "original"
OWN_REFERENCE = "kernel defaults"


class Session:
    """Holds what trials have in common.

    Args:
        experiment: what is tuned, within which limits.
        bench: the host, real or simulated.
        run_id: of the history and the journal.
        original: what the host has, by parameter.
        observers: are told everything; one that throws is dropped.
        clock: seconds, monotonic.
        release: gives back lock, journal and guardian; called once, after the last restore.
    """

    def __init__(
        self,
        experiment: Experiment,
        bench: Bench,
        *,
        run_id: str,
        original: Configuration,
        observers: Sequence[Callable[[Event], None]],
        clock: Clock,
        release: Callable[[bool], None],
    ) -> None:
        self.experiment = experiment
        self.run_id = run_id
        self.original = dict(original)
        self.baseline = {
            tuned.name: original[tuned.name] if tuned.start is None else tuned.start
            for tuned in experiment.parameters
        }
        self.baselines: list[Outcome] = []
        self.trials: list[Outcome] = []
        self.power: Power | None = None
        self.notices: list[str] = []
        self.benchmark_seconds = 0.0
        self.interrupts = bench.interrupts
        self._observers = list(observers)
        self._clock = clock
        self._release = release
        self._bench = bench
        self._runner = TrialRunner(experiment, bench, run_id, self.emit)
        self._pacer = Pacer(experiment, lambda text: self.notice(text))
        self._began: float | None = None
        self._trials_began: float | None = None
        self._spent_before = 0.0
        self._first_baselines = 0
        self._failures_in_row = 0
        self._crossings_in_row = 0
        self.out_of_control = ""
        self._last = self.baseline
        self._system: Mapping[str, float] = {}
        self._closed = False

    def emit(self, event: Event) -> None:
        """Tell every observer. A broken one is dropped with a word, the run goes on."""
        if isinstance(event, Notice):
            self.notices.append(event.text)
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception as error:
                if observer in self._observers:
                    self._observers.remove(observer)
                self.notice(f"{type(observer).__name__} stopped working: {error}", warning=True)

    def notice(self, text: str, *, warning: bool = False) -> None:
        """Tell the operator something."""
        self.emit(Notice(self.run_id, text, warning))

    def start(self) -> None:
        """Run the setup and measure the baseline.

        Raises:
            BenchmarkError: no baseline run gave a number; PreflightError where its program is absent, or a
                health check fails already.
            GuardrailError: the baseline made a service or the operator's way in unreachable.
            TacticianError: as :meth:`TrialRunner.run`.
        """
        self._began = self._clock()
        self._bench.benchmark.setup()
        if self._bench.guard is not None:
            self._bench.guard.prepare()
        failures = []
        resumed = bool(self.baselines)
        for _ in range(1 if resumed else self.experiment.baseline_runs):
            outcome = self.measure_baseline(drift_check=resumed)
            if not outcome.ok:
                failures.append(outcome.reason)
                if self._runner.tool_absent:
                    raise PreflightError([Problem("benchmark_command", outcome.reason)])
            if len(failures) >= self.experiment.max_failures:
                break
        if not any(outcome.ok for outcome in self.baselines):
            tail = next(
                (outcome.output_tail for outcome in reversed(self.baselines) if outcome.output_tail), ""
            )
            shown = f"\nIt printed:\n{_indented(tail)}" if tail else ""
            raise BenchmarkError(f"the benchmark gives no baseline: {failures[-1]}{shown}")
        self._assess_power(resumed)
        self._trials_began = self._clock()

    def _assess_power(self, resumed: bool) -> None:
        """Say what this budget can prove, from the runs before the first trial.

        Raises:
            PreflightError: that is less than what the operator wants proven.
        """
        if not resumed:
            self._first_baselines = len(self.baselines)
        power = self._power()
        # A refusal must not rest on the luck of three runs.
        while power and power.too_little and not resumed and len(self.baselines) < MOST_BASELINES:
            self.measure_baseline()
            self._first_baselines = len(self.baselines)
            power = self._power()
        self.power = power
        if power is None:
            return
        self.emit(PowerAssessed(self.run_id, self.power_result or {}, self._seconds_to_the_end()))
        if power.too_little:
            raise PreflightError([Problem("target_improvement", power.refusal())])

    def _power(self) -> Power | None:
        experiment = self.experiment
        first = self.baselines[: max(2, self._first_baselines)]
        noise = noise_of([outcome.measurement.value for outcome in first if outcome.measurement is not None])
        if noise is None:
            return None
        rounds, target = experiment.verification.rounds, experiment.target_improvement
        return power_of(noise, rounds, maximize=self._maximize(), target=target)

    @property
    def change_groups(self) -> list[list[str]]:
        """Parameters whose change reloads or restarts something, joined where one time does for all."""
        groups: dict[tuple[str, str], list[str]] = {}
        for knob in self._bench.knobs:
            if knob.acts != "at once":
                groups.setdefault((knob.place.path, knob.acts), []).append(knob.name)
        return list(groups.values())

    @property
    def power_result(self) -> dict[str, Any] | None:
        """What could be proven, as the key ``power`` of a result."""
        if self.power is None:
            return None
        return self.power.as_result(self.experiment.worthwhile_improvement, self._runner.typical_seconds)

    def measure_baseline(self, *, drift_check: bool = False) -> Outcome:
        """Measure the baseline once more."""
        outcome = self._run(self.baseline, "baseline", checked=False)
        self.baselines.append(outcome)
        if outcome.measurement is not None:
            self._system = outcome.measurement.system
        self.emit(BaselineMeasured(self.run_id, len(self.baselines), outcome, drift_check))
        return outcome

    @property
    def baseline_value(self) -> float | None:
        """The metric of the baseline: median of its latest runs, so that it follows the machine."""
        values = [outcome.measurement.value for outcome in self.baselines if outcome.measurement is not None]
        return statistics.median(values[-_RECENT:]) if values else None

    @property
    def first_reward(self) -> float | None:
        """The reward of the baseline itself, from its runs before the first trial."""
        known = [
            outcome.measurement
            for outcome in self.baselines[: self._first_baselines]
            if outcome.measurement is not None
        ]
        if not known:
            return None
        typical = statistics.median(measurement.value for measurement in known)
        weights = self.experiment.reward
        return statistics.fmean(score(measurement, typical, weights).reward for measurement in known)

    def trial(
        self,
        configuration: Configuration,
        request_id: str = "",
        context: Mapping[str, float] | None = None,
        *,
        whole: bool = False,
    ) -> Outcome:
        """Try one configuration; ``whole`` keeps its benchmark from being ended early.

        Raises:
            MisuseError: the session is over, or its budget.
            TacticianError: as :meth:`TrialRunner.run`.
        """
        if self._closed or self._began is None:
            raise MisuseError("trial() needs a session that was started and is not closed")
        if (reason := self.exhausted) is not None:
            raise MisuseError(f"trial() after the end of the session: {reason}")
        if self.trials and len(self.trials) % DRIFT_EVERY == 0:
            self.measure_baseline(drift_check=True)
        number = len(self.trials) + 1
        self.emit(
            TrialStarted(
                self.run_id, number, configuration, self.experiment.budget.trials, self._seconds_left()
            )
        )
        outcome = self._run(configuration, "trial", whole=whole)
        best = outcome.score is not None and outcome.score.reward > self.best_reward
        self.take(outcome)
        self.emit(TrialFinished(self.run_id, number, outcome, best, request_id, dict(context or {})))
        return outcome

    def take(self, outcome: Outcome) -> None:
        """Count an outcome, measured now or in an earlier process of the same run."""
        self.trials.append(outcome)
        self._failures_in_row = 0 if outcome.fine else self._failures_in_row + 1
        self._crossings_in_row = self._crossings_in_row + 1 if outcome.by_guardrail else 0
        if outcome.fine:
            self._last = dict(outcome.configuration)
        if outcome.measurement is not None:
            self._system = outcome.measurement.system
        elif outcome.estimate is not None:
            self._system = outcome.estimate.system

    def resume(self, baselines: Sequence[Outcome], seconds: float, first: int | None = None) -> None:
        """Take over what an earlier process of this run measured and spent.

        Args:
            baselines: its runs of the baseline.
            seconds: of benchmark.
            first: how many of the baselines came before the first trial; all by default.
        """
        self.baselines.extend(baselines)
        self._first_baselines = len(baselines) if first is None else first
        self.benchmark_seconds += seconds
        self._spent_before = seconds

    @property
    def best_reward(self) -> float:
        """The best reward of a trial so far."""
        return max((outcome.score.reward for outcome in self.trials if outcome.score), default=float("-inf"))

    @property
    def broken(self) -> Literal["safety", "failures"] | None:
        """Why the trials came to a bad end, None if they did not."""
        reason = self.exhausted
        return None if reason == "budget" else reason

    @property
    def why_unsafe(self) -> str:
        """What stopped the run where a guardrail did; else nothing."""
        if self.out_of_control:
            return self.out_of_control
        if self.exhausted != "safety":
            return ""
        count, last = self._crossings_in_row, self.trials[-1].reason
        return f"trials in a row that crossed a guardrail: {count}; the last: {last}"

    @property
    def exhausted(self) -> Literal["safety", "failures", "budget"] | None:
        """Why no further trial may begin, None if one may: ``safety``, ``failures`` or ``budget``."""
        if self.out_of_control or self._crossings_in_row >= self.experiment.guardrails.in_a_row:
            return "safety"
        if self._failures_in_row >= self.experiment.max_failures:
            return "failures"
        budget = self.experiment.budget
        if budget.trials is not None and len(self.trials) >= budget.trials:
            return "budget"
        if budget.seconds is not None and self._elapsed() >= budget.seconds:
            return "budget"
        return None

    def context(self) -> dict[str, float]:
        """Return what a learner observes: the system's metrics over the last run."""
        return {name: float(self._system.get(name, 0.0)) for name in self.experiment.state_metrics}

    @property
    def last_configuration(self) -> Configuration:
        """The configuration that was measured last; at first the baseline's."""
        return self._last

    def verify(self, candidate: Configuration, reference: Configuration, name: str, rounds: int) -> Verdict:
        """Measure a candidate and a reference in random interleaved order, with an A/A control."""
        self.emit(VerificationStarted(self.run_id, candidate, reference, name, rounds))
        maximize = self._maximize()
        comparison = Comparison(rounds=rounds, maximize=maximize, random_seed=self._order_seed(name))
        arms: dict[str, list[Outcome]] = {"candidate": [], "reference": [], "control": []}
        before = self.benchmark_seconds
        decision = comparison.decision
        while not decision.finished:
            number = len(arms["candidate"]) + 1
            values: dict[str, float | None] = {}
            for arm in comparison.next_order():
                configuration = candidate if arm == "candidate" else reference
                outcome = self._run(configuration, "verification", checked=False)
                arms[arm].append(outcome)
                values[arm] = outcome.measurement.value if outcome.measurement else None
                self.emit(VerificationRun(self.run_id, name, number, arm, outcome))
            decision = comparison.add_round(values)  # type: ignore[arg-type]
        verdict = _verdict(name, decision, arms, self.benchmark_seconds - before)
        self.emit(Verified(self.run_id, verdict))
        return verdict

    def reseed(self, seed: int | None) -> None:
        """Seed a simulated bench; a real one cannot be."""
        for part in (self._bench.benchmark, self._bench.monitor):
            reseed = getattr(part, "reseed", None)
            if seed is not None and reseed is not None:
                reseed(seed)

    def close(self) -> None:
        """Run the teardown and give everything back; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        with self.interrupts.held():
            if self._began is not None:
                self._bench.benchmark.teardown()
            self._release(True)

    def abandon(self) -> None:
        """Give everything back, but leave the journal open: the host is not as it was."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(Exception):
                self._bench.benchmark.teardown()
            self._release(False)

    def _run(
        self, configuration: Configuration, purpose: str, *, checked: bool = True, whole: bool = False
    ) -> Outcome:
        pace = self._pacer.pace(purpose, self.baselines, self.trials, whole=whole)
        began = self._clock()
        outcome = self._runner.run(configuration, purpose, self.baseline_value, checked=checked, pace=pace)
        self.benchmark_seconds += outcome.seconds
        if self.change_groups:
            took = self._clock() - began - outcome.seconds
            outcome = dataclasses.replace(outcome, change_seconds=round(max(0.0, took), 3))
        crossing = self._runner.crossing if outcome.by_guardrail else None
        if crossing is not None and crossing.control:
            self.out_of_control = crossing.reason
            if purpose != "trial":  # a trial is counted and shown first
                raise GuardrailError(crossing.reason)
        for note in outcome.notes:
            if note not in self.notices:
                self.notice(note)
        return outcome

    def _order_seed(self, name: str) -> int | None:
        """Return the seed of a verification's order, another one for each reference."""
        seed = self.experiment.random_seed
        return None if seed is None else seed ^ zlib.crc32(name.encode())

    def _elapsed(self) -> float:
        """Seconds since the first trial could begin, those of an earlier process included."""
        began = self._trials_began
        return self._spent_before + (0.0 if began is None else self._clock() - began)

    def _maximize(self) -> bool:
        known = [
            outcome.measurement.maximize for outcome in self.baselines if outcome.measurement is not None
        ]
        return known[-1] if known else True

    def _seconds_left(self) -> float | None:
        typical = self._runner.typical_seconds
        budget = self.experiment.budget
        candidates = []
        if budget.trials is not None and typical is not None:
            candidates.append((budget.trials - len(self.trials)) * typical * (1 + 1 / DRIFT_EVERY))
        if budget.seconds is not None:
            candidates.append(budget.seconds - self._elapsed())
        return max(0.0, min(candidates)) if candidates else None

    def _seconds_to_the_end(self) -> float | None:
        """Of the trials and the verification that may still come."""
        left, typical = self._seconds_left(), self._runner.typical_seconds
        return None if left is None or typical is None else left + 3 * self._rounds() * typical

    def _rounds(self) -> int:
        limits = self.experiment.verification
        return limits.rounds + (limits.own_rounds if self.baseline != self.original else 0)

    def seconds_estimate(self, typical: float) -> float:
        """Estimate the whole run from the length of one benchmark run."""
        budget = self.experiment.budget
        trials = float(budget.trials or 0) * typical * (1 + 1 / DRIFT_EVERY)
        if budget.seconds is not None:
            trials = min(trials, budget.seconds) if budget.trials else budget.seconds
        return trials + (self.experiment.baseline_runs + 3 * self._rounds()) * typical


def _verdict(name: str, decision: Decision, arms: Mapping[str, Sequence[Outcome]], seconds: float) -> Verdict:
    reference = [*arms["reference"], *arms["control"]]
    return Verdict(
        reference=name,
        improvement=decision.estimate if decision.significant else 0.0,
        estimate=decision.estimate,
        interval=decision.interval,
        significant=decision.significant,
        control_interval=decision.control_interval,
        candidate_median=_median_value(arms["candidate"]),
        reference_median=_median_value(reference),
        candidate_stability=_median_stability(arms["candidate"]),
        reference_stability=_median_stability(reference),
        rounds=decision.rounds,
        runs=sum(map(len, arms.values())),
        seconds=round(seconds, 3),
        reason=decision.reason,
    )


def _median_value(outcomes: Sequence[Outcome]) -> float:
    values = [outcome.measurement.value for outcome in outcomes if outcome.measurement is not None]
    return statistics.median(values) if values else 0.0


def _median_stability(outcomes: Sequence[Outcome]) -> float:
    values = [outcome.score.stability for outcome in outcomes if outcome.score is not None]
    return statistics.median(values) if values else 0.0


def _indented(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines()[-12:])
