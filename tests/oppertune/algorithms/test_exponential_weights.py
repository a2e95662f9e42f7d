"""The bandit over all combinations: its numbers, derived here in plain numpy, and its behaviour."""

import io
import itertools

import numpy as np
import pytest

from oppertune.algorithms.exponential_weights import MOST_ARMS, ExponentialWeights
from oppertune.core.values import Categorical, Integer
from oppertune.errors import InvalidParameterError, InvalidTypeError
from oppertune.testing.contract import AlgorithmContract

PARAMETERS = (
    Categorical("a", "x", ("x", "y")),
    Categorical("fixed", "only", ("only",)),
    Categorical("b", "1", ("0", "1", "2")),
)
ARMS = [{"a": a, "fixed": "only", "b": b} for a, b in itertools.product(("x", "y"), ("0", "1", "2"))]


def rewards_of(kind, seed):
    """One reward per arm, and how it changes with the round."""
    rng = np.random.default_rng(1000 + seed)
    base = {
        "positive": rng.uniform(0.1, 1.0, 6),
        "negative": -rng.uniform(0.1, 3.0, 6),
        "zero": np.zeros(6),
        "mixed": rng.normal(size=6),
        "large negative": -rng.uniform(5.0, 40.0, 6),
    }[kind]
    return lambda arm, t: float(base[arm] * (1.0 + 0.5 * np.sin(t)))


def expected(k, seed, rounds, reward):
    """EXP3 with multiplied weights, as the formulas have it."""
    rng = np.random.default_rng(seed)
    p, smallest = np.full(k, 1.0 / k), None
    for t in range(rounds):
        eta = np.sqrt(np.log(k) / (k * (t + 1)))
        if smallest is not None:
            eta /= max(1.0, abs(smallest))
        delta = min(1.0, np.sqrt(k / (t + 1)))
        p_hat = (1 - delta) * p + delta / k
        arm = int(rng.multinomial(1, p_hat).argmax())
        yield arm, p.copy(), p_hat, eta, delta
        r = reward(arm, t)
        smallest = r if smallest is None else min(smallest, r)
        # Renormalised by what the sum has become, 1 - before + after, as the public implementation has it:
        # between tied arms numpy's multinomial turns on the last bit.
        total = 1 - p[arm]
        p[arm] *= np.exp(eta * r / p_hat[arm])
        p /= total + p[arm]


def expected_in_logarithms(k, seed, rounds, reward):
    """The same for rewards that the multiplied weights cannot hold."""
    rng = np.random.default_rng(seed)
    log_w, smallest = np.zeros(k), None
    for t in range(rounds):
        eta = np.sqrt(np.log(k) / (k * (t + 1))) / (1.0 if smallest is None else max(1.0, abs(smallest)))
        delta = min(1.0, np.sqrt(k / (t + 1)))
        p = np.exp(log_w - np.logaddexp.reduce(log_w))
        p_hat = (1 - delta) * p + delta / k
        arm = int(rng.multinomial(1, p_hat).argmax())
        yield arm, p, p_hat, eta, delta
        r = reward(arm, t)
        smallest = r if smallest is None else min(smallest, r)
        log_w[arm] += eta * r / p_hat[arm]


@pytest.mark.parametrize("seed", [0, 1, 7, 123])
@pytest.mark.parametrize("kind", ["positive", "negative", "zero", "mixed", "large negative"])
def test_the_sequence_is_that_of_the_formulas(kind, seed):
    reward = rewards_of(kind, seed)
    algorithm = ExponentialWeights(PARAMETERS, random_seed=seed)
    for t, (arm, p, p_hat, eta, delta) in enumerate(expected(6, seed, 200, reward)):
        assert algorithm.predict().prediction == ARMS[arm]
        np.testing.assert_allclose(algorithm.p, p, rtol=1e-9)
        np.testing.assert_allclose(algorithm.p_hat, p_hat, rtol=1e-9)
        assert algorithm.eta == pytest.approx(eta, rel=1e-12)
        assert algorithm.delta == pytest.approx(delta, rel=1e-12)
        assert algorithm.iteration == t
        algorithm.set_reward(reward(arm, t))


@pytest.mark.parametrize("scale", [1500.0, 1e6, -1e6, -0.002, 0.002])
def test_rewards_of_any_scale_follow_the_formulas(scale):
    def reward(arm, t):
        return scale * (1.0 + 0.1 * arm)

    algorithm = ExponentialWeights(PARAMETERS, random_seed=3)
    for t, (arm, p, p_hat, eta, _) in enumerate(expected_in_logarithms(6, 3, 200, reward)):
        assert algorithm.predict().prediction == ARMS[arm]
        np.testing.assert_allclose(algorithm.p, p, rtol=1e-6, atol=1e-300)
        np.testing.assert_allclose(algorithm.p_hat, p_hat, rtol=1e-9)
        assert algorithm.eta == pytest.approx(eta, rel=1e-12)
        algorithm.set_reward(reward(arm, t))


