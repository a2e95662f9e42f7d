"""The outcome of a trial that was ended early.

One that was long enough is measured: its value is that of the part that ran, on the scale of whole runs. One
that is surely worse is aborted: an estimate, a bound, and a reward that claims nothing. That reward is the
estimate's, by the same formula as every other, so a learner sees how bad it was; it is capped by the
incumbent's. Nobody can take it for a winner, as an outcome that is aborted has no measurement.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tactician.outcomes import Configuration, Estimate, Measurement, Outcome
from tactician.pacing.reference import Reference
from tactician.pacing.series import ENDED, MEAN, SHORT, SHORTENED
from tactician.pacing.watching import Look
from tactician.ports import BenchmarkRun
from tactician.reward import score, stability


def ended_while_running(
    configuration: Configuration,
    run: BenchmarkRun,
    system: Mapping[str, float],
    look: Look,
    known: Reference,
    error: float,
    baseline: float,
) -> Outcome:
    """Return the outcome of a run that its watcher ended."""
    if look.worse:
        whole = f" of {known.length_s:.3g}" if known.length_s > 0.0 else ""
        when = f"after {look.seconds:.3g}{whole} s"
        return _aborted(configuration, look, run, system, known, error, baseline, when)
    return _measured(configuration, look, run, system, known, baseline, {MEAN: look.mean})


def ended_by_look(
    configuration: Configuration,
    run: BenchmarkRun,
    system: Mapping[str, float],
    known: Reference,
    error: float,
    baseline: float,
    *,
    abort: bool,
) -> Outcome | None:
    """Return the outcome of a trial that a short run suffices for; None where a whole run is due.

    Args:
        abort: whether it may be aborted; otherwise it can still be long enough.
    """
    if run.value is None:
        raise ValueError("a short run that failed is no look")
    performance, calm = known.performance(run.value), stability(system)
    worse = abort and known.surely_worse(performance, calm)
    if not worse and not known.long_enough(performance, calm, known.look_noise):
        return None
    # Its noise is in the comparison already, as a run's; the look is its own bound.
    value = run.value * known.scale
    look = Look(worse, value, value, run.value, run.seconds)
    if worse:
        when = f"by a short look of {run.seconds:.3g} s"
        return _aborted(configuration, look, run, system, known, error, baseline, when)
    return _measured(configuration, look, run, system, known, baseline, {SHORT: run.value})


def _measured(
    configuration: Configuration,
    look: Look,
    run: BenchmarkRun,
    system: Mapping[str, float],
    known: Reference,
    baseline: float,
    metrics: Mapping[str, float],
) -> Outcome:
    kept = {**run.metrics, **metrics, ENDED: run.seconds}
    measurement = Measurement(look.value, known.unit, known.maximize, kept, dict(system), run.seconds)
    return Outcome.measured(
        configuration, measurement, score(measurement, baseline, known.weights), (SHORTENED,)
    )


def _aborted(
    configuration: Configuration,
    look: Look,
    run: BenchmarkRun,
    system: Mapping[str, float],
    known: Reference,
    error: float,
    baseline: float,
    when: str,
) -> Outcome:
    pretended = Measurement(look.value, known.unit, known.maximize, {}, system, run.seconds)
    scored = score(pretended, baseline, known.weights)
    scored = dataclasses.replace(scored, reward=min(scored.reward, known.best_reward))
    estimate = Estimate(
        look.value, look.bound, known.unit, known.maximize, run.seconds, error, dict(system), scored
    )
    against = (
        f" ({100.0 * (look.value / baseline - 1.0):+.0f} % against the baseline)" if baseline > 0 else ""
    )
    reason = f"surely worse than the best so far {when}: about {look.value:.5g}{against}"
    return Outcome.aborted(configuration, reason, run.seconds, estimate)
