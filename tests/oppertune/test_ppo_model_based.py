"""PPO in its model: it learns from few trials, by context, keeps off what collapsed, and stays bounded."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oppertune.algorithms._observations import signs_of
from oppertune.algorithms._policies import ActionHeads
from oppertune.algorithms._proposals import proposals
from oppertune.algorithms.ppo import PPO
from oppertune.core.values import Categorical, Integer, Real
from oppertune.models.inputs import Inputs
from oppertune.testing.landscapes import quadratic
from support_spaces import spaces

MIXED = (
    Categorical("c", "b", ("a", "b", "c")),
    Real("x", 0.2, 0.0, 1.0),
    Integer("n", 10, 1, 1000, log=True),
    Categorical("d", "u", ("u", "v")),
)


def small(parameters, **options):
    return PPO(parameters, **{"net_arch": (16, 16), "n_epochs": 4, "random_seed": 0, **options})


def run(algorithm, surface, rounds, context=lambda i: None):
    played = []
    for i in range(rounds):
        prediction, request_id = algorithm.predict(context(i))
        played.append(prediction)
        algorithm.set_reward(surface(prediction, context(i)), request_id=request_id)
    return played


def test_the_seeds_settings_learn_from_the_third_trial_on():
    algorithm = PPO(MIXED, random_seed=0)
    assert algorithm.predict().prediction == {p.name: p.val for p in MIXED}
    run(algorithm, lambda p, _: p["x"], 2)
    assert algorithm.gradient_steps == 0
    run(algorithm, lambda p, _: p["x"], 1)
    # 256 imagined steps in batches of 64, ten times over.
    assert algorithm.gradient_steps == 40
    assert algorithm.rollouts == 0
    assert algorithm._imagined == 256


def test_it_finds_the_optimum_of_a_quadratic_within_thirty_trials():
    landscape = quadratic(2, seed=1)
    algorithm = small(landscape.parameters)
    run(algorithm, lambda p, _: landscape.noise_free(p), 30)
    assert landscape.regret(algorithm.recommend()) < 0.05
    # And the policy has come along, without any look ahead.
    outputs = algorithm._policy.forward(algorithm._state(None)[None])[0][0]
    assert landscape.regret(algorithm._heads.values(algorithm._heads.preferred(outputs))) < 0.6


def test_the_policy_follows_the_context():
    parameters = [Real("x", 0.5, 0.0, 1.0)]
    best = {"day": 0.9, "night": 0.1}

    def surface(p, where):
        return 1.0 - (p["x"] - best[where["time"]]) ** 2

    algorithm = small(parameters, learning_rate=3e-3)
    run(algorithm, surface, 60, lambda i: {"time": "day" if i % 2 else "night"})
    assert algorithm.state_features == ("time",)
    for time, x in best.items():
        assert algorithm.recommend({"time": time})["x"] == pytest.approx(x, abs=0.1)
        outputs = algorithm._policy.forward(algorithm._state({"time": time})[None])[0][0]
        preferred = algorithm._heads.values(algorithm._heads.preferred(outputs))["x"]
        assert abs(preferred - x) < 0.3


def test_state_may_be_kept_from_the_model():
    def kept(**options):
        algorithm = small(MIXED, state_features=("cpu",), **options)
        run(algorithm, lambda p, _: p["x"], 4, lambda i: {"cpu": i / 4, "job": "etl"})
        return algorithm._world._surrogate.window.contexts[-1], algorithm

    assert kept()[0] == {"cpu": 0.75, "job": "etl"}
    data, algorithm = kept(state_in_model=False)
    assert data == {"job": "etl"}
    # The policy sees it all the same.
    assert (algorithm._state({"cpu": 0.0}) != algorithm._state({"cpu": 0.75})).any()


def test_it_keeps_off_what_collapsed():
    parameters = [Real("x", 0.3, 0.0, 1.0), Real("y", 0.3, 0.0, 1.0)]

    def surface(p, _):
        fine = 50.0 + 50.0 * (p["x"] + p["y"]) / 2
        return fine if p["x"] + p["y"] <= 1.2 else 1.0

    algorithm = small(parameters)
    played = run(algorithm, surface, 50)
    assert sum(p["x"] + p["y"] > 1.2 for p in played) <= 12
    assert surface(algorithm.recommend(), None) > 76.0


def test_parallel_trials_differ():
    algorithm = small(MIXED)
    run(algorithm, lambda p, _: p["x"], 6)
    parallel = [tuple(algorithm.predict(fresh=True).prediction.values()) for _ in range(5)]
    assert len(set(parallel)) == 5


def test_it_recommends_what_the_model_expects_most_of_and_not_the_luckiest():
    parameters = [Real("x", 0.5, 0.0, 1.0)]
    algorithm = small(parameters)
    inputs = Inputs(parameters)
    for x in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        for lucky in (0.0, 100.0 * (x == 0.4), 0.0):
            algorithm._world.add(inputs, {"x": x}, 100.0 * x + lucky, None)
    assert algorithm.recommend()["x"] > 0.85


def test_everything_that_grows_is_bounded():
    algorithm = small(MIXED, window=8, n_epochs=1)
    run(algorithm, lambda p, _: p["x"] - 1.0, 80, lambda i: {"load": i % 7})
    assert len(algorithm.measurements) <= 9
    assert len(algorithm._places) == 64
    assert len(algorithm._world._collapsed) <= 100
    assert all(np.isfinite(w).all() for w in algorithm._weights())


def test_the_budget_is_part_of_what_it_sees():
    algorithm = small(MIXED, total_timesteps=10)
    run(algorithm, lambda p, _: p["x"], 4)
    assert algorithm._progress[2] == pytest.approx(0.4)
    run(algorithm, lambda p, _: p["x"], 8)
    assert algorithm._progress[2] == 1.0


def test_a_state_from_before_there_was_a_model_goes_on_without_one():
    algorithm = PPO(MIXED, model_based=False, random_seed=0)
    state = algorithm._get_state()
    for name in ("model_based", "_world"):
        del state["attributes"][name]
    old = object.__new__(PPO)
    old._set_state(state)
    assert not old.model_based
    assert old.predict().prediction == algorithm.predict().prediction


def test_saved_in_the_middle_of_a_run():
    algorithm = small(MIXED, constraints=["n >= 100 * x"])
    run(algorithm, lambda p, _: p["x"], 9, lambda i: {"cpu": i / 9, "job": "a" if i % 2 else "b"})
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = PPO.load(file)
    both = [run(one, lambda p, _: p["x"], 8, lambda i: {"cpu": i / 8}) for one in (algorithm, loaded)]
    assert both[0] == both[1]


@settings(max_examples=30, deadline=None)
@given(spaces((Categorical, Integer, Real)), st.integers(0, 2**32 - 1))
def test_rows_and_actions_are_two_spellings(space, seed):
    parameters = [p for p in space.parameters if not p.is_constant]
    if not parameters:
        return
    inputs, heads, rng = Inputs(parameters), ActionHeads(parameters), np.random.default_rng(seed)
    rows = inputs.draw(rng, 10)
    actions = np.array([heads.of_units(row) for row in rows])
    np.testing.assert_allclose(heads.units(actions), rows, atol=1e-12)
    for action, row in zip(actions, rows, strict=True):
        ours, theirs = heads.values(action), inputs.decode(row)
        for p in parameters:
            if isinstance(p, Categorical):
                assert ours[p.name] == theirs[p.name]
    everywhere = heads.uniform(rng, 10)
    assert (heads.units(everywhere) >= 0.0).all()
    assert (heads.units(everywhere) <= 1.0).all()


def test_draws_of_many_follow_the_policy():
    heads = ActionHeads(MIXED)
    outputs = np.array([0.5, -0.2, 0.1, 0.2, 0.9, 1.0, -1.0])  # x, n, then c and d
    drawn = heads.draw(
        np.random.default_rng(0), np.repeat(outputs[None], 4000, axis=0), np.array([-1.0, -2.0])
    )
    np.testing.assert_allclose(drawn[:, :2].mean(axis=0), [0.5, -0.2], atol=0.03)
    np.testing.assert_allclose(drawn[:, :2].std(axis=0), np.exp([-1.0, -2.0]), rtol=0.05)
    p = np.exp(outputs[2:5]) / np.exp(outputs[2:5]).sum()
    np.testing.assert_allclose(np.bincount(drawn[:, 2].astype(int)) / 4000, p, atol=0.03)


def test_most_proposals_leave_what_is_good_in_a_few_entries():
    parameters = [Real(f"x{i}", 0.5, 0.0, 1.0) for i in range(20)]
    heads = ActionHeads(parameters)
    outputs, incumbent = np.full(20, 0.2), np.full(20, -0.4)
    found = proposals(heads, np.random.default_rng(0), outputs, np.full(20, -1.0), incumbent, 200)
    assert found.shape == (200, 20)
    np.testing.assert_array_equal(found[0], outputs)
    moved = np.minimum((found != outputs).sum(1), (found != incumbent).sum(1))[1:150]
    assert moved.min() >= 1
    assert 2.0 < moved.mean() < 5.0


def test_each_text_has_signs_of_its_own():
    names = ("job", "host", "load")
    rows = [signs_of({"job": job, "host": "h", "load": 3.0}, names) for job in map(str, range(20))]
    assert len({tuple(row) for row in rows}) == 20
    assert not signs_of({"load": 3.0, "other": "text"}, names).any()
    assert not signs_of(None, names).any()
