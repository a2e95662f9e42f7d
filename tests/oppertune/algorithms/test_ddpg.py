"""DDPG's gradients against finite differences, its memory step by step, and that it learns."""

import io

import numpy as np
import pytest

from oppertune.algorithms._networks import MLP, ArrayRMSprop
from oppertune.algorithms._steppers import RMSprop
from oppertune.algorithms.ddpg import DDPG, ReplayBuffer, StateEncoder
from oppertune.core.state import load_state, save_state
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError, InvalidParameterError, InvalidTypeError
from oppertune.testing.contract import AlgorithmContract
from oppertune.testing.landscapes import quadratic

PARAMETERS = (
    Real("x", 0.25, 0.0, 1.0),
    Integer("n", 10, 1, 1000, log=True),
    Real("s", 0.3, 0.1, 0.9, step=0.1),
)
ONE = (Real("x", 0.5, 0.0, 1.0),)


class TestLaws(AlgorithmContract):
    parameter_types = (Integer, Real)

    def make(self, parameters, **kwargs):
        return DDPG(parameters, hidden_width=8, batch_size=8, learn_loop_count=2, **kwargs)


class TestLawsOfEpisodes(AlgorithmContract):
    parameter_types = (Integer, Real)

    def make(self, parameters, **kwargs):
        features = {"load": (0, 3), "time": ["day", "night"], "other": None}
        settings = {"max_steps_per_episode": 4, "noise": "ou", "hidden_width": 8, "buffer_size": 20}
        return DDPG(
            parameters,
            features,
            batch_size=8,
            initial_random_steps=2,
            learn_loop_count=3,
            **settings,
            **kwargs,
        )


def differences(function, arrays, h=1e-6):
    """Central differences of a scalar function by every entry of arrays that it reads in place."""
    result = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            kept = array[i]
            array[i] = kept + h
            above = function()
            array[i] = kept - h
            gradient[i] = (above - function()) / (2 * h)
            array[i] = kept
        result.append(gradient)
    return result


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_network_backwards(activation):
    rng = np.random.default_rng(0)
    net = MLP.fan_in(rng, (3, 5, 4, 2), 0.7, activation)
    x, wanted = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    outputs, inputs = net.forward(x)
    got = [*net.backward(inputs, outputs - wanted), net.backward_to_inputs(inputs, outputs - wanted)]
    numeric = differences(lambda: 0.5 * ((net.forward(x)[0] - wanted) ** 2).sum(), [*net.parameters, x])
    for one, expected in zip(got, numeric, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-7)


def ready(seed=0, **options):
    """An algorithm with three features and weights of ordinary size, and a batch for it."""
    algorithm = DDPG(PARAMETERS, ("a", "b", "c"), hidden_width=6, random_seed=seed, **options)
    rng = np.random.default_rng(seed)
    nets = (algorithm._actor, algorithm._critic, algorithm._target_actor, algorithm._target_critic)
    for net in nets:
        for weights in net.parameters:
            weights += 0.5 * rng.normal(size=weights.shape)
    n = 11
    batch = rng.normal(size=(n, 3)), rng.uniform(-1, 1, (n, 3)), rng.normal(size=n), rng.normal(size=(n, 3))
    return algorithm, (*batch, (rng.random(n) < 0.3).astype(float))


def test_the_critics_loss_backwards():
    algorithm, (states, actions, rewards, _, _) = ready()
    loss, got = algorithm._critic_loss(states, actions, rewards)
    numeric = differences(
        lambda: algorithm._critic_loss(states, actions, rewards)[0], algorithm._critic.parameters
    )
    q = algorithm._critic.forward(np.hstack([states, actions]))[0][:, 0]
    assert loss == pytest.approx(np.mean((q - rewards) ** 2))
    for one, expected in zip(got, numeric, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-6)


def test_the_actors_loss_backwards_through_the_critic():
    algorithm, (states, *_) = ready()
    loss, got = algorithm._actor_loss(states)
    numeric = differences(lambda: algorithm._actor_loss(states)[0], algorithm._actor.parameters)
    mu = np.tanh(algorithm._actor.forward(states)[0])
    assert loss == pytest.approx(-algorithm._critic.forward(np.hstack([states, mu]))[0].mean())
    for one, expected in zip(got, numeric, strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-6)


