"""PPO's gradients against finite differences, its estimator against a slow one, and that it learns."""

import io
import math
from functools import partial

import numpy as np
import pytest

from oppertune.algorithms._networks import MLP, Adam, clip_by_global_norm, orthogonal
from oppertune.algorithms._policies import ActionHeads
from oppertune.algorithms.ppo import PPO, RunningNormaliser, advantages
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.testing.landscapes import quadratic

MIXED = (
    Real("x", 0.2, 0.0, 1.0),
    Categorical("c", "b", ("a", "b", "c")),
    Integer("n", 10, 1, 1000, log=True),
    Categorical("d", "u", ("u", "v")),
)

Classical = partial(PPO, model_based=False)


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


def test_the_network_backwards():
    rng = np.random.default_rng(0)
    net = MLP(rng, (3, 5, 4, 2), 0.7)
    x, wanted = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    outputs, inputs = net.forward(x)
    gradients = net.backward(inputs, outputs - wanted)
    numeric = differences(lambda: 0.5 * ((net.forward(x)[0] - wanted) ** 2).sum(), net.parameters)
    for got, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-7)


@pytest.mark.parametrize("parameters", [MIXED, MIXED[:1], MIXED[1:2]], ids=["mixed", "number", "category"])
@pytest.mark.parametrize(
    "parts",
    [
        {"vf_coef": 0.0, "ent_coef": 0.0},
        {"vf_coef": 0.7, "ent_coef": 0.0},
        {"vf_coef": 0.0, "ent_coef": 0.3},
        {"vf_coef": 0.5, "ent_coef": 0.05, "normalize_advantage": False},
    ],
    ids=["policy", "value", "entropy", "all"],
)
def test_the_loss_backwards(parameters, parts):
    algorithm = Classical(
        parameters, net_arch=(5, 4), state_features=("load",), random_seed=1, log_std_init=-0.3, **parts
    )
    rng = np.random.default_rng(2)
    # Weights of ordinary size: PPO's own start leaves the policy's gradients tiny.
    for weights in algorithm._weights():
        weights += 0.4 * rng.normal(size=weights.shape)
    heads, n = algorithm._heads, 12
    observations = rng.normal(size=(n, 1 + len(parameters)))
    outputs, _ = algorithm._policy.forward(observations)
    actions = np.array([heads.sample(rng, row, algorithm._log_std) for row in outputs])
    # Old probabilities far enough from the new ones that some ratios are clipped on either side.
    old = heads.evaluate(outputs, algorithm._log_std, actions).log_prob + rng.normal(size=n) * 0.4
    batch = observations, actions, old, rng.normal(size=n), rng.normal(size=n)
    _, gradients = algorithm._loss(*batch)
    numeric = differences(lambda: algorithm._loss(*batch)[0], algorithm._weights())
    for got, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-7)


def test_log_probabilities_and_entropies():
    heads = ActionHeads(MIXED)
    outputs = np.array([[0.5, -0.2, 0.1, 0.2, 0.3, 1.0, -1.0]])
    log_std = np.array([0.1, -0.4])
    action = np.array([[1.7, 0.3, 2.0, 0.0]])  # x, n, then the categories c and d
    got = heads.evaluate(outputs, log_std, action)

    def gauss(a, mean, s):
        return -0.5 * ((a - mean) / math.exp(s)) ** 2 - s - 0.5 * math.log(2 * math.pi)

    def softmax(logits):
        e = np.exp(logits)
        return e / e.sum()

    c, d = softmax(outputs[0, 2:5]), softmax(outputs[0, 5:])
    assert got.log_prob[0] == pytest.approx(
        gauss(1.7, 0.5, 0.1) + gauss(0.3, -0.2, -0.4) + math.log(c[2]) + math.log(d[0])
    )
    entropy = sum(0.5 + 0.5 * math.log(2 * math.pi) + s for s in log_std)
    assert got.entropy[0] == pytest.approx(entropy - (c * np.log(c)).sum() - (d * np.log(d)).sum())
    # clipped for the value only
    assert heads.values(action[0]) == {"x": 1.0, "n": 89, "c": "c", "d": "u"}


