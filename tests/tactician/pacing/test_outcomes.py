"""What is known of a trial that was ended early outlives the run, and cannot be taken for a measurement."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.outcomes import Estimate, Measurement, Outcome, Score
from tactician.storage.records import outcome_columns, outcome_of
from tactician.tuner import choose_candidate

_NUMBERS = st.floats(-1e9, 1e9)
SCORE = Score(0.5, 1.0, 0.75)
ESTIMATE = Estimate(50.0, 60.0, "1/s", True, 3.0, 0.05, {"io_wait": 0.0}, SCORE)


@given(
    estimate=st.builds(
        Estimate,
        value=_NUMBERS,
        bound=_NUMBERS,
        unit=st.sampled_from(["", "1/s", "s"]),
        maximize=st.booleans(),
        seconds=st.floats(0.0, 1e5),
        error=st.floats(0.0, 0.5),
        system=st.dictionaries(st.sampled_from(["io_wait", "memory_pressure"]), st.floats(0.0, 1.0)),
        score=st.builds(Score, _NUMBERS, st.floats(0.0, 1.0), _NUMBERS),
    )
)
def test_the_history_gives_an_estimate_back_as_it_was(estimate: Estimate) -> None:
    outcome = Outcome.aborted({"a": 1}, "surely worse", estimate.seconds, estimate, ("a note",))
    row = json.loads(json.dumps(outcome_columns(outcome)))
    assert outcome_of(row) == outcome
    assert outcome_of(row).reward == estimate.score.reward


def test_a_guardrails_abort_has_no_estimate_and_comes_back_without() -> None:
    outcome = Outcome.aborted({"a": 1}, "too hot", 2.0)
    assert outcome_of(json.loads(json.dumps(outcome_columns(outcome)))) == outcome
    assert outcome.reward is None
    assert not outcome.fine


def test_an_estimate_belongs_to_an_aborted_trial_only() -> None:
    with pytest.raises(ValueError, match="no estimate"):
        Outcome("failed", {}, reason="x", estimate=ESTIMATE)
    with pytest.raises(ValueError, match="measurement"):
        Outcome("aborted", {}, score=SCORE, reason="x", estimate=ESTIMATE)


def test_an_aborted_trial_wins_nothing_but_counts_in_the_mean_of_its_configuration() -> None:
    def measured(name: str, reward: float) -> Outcome:
        found = Measurement(reward, "", True, {}, {}, 1.0)
        return Outcome.measured({"a": name}, found, Score(reward, 1.0, reward))

    def aborted(name: str, reward: float) -> Outcome:
        score = Score(reward, 1.0, reward)
        estimate = Estimate(reward, reward, "", True, 1.0, 0.05, {}, score)
        return Outcome.aborted({"a": name}, "surely worse", 1.0, estimate)

    assert choose_candidate([measured("x", 1.2), aborted("y", 9.0)]) == {"a": "x"}
    assert choose_candidate([aborted("y", 9.0)]) is None
    lucky = [measured("lucky", 1.5), aborted("lucky", 0.6), measured("steady", 1.3)]
    assert choose_candidate(lucky) == {"a": "steady"}