def test_targets_and_target_networks():
    algorithm, (states, actions, rewards, following, ends) = ready(gamma=0.9, tau=0.1)
    mu = np.tanh(algorithm._target_actor.forward(following)[0])
    q = algorithm._target_critic.forward(np.hstack([following, mu]))[0][:, 0]
    expected = np.where(ends > 0, rewards, rewards + 0.9 * q)
    np.testing.assert_allclose(algorithm._targets(rewards, following, ends), expected)
    before = [p.copy() for p in algorithm._target_critic.parameters]
    critic = [p.copy() for p in algorithm._critic.parameters]
    algorithm._update(states, actions, rewards, following, ends)
    for old, was, new, now in zip(
        before, critic, algorithm._target_critic.parameters, algorithm._critic.parameters, strict=True
    ):
        np.testing.assert_allclose(new, 0.1 * now + 0.9 * old, rtol=1e-12)
        assert not np.array_equal(was, now)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_rmsprop_on_arrays_takes_the_steps_of_the_one_on_floats(momentum):
    x = np.array([1.0, -2.0, 0.5])
    arrays, floats = ArrayRMSprop(0.01, momentum=momentum), RMSprop(0.01, momentum=momentum)
    expected = x.copy()
    for _ in range(6):
        gradient = 2 * x
        expected = expected + floats.step((-gradient).tolist())
        arrays.step([x], [gradient])
        np.testing.assert_allclose(x, expected, rtol=1e-12)
    file = io.BytesIO()
    save_state(file, "both", {"arrays": arrays, "floats": floats})
    file.seek(0)
    loaded = load_state(file).open()
    assert type(loaded["arrays"]) is ArrayRMSprop
    assert type(loaded["floats"]) is RMSprop
    loaded["arrays"].step([expected], [2 * x])


def test_networks_saved_before_there_was_a_choice_have_tanh():
    net = MLP(np.random.default_rng(0), (2, 3, 1), 1.0)
    del net.activation
    assert net.copy().activation == "tanh"


@pytest.mark.parametrize(
    "config",
    [
        [Real("load", 1.0, 0.0, 4.0), Categorical("kind", "a", ("a", "b")), "other"],
        [
            {"type": "real", "name": "load", "val": 1.0, "min": 0.0, "max": 4.0},
            {"type": "categorical", "name": "kind", "val": "a", "categories": ["a", "b"]},
            "other",
        ],
        {"load": (0, 4), "kind": ["a", "b"], "other": None},
    ],
    ids=["parameters", "dictionaries", "mapping"],
)
def test_what_may_be_said_of_features(config):
    algorithm = DDPG(PARAMETERS, config)
    assert algorithm.state_features == ("load", "kind", "other")
    encode = algorithm._encoder.encode
    assert encode({"load": 1, "kind": "b", "other": 7.5}).tolist() == [-0.5, 0.0, 1.0, 7.5]
    assert encode({"load": 9, "kind": "c"}).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert encode({"load": "4"}).tolist() == [0.0] * 4
    assert encode({"load": float("nan"), "other": 10**400}).tolist() == [0.0, 0.0, 0.0, 1e100]
    assert encode({"load": 10**400, "other": float("nan")}).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_features_on_a_logarithmic_scale_of_one_value_and_of_text():
    encoder = StateEncoder(
        {"l": Real("l", 1.0, 0.01, 100.0, log=True), "c": Real("c", 2.0, 2.0, 2.0), "t": None}
    )
    row = encoder.encode({"l": 10.0, "c": 5.0, "t": "web"})
    assert row[:2] == pytest.approx([0.5, 0.0])
    assert -1.0 <= row[2] <= 1.0
    assert row[2] != encoder.encode({"t": "db"})[2]