def test_sampling_follows_the_policy():
    heads = ActionHeads(MIXED)
    rng = np.random.default_rng(0)
    outputs = np.array([0.5, -0.2, 0.1, 0.2, 0.9, 1.0, -1.0])
    drawn = np.array([heads.sample(rng, outputs, np.array([-1.0, -2.0])) for _ in range(4000)])
    np.testing.assert_allclose(drawn[:, :2].mean(axis=0), [0.5, -0.2], atol=0.03)
    np.testing.assert_allclose(drawn[:, :2].std(axis=0), np.exp([-1.0, -2.0]), rtol=0.05)
    p = np.exp(outputs[2:5]) / np.exp(outputs[2:5]).sum()
    np.testing.assert_allclose(np.bincount(drawn[:, 2].astype(int)) / 4000, p, atol=0.03)


def slow_advantages(rewards, values, ends, last_value, gamma, lam):
    """Sums of discounted temporal differences, term by term."""
    n = len(rewards)
    following = [*values[1:], last_value]
    deltas = [rewards[t] + (0.0 if ends[t] else gamma * following[t]) - values[t] for t in range(n)]
    result = []
    for t in range(n):
        total, k = 0.0, t
        while k < n:
            total += (gamma * lam) ** (k - t) * deltas[k]
            if ends[k]:
                break
            k += 1
        result.append(total)
    return result


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (0.5, 1.0), (1.0, 0.0), (0.0, 0.5)])
def test_advantages_against_the_definition(gamma, lam):
    rng = np.random.default_rng(3)
    rewards, values, ends = rng.normal(size=20), rng.normal(size=20), rng.random(20) < 0.2
    got = advantages(rewards, values, ends, 0.7, gamma, lam)
    np.testing.assert_allclose(got, slow_advantages(rewards, values, ends, 0.7, gamma, lam))


def test_the_parts():
    rng = np.random.default_rng(0)
    for rows, columns in ((3, 7), (7, 3), (4, 4)):
        w = orthogonal(rng, rows, columns, 2.0)
        gram = w @ w.T if rows <= columns else w.T @ w
        np.testing.assert_allclose(gram, 4.0 * np.eye(min(rows, columns)), atol=1e-12)
    clipped = clip_by_global_norm([np.array([3.0]), np.array([4.0])], 0.5)
    assert math.hypot(clipped[0][0], clipped[1][0]) == pytest.approx(0.5, rel=1e-5)
    assert clip_by_global_norm([np.array([0.3])], 0.5)[0][0] == 0.3
    assert clip_by_global_norm([np.zeros(2)], 0.5)[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(
        clip_by_global_norm([np.array([1e300, -1e300])], 1.0)[0], [0.5**0.5, -(0.5**0.5)]
    )
    x = np.array([1.0, -2.0])
    adam = Adam(0.1, eps=1e-5)
    m, v, expected = np.zeros(2), np.zeros(2), x.copy()
    for t in range(1, 6):
        g = 2 * expected
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected = expected - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-5)
        adam.step([x], [2 * x])
        np.testing.assert_allclose(x, expected, rtol=1e-12)
    normaliser = RunningNormaliser(2)
    rows = rng.normal(size=(50, 2)) * [1.0, 1000.0] + [5.0, -3.0]
    for row in rows:
        normaliser.update(row)
    np.testing.assert_allclose(
        normaliser.normalise(rows[0]), (rows[0] - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-8)
    )


def run(algorithm, surface, rounds, context=lambda i: None):
    rewards = []
    for i in range(rounds):
        where = context(i)
        prediction, request_id = algorithm.predict(where)
        rewards.append(surface(prediction, where))
        algorithm.set_reward(rewards[-1], request_id=request_id)
    return rewards


def test_it_learns_a_quadratic_bandit():
    landscape = quadratic(2, seed=1)
    late = [
        np.mean(run(_bandit(landscape.parameters, seed), lambda p, _: landscape.noise_free(p), 900)[-150:])
        for seed in range(3)
    ]
    rng = np.random.default_rng(0)
    points = [dict(zip(("x0", "x1"), map(float, rng.random(2)), strict=True)) for _ in range(2000)]
    blind = np.mean([landscape.noise_free(p) for p in points])
    assert min(late) > blind + 0.6 * (1.0 - blind)


