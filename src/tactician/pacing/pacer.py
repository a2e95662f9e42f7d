"""Decides for each benchmark run whether it is watched, or preceded by a short look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tactician.experiment import Experiment
from tactician.outcomes import Measurement, Outcome
from tactician.pacing.floor import FloorWatch, floor_watch
from tactician.pacing.looks import LEAST_SECONDS, objection
from tactician.pacing.reference import WITHIN, Reference, reference
from tactician.pacing.series import MEAN, SHORT, UNSETTLED
from tactician.ports import Watch


class Pace(NamedTuple):
    """How one run goes.

    Attributes:
        short_share: of the benchmark's length, for a short look before the run; None for no look.
        looks: what the short look is compared with; None: it is only recorded.
        stream: what the run is compared with while it lasts; None: it runs to its end.
        floor: makes the watch that ends a run far below the baseline, beside another one.
    """

    short_share: float | None = None
    looks: Reference | None = None
    stream: Reference | None = None
    floor: Callable[[Watch | None], FloorWatch | None] = lambda beside: None


class Pacer:
    """Knows what was measured and therefore what need not be.

    Args:
        experiment: its ``pacing`` and its benchmark.
        notice: tells the operator what changes.
    """

    def __init__(self, experiment: Experiment, notice: Callable[[str], None]) -> None:
        self._pacing = experiment.pacing
        self._guardrails = experiment.guardrails
        self._weights = experiment.reward
        self._notice = notice
        duration = experiment.workload.duration_s
        share = self._pacing.short_share
        long_enough = duration is not None and duration * share >= LEAST_SECONDS
        self._short: float | None = share if self._pacing.adaptive_length and long_enough else None

    def pace(
        self, purpose: str, baselines: Sequence[Outcome], trials: Sequence[Outcome], *, whole: bool = False
    ) -> Pace:
        """Return how the next run goes. What is compared afterwards always runs to its end.

        Args:
            purpose: ``baseline``, ``trial`` or ``verification``.
            baselines, trials: measured so far.
            whole: a trial that has to be measured in any case.
        """
        pace = self._length(purpose, baselines, trials, whole=whole)
        if purpose == "baseline" or not self._guardrails.enabled:
            return pace
        share = self._guardrails.performance_floor
        return pace._replace(floor=lambda beside: floor_watch(share, baselines, beside))

    def _length(
        self, purpose: str, baselines: Sequence[Outcome], trials: Sequence[Outcome], *, whole: bool
    ) -> Pace:
        if purpose == "verification":
            return Pace()
        self._reconsider(baselines)
        if whole:
            return Pace()
        if purpose != "trial":
            return Pace(self._short)
        if self._short is not None:
            known = self._reference(baselines, trials, lambda found: found.metrics.get(SHORT), within=False)
            return Pace(self._short, looks=known)
        watched = self._pacing.abort_trials or self._pacing.adaptive_length
        if not watched or 2 * sum(UNSETTLED in each.notes for each in baselines) >= len(baselines):
            return Pace()
        known = self._reference(baselines, trials, lambda found: found.metrics.get(MEAN), within=True)
        return Pace(stream=known)

    def _reference(
        self,
        baselines: Sequence[Outcome],
        trials: Sequence[Outcome],
        look: Callable[[Measurement], float | None],
        *,
        within: bool,
    ) -> Reference | None:
        error = self._pacing.error * (1.0 - WITHIN if within else 1.0)
        return reference(baselines, trials, self._weights, look, within=within, error=error)

    def _reconsider(self, baselines: Sequence[Outcome]) -> None:
        """Give up short looks where they are no use: a run that streams needs none."""
        if self._short is None:
            return
        measured = [outcome.measurement for outcome in baselines if outcome.measurement is not None]
        if any(MEAN in found.metrics for found in measured):
            self._short = None
        elif why := objection(baselines):
            self._short = None
            self._notice(f"{why}: every run has its whole length")
