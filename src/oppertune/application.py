"""What an application must offer to be tuned, and the bare loop that tunes it, with no host and no clock.

``tactician`` does the same for a real host, with a journal, a guardian, and verification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from oppertune.algorithms.base import Algorithm
from oppertune.core.requests import checked_reward
from oppertune.core.types import Context
from oppertune.core.values import Value
from oppertune.errors import InvalidArgumentError

__all__ = ("Application", "MetricsMonitor", "Round", "TuningResult", "tune")

Metrics = TypeVar("Metrics")
Measured = TypeVar("Measured", covariant=True)


class Application(Protocol):
    """Something that has parameters and can be run."""

    def set_parameters(self, parameters: Mapping[str, Any], /) -> object:
        """Take on a configuration."""

    def run(self) -> object:
        """Run once with the parameters that were set, and return when it is done."""


class MetricsMonitor(Protocol[Measured]):
    """Something that watches a run."""

    def start(self) -> object:
        """Begin to measure."""

    def stop(self) -> Measured:
        """Stop measuring; what was measured."""
        raise NotImplementedError  # a Protocol's body: type checkers want a value of type Measured here


@dataclass(frozen=True)
class Round(Generic[Metrics]):
    """One configuration that was run.

    Attributes:
        parameters: what was set.
        reward: what it earned.
        metrics: what the monitor measured; None for a run that failed.
        error: what a failed run raised.
    """

    parameters: dict[str, Value]
    reward: float
    metrics: Metrics | None
    error: Exception | None = None


@dataclass(frozen=True)
class TuningResult(Generic[Metrics]):
    """What came of tuning.

    Attributes:
        history: every round, in order.
        best: the round with the highest reward, the earliest of equals, without failed ones; None if all
            failed.
        recommended: the configuration that the algorithm recommends to keep, which one lucky run does not
            decide.
        stopped_because: ``target`` or ``rounds``.
    """

    history: tuple[Round[Metrics], ...]
    best: Round[Metrics] | None
    recommended: dict[str, Value]
    stopped_because: Literal["target", "rounds"]


def tune(
    application: Application,
    monitor: MetricsMonitor[Metrics],
    reward: Callable[[Metrics], float],
    algorithm: Algorithm,
    *,
    rounds: int = 100,
    target: float | None = None,
    context: Callable[[], Context | Mapping[str, Any] | None] | None = None,
    failure_reward: float | None = None,
) -> TuningResult[Metrics]:
    """Predict, set, run, measure and reward, until the target is reached or the rounds are used up.

    The monitor is stopped after every run that it saw begin, whatever happens. The application is left as the
    last round set it; apply ``recommended`` if it shall stay.

    Args:
        application: what is tuned.
        monitor: started before every run and stopped after it.
        reward: makes one number of what the monitor measured; more is better.
        algorithm: where configurations come from.
        rounds: at most so many runs.
        target: a reward that is good enough to stop.
        context: asked before every round for the circumstances.
        failure_reward: what a run that raises is rewarded with. None lets the exception through.

    Raises:
        InvalidArgumentError: less than one round.
        RewardError: ``reward`` returned NaN, an infinity, or no number.
        Exception: what the application or the monitor raises, unless there is a ``failure_reward``.
    """
    if rounds < 1:
        raise InvalidArgumentError(f"rounds must be at least 1, not {rounds}")
    penalty = None if failure_reward is None else checked_reward(failure_reward)
    history: list[Round[Metrics]] = []
    reached = False
    while not reached and len(history) < rounds:
        parameters, request_id = algorithm.predict(None if context is None else context())
        try:
            metrics = _measured(application, monitor, parameters)
        except Exception as error:
            if penalty is None:
                raise
            done: Round[Metrics] = Round(parameters, penalty, None, error)
        else:
            done = Round(parameters, checked_reward(reward(metrics)), metrics)
        algorithm.set_reward(done.reward, request_id=request_id)
        history.append(done)
        reached = target is not None and done.error is None and done.reward >= target
    finished = [done for done in history if done.error is None]
    return TuningResult(
        tuple(history),
        max(finished, key=lambda done: done.reward, default=None),
        algorithm.recommend(),
        "target" if reached else "rounds",
    )


def _measured(
    application: Application, monitor: MetricsMonitor[Metrics], parameters: Mapping[str, Value]
) -> Metrics:
    # A copy, so that an application that changes it changes nothing here.
    application.set_parameters(dict(parameters))
    monitor.start()
    try:
        application.run()
    except BaseException:  # a monitor must not go on for ever, however the application ended
        monitor.stop()
        raise
    return monitor.stop()
