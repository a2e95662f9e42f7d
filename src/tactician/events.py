"""What observers are told while a run goes on: frozen messages, units in the attribute lists.

The order of one run: RunStarted, BaselineMeasured+, PowerAssessed?, (TrialStarted, Applied*,
BenchmarkStarted, TrialFinished, Learned?)*, VerificationStarted, VerificationLook*, RunFinished; Notice
anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tactician.experiment import Experiment
from tactician.outcomes import Configuration, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events.

    Attributes:
        run_id: the run it belongs to.
    """

    run_id: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """Everything was checked, nothing was written yet.

    Attributes:
        original: what the host has, by parameter; native types.
        baseline: the baseline configuration: declared starts, the rest as the host has it.
        undo: how it will be undone, in one sentence.
        seconds_estimate: of the whole run, None while nothing is known.
        resumed_trials: trials taken over from an earlier process.
    """

    experiment: Experiment
    original: Configuration
    baseline: Configuration
    undo: str
    dry_run: bool = False
    seconds_estimate: float | None = None
    resumed_trials: int = 0


@dataclass(frozen=True, slots=True)
class BaselineMeasured(Event):
    """One run of the baseline.

    Attributes:
        number: counted from 1 over the whole run.
        drift_check: it was one of the repetitions between trials.
    """

    number: int
    outcome: Outcome
    drift_check: bool = False


@dataclass(frozen=True, slots=True)
class PowerAssessed(Event):
    """The baseline's runs have shown how much this benchmark varies, hence what can be proven.

    Attributes:
        found: as the key ``power`` of a result; noise and improvements in percent.
        seconds_left: of trials and verification together, at most; None while nothing is known.
    """

    found: Mapping[str, Any]
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class TrialStarted(Event):
    """A configuration was predicted.

    Attributes:
        number: of the trial, from 1.
        trials: how many there will be at most, or None.
        seconds_left: estimate until the end of the trials.
    """

    number: int
    configuration: Configuration
    trials: int | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Applied(Event):
    """One value was written and read back."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class BenchmarkStarted(Event):
    """The benchmark begins.

    Attributes:
        purpose: ``baseline``, ``trial``, ``verification``.
        seconds_estimate: how long such a run took so far, or None.
    """

    purpose: str
    command: str
    seconds_estimate: float | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkFinished(Event):
    """The benchmark ended, whatever its result."""

    purpose: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TrialFinished(Event):
    """A trial is over and the host is restored.

    Attributes:
        best: whether its reward is the best so far.
        request_id: of the algorithm's prediction.
        context: what the algorithm was told before it predicted.
    """

    number: int
    outcome: Outcome
    best: bool
    request_id: str = ""
    context: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learned(Event):
    """The algorithm changed what it knows.

    Attributes:
        gradient_steps: in total since the start of the run.
    """

    gradient_steps: int


@dataclass(frozen=True, slots=True)
class VerificationStarted(Event):
    """The winner is about to be measured against a reference."""

    candidate: Configuration
    reference: Configuration
    reference_name: str
    rounds: int


@dataclass(frozen=True, slots=True)
class VerificationRun(Event):
    """One benchmark run of a verification.

    Attributes:
        arm: ``candidate``, ``reference`` or ``control``.
    """

    reference_name: str
    round_number: int
    arm: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verified(Event):
    """A verification is over."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something that the operator should read; ``warning`` makes it stand out."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The host is restored, or the result says what is not.

    Attributes:
        result: the run's result as documented for ``tune --json``.
    """

    result: Mapping[str, Any]