def test_only_features_without_bounds_are_measured_by_their_own_spread():
    encoder = StateEncoder({"free": None, "kind": Categorical("kind", "a", ("a", "b"))})
    rng = np.random.default_rng(0)
    rows = np.array([encoder.encode({"free": v, "kind": "a"}) for v in rng.normal(5.0, 3.0, 40)])
    for row in rows:
        encoder.update(row)
    seen = encoder.normalise(rows)
    np.testing.assert_allclose(seen[:, 0], (rows[:, 0] - rows[:, 0].mean()) / rows[:, 0].std(), rtol=1e-6)
    np.testing.assert_array_equal(seen[:, 1:], rows[:, 1:])


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("load", InvalidTypeError),
        (7, InvalidTypeError),
        ([7], InvalidTypeError),
        (["load", "load"], InvalidArgumentError),
        ({"load": (0, 1, 2)}, InvalidTypeError),
        ({"load": []}, InvalidTypeError),
        ({"load": "high"}, InvalidTypeError),
        ({"load": (1, 0)}, InvalidParameterError),
        ([{"type": "reel", "name": "load"}], InvalidParameterError),
    ],
)
def test_what_may_not_be_said_of_features(config, error):
    with pytest.raises(error):
        DDPG(PARAMETERS, config)


def test_the_memory_grows_up_to_its_limit_and_then_overwrites_the_oldest():
    buffer = ReplayBuffer(100, 2, 1)
    for i in range(250):
        assert len(buffer) == min(i, 100)
        assert len(buffer.rows) in (64, 100)
        buffer.add(np.array([i, -i]), np.array([0.5 * i]), float(i), np.array([i + 1, -i - 1]), i % 2 == 0)
    assert sorted(buffer.rewards) == list(range(150, 250))
    s, a, r, following, ended = buffer.sample(np.random.default_rng(0), 2000)
    assert (s.shape, a.shape, r.shape, following.shape, ended.shape) == (
        (2000, 2), (2000, 1), (2000,), (2000, 2), (2000,),
    )  # fmt: skip
    np.testing.assert_array_equal(s, np.stack([r, -r], axis=1))
    np.testing.assert_array_equal(a[:, 0], 0.5 * r)
    np.testing.assert_array_equal(following, s + np.array([1, -1]))
    np.testing.assert_array_equal(ended, r % 2 == 0)
    assert len(set(r)) == 100


def test_a_transition_ends_where_the_next_request_begins():
    algorithm = DDPG(ONE, {"t": (0, 10)}, max_steps_per_episode=3, random_seed=0)
    requests = [algorithm.predict({"t": i}) for i in range(7)]
    for i, (_, request_id) in enumerate(requests):
        algorithm.set_reward(float(i), request_id=request_id)
    at, following, rewards, ended = (algorithm._replay.rows[:6, i] for i in (0, 3, 2, 4))
    np.testing.assert_allclose(at, [i / 5 - 1 for i in range(6)])
    np.testing.assert_array_equal(rewards, range(6))
    np.testing.assert_array_equal(ended, [0, 0, 1, 0, 0, 1])
    np.testing.assert_allclose(following[ended == 0], (at + 0.2)[ended == 0], atol=1e-12)
    assert len(algorithm._replay) == 6  # the seventh waits for what follows


def test_a_caller_may_say_what_follows_and_what_ends():
    algorithm = DDPG(ONE, {"t": (0, 10)}, max_steps_per_episode=None, random_seed=0)
    said = [{"next_state": {"t": 9}}, None, {"done": False}, {"done": True}, {"next_state": {"t": 8}}]
    for i, reward_data in enumerate(said):
        _, request_id = algorithm.predict({"t": i})
        algorithm.set_reward(float(i), request_id=request_id, reward_data=reward_data)
    rows = algorithm._replay.rows[: len(algorithm._replay)]
    np.testing.assert_array_equal(rows[:, 2], range(5))
    np.testing.assert_allclose(5 * (rows[:, 3] + 1), [9, 2, 3, 3, 8])
    np.testing.assert_array_equal(rows[:, 4], [0, 0, 0, 1, 0])


def test_what_was_carried_out_is_learnt_from():
    algorithm = DDPG(PARAMETERS, constraints=["n >= 900"], initial_random_steps=99, random_seed=0)
    for _ in range(20):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(1.0)
        x, n, s = (algorithm._replay.rows[len(algorithm._replay) - 1, :3] + 1.0) / 2.0
        assert prediction["x"] == pytest.approx(x)
        assert prediction["n"] == round(1000.0**n) >= 900
        assert s * 8 == pytest.approx(round(s * 8))
        assert prediction["s"] == pytest.approx(0.1 + 0.8 * s)


