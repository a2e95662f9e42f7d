"""The model hands over to steps, late rewards find nobody hurt, and what moves is followed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.algorithms._walk import Walk
from oppertune.algorithms.all import create_tuning_instance, load_tuning_instance
from oppertune.algorithms.long_run import LongRun
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.testing.contract import AlgorithmContract

SMALL = {"n_candidates": 24, "n_initial": 3}
NUMBERS = [Real("x", 0.2, 0.0, 1.0), Real("y", 0.2, 0.0, 1.0)]
MIXED = [*NUMBERS, Integer("n", 3, 0, 100), Categorical("c", "a", ("a", "b"))]


class TestTheLaws(AlgorithmContract):
    """So early a hand-over that every law meets model, hand-over and steps."""

    def make(self, parameters, **kwargs):
        return LongRun(parameters, model_rounds=5, patience=2, model_args=SMALL, **kwargs)


def hill(values):
    return 10.0 - 20.0 * (values["x"] - 0.6) ** 2 - 20.0 * (values["y"] - 0.4) ** 2


def handed_over(parameters=MIXED, reward=hill, **options):
    tuner = LongRun(parameters, model_rounds=8, model_args=SMALL, random_seed=1, **options)
    for _ in range(8):
        prediction, request_id = tuner.predict()
        tuner.set_reward(reward(prediction), request_id=request_id)
    assert not tuner.is_searching
    return tuner


def test_it_hands_over_when_the_model_gains_no_more():
    tuner = LongRun(NUMBERS, model_rounds=200, patience=5, model_args=SMALL, random_seed=1)
    for _ in range(60):
        prediction, request_id = tuner.predict()
        assert tuner.is_searching or tuner.iteration >= 10
        tuner.set_reward(hill(prediction), request_id=request_id)
    assert not tuner.is_searching
    assert hill(tuner.recommend()) > 9.5


def test_steps_begin_at_the_recommendation_and_leave_categories_alone():
    seen = []
    tuner = LongRun(MIXED, model_rounds=8, model_args=SMALL, random_seed=1)
    while tuner.is_searching:
        prediction, request_id = tuner.predict()
        seen.append(tuple(prediction.values()))
        tuner.set_reward(hill(prediction), request_id=request_id)
    centre = tuner.recommend()
    assert tuple(centre.values()) in seen
    first, second = tuner.predict(fresh=True).prediction, tuner.predict(fresh=True).prediction
    assert first["c"] == second["c"] == centre["c"]
    assert first["x"] != second["x"]
    for name in ("x", "y"):
        assert abs(first[name] - centre[name]) < 0.1
        assert first[name] + second[name] == pytest.approx(2 * centre[name])


def test_rewards_of_requests_from_before_the_hand_over_are_taken_and_teach_the_steps_nothing():
    tuner = LongRun(MIXED, model_rounds=4, model_args=SMALL, random_seed=1)
    requests = [tuner.predict(fresh=True) for _ in range(7)]
    for prediction, request_id in requests[:4]:
        tuner.set_reward(hill(prediction), request_id=request_id)
    assert not tuner.is_searching
    centre = tuner.recommend()
    for _, request_id in requests[4:]:
        tuner.set_reward(-1e9, request_id=request_id)
    assert tuner.iteration == 7
    assert tuner.recommend() == centre


def test_parallel_and_late_rewards_of_steps_are_learnt_in_any_order():
    tuner = handed_over()
    before = tuner.learnt_fingerprint()
    requests = [tuner.predict(fresh=True) for _ in range(10)]
    assert tuner.learnt_fingerprint() == before
    for prediction, request_id in requests[::-1]:
        tuner.set_reward(hill(prediction), request_id=request_id)
    assert tuner._pairs == {}
    assert tuner.learnt_fingerprint() != before


def test_each_context_keeps_a_centre_of_its_own():
    tuner = LongRun(NUMBERS, model_rounds=40, patience=30, model_args=SMALL, random_seed=1)
    best = {"day": 0.15, "night": 0.85}
    for _ in range(150):
        for time, x in best.items():
            prediction, request_id = tuner.predict({"time": time})
            tuner.set_reward(10.0 - 30.0 * (prediction["x"] - x) ** 2, request_id=request_id)
    assert not tuner.is_searching
    for time, x in best.items():
        assert tuner.recommend({"time": time})["x"] == pytest.approx(x, abs=0.15)
    new = tuner.predict({"time": "noon"}).prediction
    assert set(new) == {"x", "y"}


def test_contexts_without_end_cost_bounded_memory():
    tuner = handed_over(NUMBERS)
    for i in range(300):
        prediction, request_id = tuner.predict({"load": i})
        tuner.set_reward(hill(prediction), request_id=request_id)
    assert len(tuner._walks) <= 64
    assert len(tuner._pairs) <= 130


def test_a_lasting_drop_begins_a_new_search_and_noise_does_not():
    rng = np.random.default_rng(1)
    for search_again in (True, False):
        tuner = handed_over(NUMBERS, search_again=search_again)
        for factor in (1.0, 0.3):
            assert tuner.searches == 1
            for _ in range(60):
                prediction, request_id = tuner.predict()
                reward = factor * hill(prediction) * (1.0 + 0.1 * rng.normal())
                tuner.set_reward(reward, request_id=request_id)
        assert tuner.searches == 1 + search_again


def test_failures_push_the_centre_back_whatever_their_reward_says():
    tuner = handed_over(NUMBERS)
    for _ in range(10):
        prediction, request_id = tuner.predict()
        tuner.set_reward(hill(prediction), request_id=request_id)
    centre = tuner.recommend()["x"]
    for _ in range(40):
        prediction, request_id = tuner.predict()
        failed = prediction["x"] > centre
        reward = 1e6 if failed else hill(prediction)
        tuner.set_reward(reward, request_id=request_id, reward_data={"failed": failed})
    assert tuner.recommend()["x"] < centre


def test_both_phases_survive_saving(tmp_path):
    for rounds in (5, 20):
        tuner = create_tuning_instance("long_run", MIXED, model_rounds=10, model_args=SMALL, random_seed=1)
        for _ in range(rounds):
            prediction, request_id = tuner.predict()
            tuner.set_reward(hill(prediction), request_id=request_id)
        tuner.save(tmp_path / "state")
        loaded = load_tuning_instance(tmp_path / "state")
        assert loaded.is_searching == tuner.is_searching == (rounds < 10)
        assert loaded.predict().prediction == tuner.predict().prediction


@pytest.mark.parametrize("options", [{"model_rounds": 1}, {"patience": 0}, {"patience": 2.5}])
def test_nonsense_is_refused(options):
    with pytest.raises(InvalidArgumentError):
        LongRun(NUMBERS, **options)


def walk(d=2, scales=None, least=0.0):
    ones = np.ones(d)
    return Walk(0.5 * ones, ones if scales is None else scales, 0.0 * ones, ones, least * ones)


def test_a_walk_follows_an_optimum_that_moves():
    rng, one, away = np.random.default_rng(1), walk(), []
    for t in range(600):
        best = 0.5 + 0.3 * np.sin(2 * np.pi * t / 400 + np.array([0.0, 2.0]))
        rows = one.ends(rng)
        rewards = tuple(float((5 - 20 * ((r - best) ** 2).sum()) * (1 + 0.01 * rng.normal())) for r in rows)
        one.learn(rows, rewards, (False, False))
        away.append(float(np.abs(one.centre - best).max()))
    assert np.mean(away[150:]) < 0.1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), min_size=1, max_size=30),
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3),
)
def test_a_walk_stays_in_its_bounds_whatever_the_rewards(pairs, scales):
    rng, one = np.random.default_rng(1), walk(3, np.array(scales))
    for pair in pairs:
        rows = one.ends(rng)
        fell = (one.fell(pair[0]), one.fell(pair[1]))
        for reward in pair:
            one.hear(reward)
        one.learn(rows, pair, fell)
        assert np.all((one.centre >= 0.0) & (one.centre <= 1.0))
        assert np.all(one.centre[np.array(scales) == 0.0] == 0.5)


def test_coarse_grids_stay_and_fine_ones_move_by_a_step_at_least():
    assert not walk(least=0.5).moves.any()
    assert (walk(least=0.2).moves > 0.1).all()
