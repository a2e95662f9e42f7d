"""The same trial as a Gymnasium environment, for people who bring a library that wants to drive.

Every step is a whole trial: apply, run the benchmark, restore. So ``reset`` writes nothing, a crash
of the driver leaves nothing behind, and ``close`` has only the best configuration left to verify.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal, Self, SupportsFloat

import gymnasium
import numpy as np
from numpy.typing import NDArray

from oppertune.core.encoding import from_unit, to_unit
from oppertune.core.space import Space
from oppertune.core.values import Value
from tactician.errors import MisuseError, RestoreError
from tactician.outcomes import Configuration, Verdict
from tactician.reward import FAILED_REWARD
from tactician.session import REFERENCE, Session
from tactician.tuner import choose_candidate

_LEVELS = {"load_average": 1.0, "context_switches": 1e5}
"""Metrics that are no shares, with the level that is shown as one half."""

Vector = NDArray[np.float32]


class TuningEnv(gymnasium.Env[Vector, Vector]):
    """One episode is up to ``max_steps_per_episode`` trials; the budget is the session's.

    Action: shape (parameters,), each in [-1, 1] over the parameter's encoded range; categories share
    the range evenly. Observation: shape (metrics + parameters,), each in [0, 1]: the system's metrics
    over the last run, then the values it ran with.

    Construction runs the setup and measures the baseline. Use it as a context manager.

    Args:
        session: not started yet.

    Raises:
        TacticianError: as :meth:`Session.start`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, session: Session) -> None:
        self._session = session
        parameters = [tuned.parameter for tuned in session.experiment.parameters]
        self._space = Space(parameters, session.experiment.constraints)
        self._parameters = parameters
        size = len(session.experiment.state_metrics) + len(parameters)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(parameters),), np.float32)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (size,), np.float32)
        self._steps: int | None = None
        self._closed = False
        self.verdict: Verdict | None = None
        self.best_config: Configuration = session.baseline
        try:
            with session.interrupts.installed(), self._kept_when_not_restored():
                session.start()
        except BaseException:  # also an interrupt: nobody has the environment yet who could close it
            session.close()
            raise
        self._first = self._observe(session.baseline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> Literal[False]:
        if error[0] is None:
            self.close()
        else:  # the driver failed: restore, and waste no benchmark on a verification
            self._closed = True
            self._session.close()
        return False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Begin an episode at the baseline; the host is as it was, so nothing is written.

        Raises:
            MisuseError: the environment is closed.
        """
        super().reset(seed=seed)
        if self._closed:
            raise MisuseError("reset() after close()")
        self._session.reseed(seed)
        self._steps = 0
        return self._first.copy(), {"configuration": dict(self._session.baseline)}

    def step(self, action: Vector) -> tuple[Vector, SupportsFloat, bool, bool, dict[str, Any]]:
        """Run one trial.

        Raises:
            MisuseError: before ``reset``, after ``close``, or after the budget was spent.
        """
        if self._closed or self._steps is None:
            raise MisuseError(f"step() {'after close()' if self._closed else 'before reset()'}")
        configuration = self.configuration(action)
        with self._session.interrupts.installed(), self._kept_when_not_restored():
            outcome = self._session.trial(configuration)
        self._steps += 1
        reward = FAILED_REWARD if outcome.reward is None else outcome.reward
        spent = self._session.exhausted is not None
        ended = self._steps >= self._session.experiment.training.max_steps_per_episode
        info = {"configuration": configuration, "status": outcome.status, "reason": outcome.reason}
        return self._observe(configuration), float(reward), False, spent or ended, info

    def configuration(self, action: Vector) -> dict[str, Value]:
        """Return the configuration that an action stands for; always one that may be tried."""
        units = (np.clip(np.asarray(action, np.float64), -1.0, 1.0) + 1.0) / 2.0
        wanted = {p.name: from_unit(p, float(unit)) for p, unit in zip(self._parameters, units, strict=True)}
        return dict(self._space.repair(wanted))

    def close(self) -> None:
        """Verify the best configuration, restore, and give the host back; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        session = self._session
        with session.interrupts.installed():
            try:
                with self._kept_when_not_restored():
                    self._verify()
            finally:
                session.close()

    def _verify(self) -> None:
        session = self._session
        candidate = choose_candidate(session.trials)
        if candidate is not None:
            rounds = session.experiment.verification.rounds
            self.verdict = session.verify(candidate, session.baseline, REFERENCE, rounds)
            if self.verdict.significant:
                self.best_config = candidate

    @contextlib.contextmanager
    def _kept_when_not_restored(self) -> Iterator[None]:
        """Leave journal and guardian in place when the host is not as it was; no further step then."""
        try:
            yield
        except RestoreError:
            self._closed = True
            self._session.abandon()
            raise

    def _observe(self, configuration: Configuration) -> Vector:
        context = self._session.context()
        metrics = [_share(name, value) for name, value in context.items()]
        values = [to_unit(p, p.nearest(configuration[p.name])) for p in self._parameters]
        return np.clip(np.asarray([*metrics, *values], np.float32), 0.0, 1.0)


def _share(name: str, value: float) -> float:
    level = _LEVELS.get(name)
    return value if level is None else value / (level + value)