def test_a_caller_may_reuse_its_dictionary():
    algorithm = DDPG(ONE, {"t": (0, 10)}, random_seed=0)
    data = {"t": 10}
    _, request_id = algorithm.predict(data)
    data["t"] = 0
    algorithm.set_reward(1.0, request_id=request_id)
    assert algorithm._replay.rows[0, 0] == 1.0


def test_when_it_learns():
    algorithm = DDPG(ONE, initial_random_steps=5, learn_loop_count=3, random_seed=0)
    for i in range(9):
        assert algorithm.gradient_steps == 3 * max(0, i - 5)
        algorithm.predict()
        algorithm.set_reward(0.1 * i)


def drawn(parameters, n=400, **options):
    algorithm = DDPG(parameters, random_seed=0, initial_random_steps=0, **options)
    names = [p.name for p in parameters]
    return np.array([[algorithm.predict(fresh=True).prediction[name] for name in names] for _ in range(n)])


def test_it_starts_where_the_host_is_and_explores_as_far_as_it_is_told():
    parameters = (Real("x", 0.7, 0.0, 1.0), Real("y", 0.5, 0.0, 1.0))
    got = drawn(parameters, noise_scale=0.1)
    np.testing.assert_allclose(got.mean(axis=0), [0.7, 0.5], atol=0.01)
    np.testing.assert_allclose(got.std(axis=0), [0.05, 0.05], rtol=0.1)
    still = drawn(parameters, n=3, noise_scale=0.0)
    np.testing.assert_array_equal(still, [[0.7, 0.5]] * 3)
    uniform = drawn(parameters, noise_scale=0.0, epsilon=0.5)
    assert np.mean(uniform[:, 1] != 0.5) == pytest.approx(0.5, abs=0.1)
    known = DDPG(parameters, ("load",), random_seed=0, initial_random_steps=0, noise_scale=0.0)
    assert known.predict({"load": 1.0}).prediction == pytest.approx({"x": 0.7, "y": 0.5}, abs=0.01)


def test_ornstein_uhlenbeck_noise_goes_on_where_it_was_and_starts_anew_with_an_episode():
    x = drawn(ONE, n=3000, noise="ou", noise_scale=0.05)[:, 0] - 0.5
    assert np.corrcoef(x[1:], x[:-1])[0, 1] == pytest.approx(0.85, abs=0.03)
    assert x.std() == pytest.approx(0.025 / np.sqrt(1 - 0.85**2), rel=0.15)
    algorithm = DDPG(ONE, noise="ou", initial_random_steps=0, random_seed=0)
    algorithm.predict()
    assert algorithm._ou.any()
    algorithm.set_reward(1.0)
    assert not algorithm._ou.any()


def test_exploration_fades_as_it_is_told():
    algorithm = DDPG(ONE, initial_random_steps=0, noise_decay=0.5, epsilon=1.0, epsilon_decay=0.0, lr=1e-9,
                     epsilon_decay_frequency=5, random_seed=0)  # fmt: skip
    seen = run(algorithm, lambda p, _: p["x"], 40)
    assert np.ptp(seen[:5]) > 0.3
    assert np.ptp(seen[25:]) < 1e-3


def run(algorithm, surface, rounds, context=lambda i: None):
    rewards = []
    for i in range(rounds):
        where = context(i)
        prediction, request_id = algorithm.predict(where)
        rewards.append(surface(prediction, where))
        algorithm.set_reward(rewards[-1], request_id=request_id)
    return rewards


def fast(parameters, *args, **options):
    settings = {"hidden_width": 24, "batch_size": 32, "lr": 3e-3, "noise_decay": 0.98, **options}
    return DDPG(parameters, *args, **settings)


def test_it_learns_a_quadratic_bandit():
    landscape = quadratic(3, seed=1)
    rewards = run(fast(landscape.parameters, random_seed=0), lambda p, _: landscape.noise_free(p), 150)
    rng = np.random.default_rng(0)
    points = [{p.name: float(rng.random()) for p in landscape.parameters} for _ in range(2000)]
    blind = np.mean([landscape.noise_free(p) for p in points])
    assert np.mean(rewards[-40:]) > blind + 0.9 * (1.0 - blind)


