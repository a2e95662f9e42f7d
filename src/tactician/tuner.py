"""The only loop on a host: predict, trial, reward, stop rule; then verify the best and report."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tactician.errors import Interrupted, Problem, RestoreError, TacticianError
from tactician.events import Learned, RunFinished, RunStarted
from tactician.outcomes import Configuration, Outcome, Verdict
from tactician.ports import Search
from tactician.results import StoppedBecause, make_result
from tactician.reward import FAILED_REWARD
from tactician.session import OWN_REFERENCE, REFERENCE, Session

_FINALISTS = 3
_LEAST_TRIALS_FOR_FINALS = 12


class Replayed(NamedTuple):
    """A trial that an earlier process of the same run measured."""

    outcome: Outcome
    request_id: str
    context: Mapping[str, float]


class Tuner:
    """Runs one experiment from the first baseline to the verdict.

    Args:
        session: the host and its budget.
        search: an algorithm of ``oppertune``.
        undo: how the host will be restored, in one sentence for the operator.
        dry_run: nothing of this touches the host.
        seconds_estimate: of the whole run, None while nothing is known.
        replayed: what an earlier process of this run measured.
    """

    def __init__(
        self,
        session: Session,
        search: Search,
        *,
        undo: str,
        dry_run: bool = False,
        seconds_estimate: float | None = None,
        replayed: Sequence[Replayed] = (),
    ) -> None:
        self._session = session
        self._search = search
        self._undo = undo
        self._dry_run = dry_run
        self._seconds_estimate = seconds_estimate
        self._replayed = replayed
        self._candidate: Configuration | None = None
        self._verdicts: list[Verdict] = []
        self._not_restored: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """Tune, verify, restore.

        Returns:
            The result; it also says when and why the run ended early.

        Raises:
            TacticianError: nothing could be begun: no baseline, no right, no journal.
        """
        session = self._session
        stopped: StoppedBecause = "error"
        error = ""
        with session.interrupts.installed():
            try:
                with self._closing():
                    session.emit(self._started())
                    session.start()
                    stopped = self._search_and_verify()
            except Interrupted as interrupted:
                stopped, error = "interrupted", str(interrupted)
            except RestoreError as restore_error:
                self._not_restored = list(restore_error.leftovers)
                error = str(restore_error)
            except TacticianError as failure:
                if not session.trials and not self._not_restored:
                    session.emit(RunFinished(session.run_id, self._result("error", str(failure))))
                    raise
                error = str(failure)
            except Exception as failure:  # a learner's own; what was measured is kept and shown
                error = f"{type(failure).__name__}: {failure}"
            result = self._result(stopped, error)
            session.emit(RunFinished(session.run_id, result))
        return result

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the session whatever happens; keep the journal when the host is not as it was."""
        try:
            yield
        except RestoreError:
            self._session.abandon()
            raise
        except BaseException:
            self._session.close()
            raise
        else:
            self._session.close()

    def _started(self) -> RunStarted:
        session = self._session
        return RunStarted(
            session.run_id,
            session.experiment,
            session.original,
            session.baseline,
            self._undo,
            self._dry_run,
            self._seconds_estimate,
            len(self._replayed),
        )

    def _search_and_verify(self) -> StoppedBecause:
        session = self._session
        for replayed in self._replayed:
            self._replay(replayed)
        finals = self._finals()
        while (reason := session.exhausted) is None:
            budget = session.experiment.budget.trials
            if budget is not None and len(session.trials) >= budget - finals:
                self._remeasure_finalists()
                break
            self._step()
        reason = session.exhausted
        if reason == "failures":
            return "failures"
        self._candidate = choose_candidate(session.trials)
        if self._candidate is not None:
            self._verify(self._candidate)
        return "budget"

    def _step(self) -> None:
        session = self._session
        context = session.context()
        prediction, request_id = self._search.predict(context)
        outcome = session.trial(prediction, request_id, context)
        self._reward(outcome, request_id)

    def _reward(self, outcome: Outcome, request_id: str) -> None:
        before = self._gradient_steps()
        reward = outcome.score.reward if outcome.score is not None else FAILED_REWARD
        self._search.set_reward(reward, request_id=request_id)
        after = self._gradient_steps()
        if after is not None and after != before:
            self._session.emit(Learned(self._session.run_id, after))

    def _replay(self, replayed: Replayed) -> None:
        """Let the learner relive a trial: same seed, same contexts, same rewards, hence same state."""
        self._session.take(replayed.outcome)
        if replayed.request_id:
            _, request_id = self._search.predict(dict(replayed.context))
            self._reward(replayed.outcome, request_id)

    def _finals(self) -> int:
        """How many trials are kept back to measure the best ones once more."""
        trials = self._session.experiment.budget.trials
        return _FINALISTS if trials is not None and trials >= _LEAST_TRIALS_FOR_FINALS else 0

    def _remeasure_finalists(self) -> None:
        """Measure the best few again: of many noisy runs the best one was mostly lucky."""
        session = self._session
        for configuration in _best(session.trials, _FINALISTS):
            if session.exhausted is None:
                session.trial(configuration)

    def _verify(self, candidate: Configuration) -> None:
        session = self._session
        limits = session.experiment.verification
        self._verdicts.append(session.verify(candidate, session.baseline, REFERENCE, limits.rounds))
        if session.baseline != session.original and limits.own_rounds > 0:
            self._verdicts.append(
                session.verify(candidate, session.original, OWN_REFERENCE, limits.own_rounds)
            )

    def _gradient_steps(self) -> int | None:
        steps = getattr(self._search, "gradient_steps", None)
        return steps if isinstance(steps, int) else None

    def _result(self, stopped: StoppedBecause, error: str) -> dict[str, Any]:
        session = self._session
        return make_result(
            session.experiment,
            run_id=session.run_id,
            dry_run=self._dry_run,
            stopped_because=stopped,
            error=error,
            baselines=session.baselines,
            trials=session.trials,
            benchmark_seconds=session.benchmark_seconds,
            original=session.original,
            baseline=session.baseline,
            candidate=self._candidate,
            verdicts=self._verdicts,
            gradient_steps=self._gradient_steps(),
            not_restored=self._not_restored,
            notices=session.notices,
        )


