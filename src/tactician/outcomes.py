"""What happened: measurements and trial outcomes, built by named constructors only.

A trial is measured, failed, refused or aborted early; an outcome with both a number and an error cannot
exist. What is known of a trial that was aborted is an estimate, which is no measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from oppertune.core.values import Value

Configuration = Mapping[str, Value]
Status = Literal["measured", "failed", "refused", "aborted"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One benchmark run that counts.

    Attributes:
        value: the metric, in ``unit``; finite.
        unit: as the parser normalised it (``1/s``, ``s``, ``B/s``), empty when unknown.
        maximize: whether more is better.
        metrics: every number that was found in the output, by name.
        system: CPU, I/O wait, memory and pressure over the run, as shares in [0, 1].
        seconds: how long the benchmark ran, wall clock.
    """

    value: float
    unit: str
    maximize: bool
    metrics: Mapping[str, float]
    system: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Score:
    """The two halves of a reward and their weighted sum.

    Attributes:
        performance: relative to the baseline in the better direction; 1.0 is as before.
        stability: in [0, 1]; 1.0 is no I/O wait and no memory pressure.
        reward: weighted sum of both.
    """

    performance: float
    stability: float
    reward: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the part of a benchmark that ran says about its configuration.

    Attributes:
        value: of the metric, on the scale of whole runs.
        bound: the best value that the noise of this run leaves possible.
        unit, maximize: as in :class:`Measurement`.
        seconds: how long that part was.
        error: the probability with which an equal of the incumbent is stopped like this.
        system: over that part.
        score: by ``value``; never above the incumbent's reward.
    """

    value: float
    bound: float
    unit: str
    maximize: bool
    seconds: float
    error: float
    system: Mapping[str, float]
    score: Score


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one configuration. Use :meth:`measured`, :meth:`failed` and the others.

    Attributes:
        seconds: of benchmark.
        change_seconds: how long it took to make the change and to take it back; None where no change that
            costs time was in question.
    """

    status: Status
    configuration: Configuration
    measurement: Measurement | None = None
    score: Score | None = None
    reason: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    output_tail: str = field(default="", repr=False)
    estimate: Estimate | None = None
    change_seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.status == "measured") != (self.measurement is not None):
            raise ValueError(f"an outcome that is {self.status} cannot have {self.measurement=}")
        if self.score is not None and self.measurement is None:
            raise ValueError("a score needs a measurement")
        if self.estimate is not None and self.status != "aborted":
            raise ValueError(f"an outcome that is {self.status} has no estimate")
        if self.status != "measured" and not self.reason:
            raise ValueError(f"an outcome that is {self.status} needs a reason")

    @classmethod
    def measured(
        cls,
        configuration: Configuration,
        measurement: Measurement,
        score: Score | None,
        notes: tuple[str, ...] = (),
        *,
        seconds_before: float = 0.0,
    ) -> Outcome:
        """A run that counts; ``score`` is None while there is no baseline to compare with.

        ``seconds_before`` are those of a short look that came before the run.
        """
        seconds = measurement.seconds + seconds_before
        return cls("measured", dict(configuration), measurement, score, seconds=seconds, notes=notes)

    @classmethod
    def failed(
        cls, configuration: Configuration, reason: str, seconds: float = 0.0, output_tail: str = ""
    ) -> Outcome:
        """The benchmark ran and its result does not count, or the host refused a value."""
        return cls("failed", dict(configuration), reason=reason, seconds=seconds, output_tail=output_tail)

    @classmethod
    def refused(cls, configuration: Configuration, reason: str) -> Outcome:
        """Safety refused the configuration; nothing was written."""
        return cls("refused", dict(configuration), reason=reason)

    @classmethod
    def aborted(
        cls,
        configuration: Configuration,
        reason: str,
        seconds: float,
        estimate: Estimate | None = None,
        notes: tuple[str, ...] = (),
    ) -> Outcome:
        """The run was ended early: by a guardrail, or, with an estimate, because it is surely no winner."""
        return cls(
            "aborted", dict(configuration), reason=reason, seconds=seconds, estimate=estimate, notes=notes
        )

    @classmethod
    def crossed(cls, configuration: Configuration, reason: str, seconds: float) -> Outcome:
        """A guardrail ended the run; nothing is known of its metric."""
        return cls.aborted(configuration, f"guardrail: {reason}", seconds)

    @property
    def by_guardrail(self) -> bool:
        """Whether a guardrail ended it."""
        return self.status == "aborted" and self.estimate is None

    @property
    def ok(self) -> bool:
        """Whether it was measured."""
        return self.status == "measured"

    @property
    def fine(self) -> bool:
        """Whether nothing went wrong: it was measured, or stopped because enough was known."""
        return self.ok or self.estimate is not None

    @property
    def reward(self) -> float | None:
        """What a learner is told: by the measurement or the estimate; None where there is neither."""
        if self.score is not None:
            return self.score.reward
        return None if self.estimate is None else self.estimate.score.reward


@dataclass(frozen=True, slots=True)
class Verdict:
    """What interleaved re-measurement says about a candidate against a reference.

    Attributes:
        reference: ``original`` (the declared start or the host's values) or ``kernel defaults``.
        improvement: percent in the better direction; 0.0 when not significant.
        estimate: the point estimate in percent, whether or not significant.
        interval: 95 % interval in percent, valid under all looks taken; None when nothing was measured.
        significant: whether the interval lies above zero and the control did not object.
        control_interval: the same interval for the original against itself (A/A).
        candidate_median, reference_median: of the metric, in its unit.
        candidate_stability, reference_stability: medians in [0, 1].
        rounds, runs: what it took.
        seconds: of benchmark.
        reason: one sentence on why the measuring stopped.
    """

    reference: str
    improvement: float
    estimate: float
    interval: tuple[float, float] | None
    significant: bool
    control_interval: tuple[float, float] | None
    candidate_median: float
    reference_median: float
    candidate_stability: float
    reference_stability: float
    rounds: int
    runs: int
    seconds: float
    reason: str