def test_it_learns_what_depends_on_the_context():
    def surface(p, where):
        return -((p["x"] - 0.2 - 0.6 * where["load"]) ** 2)

    context = np.random.default_rng(0).random(300).tolist()
    rewards = run(fast(ONE, random_seed=0), surface, 300, lambda i: {"load": context[i], "host": "h"})
    assert np.mean(rewards[-60:]) > -0.004  # the best single x earns -0.03


@pytest.mark.parametrize("scale", [1500.0, 2e-9])
def test_rewards_of_any_unit_teach_the_same(scale):
    def learnt(factor):
        algorithm = fast(ONE, random_seed=3)
        run(algorithm, lambda p, _: factor * (5.0 - (p["x"] - 0.8) ** 2), 60)
        return [algorithm.predict(fresh=True).prediction["x"] for _ in range(20)]

    np.testing.assert_allclose(learnt(scale), learnt(1.0), atol=1e-3)


def two_steps(p, where):
    """The first step costs what it moves; the second pays for where that has led."""
    if where["step"] == 0:
        two_steps.position = p["x"]
        return -0.3 * p["x"]
    return where["position"]


def test_it_plans_ahead_within_an_episode():
    late = {}
    for gamma in (0.0, 1.0):
        algorithm = fast(ONE, {"step": (0, 1), "position": (0, 1)}, gamma=gamma, tau=0.05, random_seed=1,
                         max_steps_per_episode=2)  # fmt: skip
        two_steps.position = 0.0
        taken = []
        for i in range(240):
            where = {"step": i % 2, "position": two_steps.position if i % 2 else 0.0}
            prediction, _ = algorithm.predict(where)
            algorithm.set_reward(two_steps(prediction, where), algorithm.get_tuning_requests()[0].context.id)
            taken.append(prediction["x"])
        late[gamma] = np.mean(taken[200::2])
    assert late[0.0] < 0.2
    assert late[1.0] > 0.8


def test_rewards_late_in_any_order_or_never():
    algorithm = fast(PARAMETERS, max_steps_per_episode=3, max_open_requests=30, random_seed=0)
    open_ids = []
    rng = np.random.default_rng(0)
    for i in range(60):
        open_ids += [algorithm.predict({"load": i * 0.1 + k}, fresh=True).request_id for k in range(2)]
        open_ids = open_ids[-20:]
        algorithm.set_reward(float(rng.normal()), request_id=open_ids.pop(int(rng.integers(len(open_ids)))))
    assert algorithm.iteration == 60
    assert all(np.isfinite(p).all() for p in [*algorithm._actor.parameters, *algorithm._critic.parameters])


def test_saved_in_the_middle_of_an_episode():
    algorithm = fast(
        PARAMETERS, max_steps_per_episode=4, random_seed=0, noise="ou", constraints=["n >= 9 * x"]
    )
    context = lambda i: {"cpu": i / 17, "job": "ab"[i % 2]}  # noqa: E731
    run(algorithm, lambda p, _: p["x"], 22, context)
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = DDPG.load(file)
    assert loaded.learnt_fingerprint() == algorithm.learnt_fingerprint()
    rewards = [run(one, lambda p, _: p["x"], 100, context) for one in (algorithm, loaded)]
    assert rewards[0] == rewards[1]
    assert loaded.gradient_steps == algorithm.gradient_steps > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": 1.5},
        {"epsilon_decay_frequency": 0},
        {"hidden_width": 0},
        {"batch_size": 2.0},
        {"initial_random_steps": -1},
        {"gamma": float("nan")},
        {"tau": -0.1},
        {"lr": 0.0},
        {"critic_lr": float("inf")},
        {"learn_loop_count": True},
        {"noise": "pink"},
        {"noise_scale": -1.0},
        {"buffer_size": 0},
        {"max_steps_per_episode": 0},
    ],
    ids=str,
)
def test_options_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        DDPG(PARAMETERS, **wrong)


def test_names_are_not_numbers():
    with pytest.raises(InvalidTypeError):
        DDPG([Categorical("c", "a", ("a", "b"))])