def _bandit(parameters, seed, **options):
    settings = {"n_steps": 32, "batch_size": 32, "learning_rate": 1e-2, "max_steps_per_episode": 1, **options}
    return Classical(parameters, random_seed=seed, **settings)


def test_it_learns_what_depends_on_the_context():
    parameters = [Categorical("mode", "a", ("a", "b"))]

    def surface(p, where):
        return float((p["mode"] == "b") == (where["load"] > 0.5))

    algorithm = _bandit(parameters, 0, net_arch=(16, 16))
    rewards = run(algorithm, surface, 700, lambda i: {"load": 0.1 + 0.8 * ((i * 7) % 10 > 4), "host": "h"})
    assert algorithm.state_features == ("load", "host")
    assert np.mean(rewards[-100:]) > 0.85


def test_it_starts_where_the_host_is():
    parameters = [Real("x", 0.9, 0.0, 1.0), Categorical("c", "b", ("a", "b", "c", "d"))]

    def drawn(**options):
        algorithm = Classical(parameters, random_seed=0, log_std_init=-2.0, **options)
        return [algorithm.predict(fresh=True).prediction for _ in range(300)]

    here, middle = drawn(), drawn(start_at_default=False)
    assert np.mean([p["x"] for p in here]) == pytest.approx(0.9, abs=0.02)
    assert np.mean([p["c"] == "b" for p in here]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([p["x"] for p in middle]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([p["c"] == "b" for p in middle]) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(("n_steps", "batch_size", "per_rollout"), [(8, 4, 6), (8, 64, 3), (7, 3, 9)])
def test_when_it_learns(n_steps, batch_size, per_rollout):
    algorithm = Classical(MIXED, n_steps=n_steps, batch_size=batch_size, n_epochs=3, random_seed=0)
    for i in range(2 * n_steps + 1):
        rollouts = i // n_steps
        assert (algorithm.rollouts, algorithm.gradient_steps) == (rollouts, rollouts * per_rollout)
        algorithm.predict()
        algorithm.set_reward(0.1 * i)


def test_the_seeds_settings_take_no_step_in_a_short_run():
    algorithm = Classical(MIXED, random_seed=0)
    run(algorithm, lambda p, _: p["x"], 200)
    assert algorithm.gradient_steps == 0
    assert (algorithm.n_steps, algorithm.batch_size, algorithm.n_epochs, algorithm.gamma) == (
        2048,
        64,
        10,
        0.99,
    )


def test_stale_transitions_and_missing_features():
    algorithm = Classical(MIXED, n_steps=4, state_features=("cpu", "io"), random_seed=0)
    requests = [algorithm.predict({"cpu": 0.1 * i, "job": "x"}, fresh=True) for i in range(12)]
    for i, (_, request_id) in enumerate(reversed(requests)):
        algorithm.set_reward(float(i), request_id=request_id)
    assert algorithm.rollouts == 3
    assert all(np.isfinite(w).all() for w in algorithm._weights())


def test_saved_in_the_middle_of_a_rollout():
    algorithm = Classical(
        MIXED, n_steps=8, batch_size=4, n_epochs=2, random_seed=0, constraints=["n >= 100 * x"]
    )
    run(algorithm, lambda p, _: p["x"], 13, lambda i: {"cpu": i / 13})
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = PPO.load(file)
    rewards = [run(one, lambda p, _: p["x"], 60, lambda i: {"cpu": i / 60}) for one in (algorithm, loaded)]
    assert rewards[0] == rewards[1]
    assert loaded.gradient_steps == algorithm.gradient_steps > 0


@pytest.mark.parametrize(
    "wrong",
    [{"n_steps": 0}, {"batch_size": 1.5}, {"learning_rate": 0}, {"gamma": 1.1}, {"clip_range": float("nan")}],
)
def test_options_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        Classical(MIXED, **wrong)