def choose_candidate(trials: Sequence[Outcome]) -> Configuration | None:
    """Return the configuration with the best mean reward, if its runs beat the baseline's performance.

    None where nothing looked better than the baseline: there is nothing to prove then.
    """
    best = _best(trials, 1)
    if not best:
        return None
    performances = [
        outcome.score.performance
        for outcome in trials
        if outcome.score is not None and _key(outcome.configuration) == _key(best[0])
    ]
    return best[0] if statistics.fmean(performances) > 1.0 else None


def _best(trials: Sequence[Outcome], count: int) -> list[Configuration]:
    """Rank by mean reward, shrunk towards the mean of all as if each had one average run more."""
    rewards: dict[tuple[tuple[str, Any], ...], list[float]] = {}
    as_tried: dict[tuple[tuple[str, Any], ...], Configuration] = {}
    failed = set()
    for outcome in trials:
        key = _key(outcome.configuration)
        as_tried[key] = outcome.configuration
        if outcome.score is None:
            failed.add(key)
        else:
            rewards.setdefault(key, []).append(outcome.score.reward)
    pool = {key: values for key, values in rewards.items() if key not in failed}
    if not pool:
        return []
    average = statistics.fmean(value for values in pool.values() for value in values)
    shrunk = {key: (sum(values) + average) / (len(values) + 1) for key, values in pool.items()}
    ranked = sorted(pool, key=lambda key: shrunk[key], reverse=True)
    return [dict(as_tried[key]) for key in ranked[:count]]


def _key(configuration: Configuration) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(configuration.items()))