def test_thousands_of_losses_leave_the_probabilities_exact():
    """Renormalising by 1 - before + after alone loses its footing after some hundred of them."""

    def reward(arm, t):
        return -1.0 - 0.01 * arm

    algorithm = ExponentialWeights(PARAMETERS, random_seed=3)
    for t, (arm, p, _, _, _) in enumerate(expected_in_logarithms(6, 3, 500, reward)):
        assert algorithm.predict().prediction == ARMS[arm]
        # Rounding errors feed back through p_hat, in any implementation.
        np.testing.assert_allclose(algorithm.p, p, rtol=1e-6)
        algorithm.set_reward(reward(arm, t))
    for _ in range(4000):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(reward(ARMS.index(prediction), 0))
        assert sum(algorithm.p) == pytest.approx(1.0, abs=1e-10)


def test_no_reward_overflows():
    algorithm = ExponentialWeights(PARAMETERS, random_seed=3)
    for reward in [1e6, -0.002, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324, 0.0] * 25:
        algorithm.predict()
        algorithm.set_reward(reward)
        assert np.isfinite(algorithm.p).all()
        assert algorithm.p.sum() == pytest.approx(1.0)
        assert (algorithm.p_hat > 0).all()


def test_a_reward_weighs_by_the_probability_its_own_draw_had():
    """Late rewards: p_hat at the draw, eta at the update."""
    algorithm = ExponentialWeights(PARAMETERS, random_seed=4)
    for _ in range(30):
        algorithm.predict()
        algorithm.set_reward(0.4)
    late = algorithm.predict(fresh=True)
    then = algorithm.p_hat
    for _ in range(20):
        _, request_id = algorithm.predict(fresh=True)
        algorithm.set_reward(-0.7, request_id=request_id)
    before, eta, arm = algorithm.p, algorithm.eta, ARMS.index(late.prediction)
    algorithm.set_reward(0.9, request_id=late.request_id)
    before[arm] *= np.exp(eta * 0.9 / then[arm])
    np.testing.assert_allclose(algorithm.p, before / before.sum(), rtol=1e-9)


def test_it_finds_the_best_combination():
    algorithm = ExponentialWeights(PARAMETERS, random_seed=5)
    rng = np.random.default_rng(5)
    best = {"a": "y", "fixed": "only", "b": "0"}
    hits = []
    for _ in range(3000):
        prediction, _ = algorithm.predict()
        hits.append(prediction == best)
        # No single category is good: only the two together are.
        algorithm.set_reward((prediction == best) + 0.2 * float(rng.normal()))
    assert algorithm.p.argmax() == ARMS.index(best)
    assert np.mean(hits[-500:]) > 0.75
    assert algorithm.recommend() == best


def test_normalised_rewards_of_thousands_are_learnt():
    algorithm = ExponentialWeights(PARAMETERS, random_seed=6, normalize_rewards=True)
    rng = np.random.default_rng(6)
    for _ in range(1500):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(1500.0 + 300.0 * (prediction["b"] == "2") + 30.0 * float(rng.normal()))
    assert sum(algorithm.p[[2, 5]]) > 0.9


def test_attributes_that_programs_read():
    algorithm = ExponentialWeights(PARAMETERS)
    assert (algorithm.k, algorithm.iteration, algorithm.delta) == (6, 0, 1.0)
    assert algorithm.p.shape == algorithm.p_hat.shape == (6,)
    assert [p.name for p in algorithm.params] == ["a", "b"]


def test_saved_and_loaded():
    algorithm = ExponentialWeights(PARAMETERS, random_seed=9)
    for i in range(40):
        algorithm.predict()
        algorithm.set_reward(float(i % 5) * 3.7 - 4.0)
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = ExponentialWeights.load(file)
    for i in range(100):
        assert loaded.predict().prediction == algorithm.predict().prediction
        np.testing.assert_array_equal(loaded.p_hat, algorithm.p_hat)
        for one in (loaded, algorithm):
            one.set_reward(float(i % 3))


def test_too_many_combinations_are_refused():
    many = [Categorical(f"c{i}", "0", tuple("0123456789")) for i in range(6)]
    with pytest.raises(InvalidParameterError, match="exponential_weights_slates"):
        ExponentialWeights(many)
    assert MOST_ARMS < 10**6


def test_numbers_are_refused():
    with pytest.raises(InvalidTypeError):
        ExponentialWeights([Integer("n", 1, 0, 3)])


class TestContract(AlgorithmContract):
    parameter_types = (Categorical,)

    def make(self, parameters, **kwargs):
        return ExponentialWeights(parameters, **kwargs)
