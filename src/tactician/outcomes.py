"""What happened: measurements and trial outcomes, built by named constructors only.

A trial is measured, failed or refused; an outcome with both a number and an error cannot exist.
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
class Outcome:
    """What became of one configuration. Use :meth:`measured`, :meth:`failed` and the others."""

    status: Status
    configuration: Configuration
    measurement: Measurement | None = None
    score: Score | None = None
    reason: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    output_tail: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if (self.status == "measured") != (self.measurement is not None):
            raise ValueError(f"an outcome that is {self.status} cannot have {self.measurement=}")
        if self.score is not None and self.measurement is None:
            raise ValueError("a score needs a measurement")
        if self.status != "measured" and not self.reason:
            raise ValueError(f"an outcome that is {self.status} needs a reason")

    @classmethod
    def measured(
        cls,
        configuration: Configuration,
        measurement: Measurement,
        score: Score | None,
        notes: tuple[str, ...] = (),
    ) -> Outcome:
        """A run that counts; ``score`` is None while there is no baseline to compare with."""
        return cls(
            "measured", dict(configuration), measurement, score, seconds=measurement.seconds, notes=notes
        )

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
    def aborted(cls, configuration: Configuration, reason: str, seconds: float) -> Outcome:
        """A guardrail ended the run early."""
        return cls("aborted", dict(configuration), reason=reason, seconds=seconds)

    @property
    def ok(self) -> bool:
        """Whether it was measured."""
        return self.status == "measured"


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
