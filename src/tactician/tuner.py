"""The only loop on a host: predict, trial, reward, stop rule; then verify the best and report."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tactician.effects import effects_of
from tactician.errors import GuardrailError, Interrupted, Problem, RestoreError, TacticianError
from tactician.events import Learned, RunFinished, RunStarted
from tactician.experiment import Budget
from tactician.outcomes import Configuration, Outcome, Verdict
from tactician.ports import Search
from tactician.results import StoppedBecause, make_result
from tactician.reward import FAILED_REWARD
from tactician.session import OWN_REFERENCE, REFERENCE, Session
from tactician.stopping import PROBES, Ending, ending_of, is_due, unexplored

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
        observes: whether the algorithm is shown the system's metrics as its context.
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
        observes: bool = True,
    ) -> None:
        self._observes = observes
        self._session = session
        self._search = search
        self._undo = undo
        self._dry_run = dry_run
        self._seconds_estimate = seconds_estimate
        self._replayed = replayed
        self._candidate: Configuration | None = None
        self._verdicts: list[Verdict] = []
        self._not_restored: list[Problem] = []
        self._effects: dict[str, Any] | None = None
        self._decision: str | None = None

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
            except GuardrailError as crossing:
                stopped, error = "safety", str(crossing)
            except TacticianError as failure:
                if not session.trials and not self._not_restored:
                    session.emit(RunFinished(session.run_id, self._result("error", str(failure))))
                    raise
                error = str(failure)
            except Exception as failure:  # a learner's own; what was measured is kept and shown
                error = f"{type(failure).__name__}: {failure}"
            result = self._result(stopped, error or session.why_unsafe)
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
        except BaseException:  # an interrupt above all: the way out is the same for everything
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
        ended = self._try_until_decided()
        self._effects = effects_of(session.experiment, session.baselines, session.trials)
        if (broken := session.broken) is not None:
            return broken
        if ended is None or not ended.nothing:
            self._candidate = self._chosen()
        if self._candidate is not None:
            self._verify(self._candidate)
        return "budget" if ended is None or ended.spent else "decided"

    def _try_until_decided(self) -> Ending | None:
        """Try until the budget is spent, or until more trials would not change the decision."""
        session = self._session
        budget, finals = session.experiment.budget.trials, self._finals()
        while session.exhausted is None:
            tried = len(session.trials)
            if budget is not None and tried >= budget - finals:
                self._remeasure_finalists()
                break
            if is_due(tried, len(session.experiment.parameters)) and (ending := self._sure_ending()):
                self._decide(ending)
                if not ending.nothing:
                    self._remeasure_finalists()
                return ending
            self._step()
        # Where the model sees nothing worth having, a verification would only cost time.
        ending = self._ending() if session.broken is None and self._gap() is None else None
        if ending is None or not ending.nothing:
            return None
        ending = ending._replace(spent=True)
        self._decide(ending)
        return ending

    def _sure_ending(self) -> Ending | None:
        """Why the search is over, after a look into the gaps that it left."""
        session = self._session
        budget = session.experiment.budget
        last = math.inf if budget.trials is None else budget.trials - self._finals()
        ending = self._ending()
        for _ in range(PROBES):
            gap = self._gap()
            if ending is None or gap is None:
                return ending
            if session.exhausted is not None or len(session.trials) >= last:
                return None
            session.trial(gap)
        return self._ending() if self._gap() is None else None

    def _gap(self) -> Configuration | None:
        session = self._session
        return unexplored(session.experiment, session.baseline, session.trials)

    def _decide(self, ending: Ending) -> None:
        session = self._session
        self._decision = ending.sentence(len(session.trials), session.experiment.budget.trials)
        session.notice(self._decision)

    def _ending(self) -> Ending | None:
        """Why the search is over, if it is."""
        session = self._session
        experiment = session.experiment
        if not experiment.stop_early or session.power is None:
            return None
        worth = session.power.worth(experiment.worthwhile_improvement)
        return ending_of(experiment, session.baseline, session.baselines, session.trials, worth)

    def _step(self) -> None:
        session = self._session
        context = session.context() if self._observes else {}
        prediction, request_id = self._propose(context)
        outcome = session.trial(prediction, request_id, context)
        self._reward(outcome, request_id)

    def _propose(self, context: Mapping[str, float]) -> tuple[Configuration, str]:
        """Ask for the next configuration; the baseline, if that is asked for first, is measured already."""
        session = self._session
        prediction, request_id = self._search.predict(context)
        reward = session.first_reward
        if not session.trials and prediction == session.baseline and reward is not None:
            self._search.set_reward(reward, request_id=request_id, **self._told(1.0))
            prediction, request_id = self._search.predict(context)
        return prediction, request_id

    def _reward(self, outcome: Outcome, request_id: str) -> None:
        before = self._gradient_steps()
        reward = FAILED_REWARD if outcome.reward is None else outcome.reward
        if outcome.reward is None:
            self._search.set_reward(reward, request_id=request_id, reward_data={"failed": True})
        elif outcome.estimate is None:
            performance = None if outcome.score is None else outcome.score.performance
            told = self._told(performance, outcome.seconds, outcome.change_seconds)
            self._search.set_reward(reward, request_id=request_id, **told)
        else:
            known = {"aborted": True, "bound": outcome.estimate.bound, "seconds": outcome.estimate.seconds}
            known["performance"] = outcome.estimate.score.performance
            self._search.set_reward(reward, request_id=request_id, reward_data=known)
        after = self._gradient_steps()
        if after is not None and after != before:
            self._session.emit(Learned(self._session.run_id, after))

    def _told(
        self, performance: float | None, seconds: float = 0.0, changing: float | None = None
    ) -> dict[str, Any]:
        """What is told beside a reward: the metric, which may have a floor, and what the change cost."""
        data: dict[str, float] = {}
        if performance is not None and self._session.experiment.max_regression is not None:
            data["performance"] = performance
        if changing is not None:
            data |= {"seconds": seconds, "change_seconds": changing}
        return {"reward_data": data} if data else {}

    def _replay(self, replayed: Replayed) -> None:
        """Let the learner relive a trial: same seed, same contexts, same rewards, hence same state."""
        if replayed.request_id:
            _, request_id = self._propose(dict(replayed.context))
            self._reward(replayed.outcome, request_id)
        self._session.take(replayed.outcome)

    def _finals(self) -> int:
        """How many trials are kept back; none where the search itself tells its best few apart."""
        return 0 if self._races else finals_of(self._session.experiment.budget)

    @property
    def _races(self) -> bool:
        return bool(getattr(self._search, "races", False))

    def _chosen(self) -> Configuration | None:
        """The configuration to verify: by the model's posterior where there is a model, else by means."""
        trials = self._session.trials
        chosen = choose_candidate(trials)
        if self._races:
            recommended: Configuration = self._search.recommend()
            mine = [each for each in trials if each.configuration == recommended]
            chosen = (
                recommended if recommended == self._session.baseline else choose_candidate(mine) or chosen
            )
        return None if chosen == self._session.baseline else chosen

    def _remeasure_finalists(self) -> None:
        """Measure the best few again: of many noisy runs the best one was mostly lucky."""
        session = self._session
        if self._races:
            return
        for configuration in _best(session.trials, _FINALISTS):
            if session.exhausted is None:
                session.trial(configuration, whole=True)

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
            power=session.power_result,
            effects=self._effects,
            decision=self._decision,
        )


def finals_of(budget: Budget) -> int:
    """How many trials are kept back to measure the best ones once more."""
    trials = budget.trials
    return _FINALISTS if trials is not None and trials >= _LEAST_TRIALS_FOR_FINALS else 0


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
    failed, measured = set(), set()
    for outcome in trials:
        key = _key(outcome.configuration)
        as_tried[key] = outcome.configuration
        if outcome.score is not None:
            measured.add(key)
        if outcome.reward is None:
            failed.add(key)
        else:
            rewards.setdefault(key, []).append(outcome.reward)
    # An estimate of a run that was ended early counts in a mean, but wins nothing by itself.
    pool = {key: values for key, values in rewards.items() if key in measured and key not in failed}
    if not pool:
        return []
    average = statistics.fmean(value for values in pool.values() for value in values)
    shrunk = {key: (sum(values) + average) / (len(values) + 1) for key, values in pool.items()}
    ranked = sorted(pool, key=lambda key: shrunk[key], reverse=True)
    return [dict(as_tried[key]) for key in ranked[:count]]


def _key(configuration: Configuration) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(configuration.items()))
