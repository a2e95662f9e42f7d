"""The bandits of single parameters: their numbers, derived here in plain numpy, and their behaviour."""

import numpy as np
import pytest

from oppertune.algorithms.exponential_weights_slates import ExponentialWeightsSlates
from oppertune.core.values import Categorical, Real
from oppertune.errors import InvalidTypeError
from oppertune.testing.contract import AlgorithmContract

PARAMETERS = (
    Categorical("a", "x", ("x", "y")),
    Categorical("b", "1", ("0", "1", "2")),
    Categorical("fixed", "only", ("only",)),
    Categorical("c", "q", ("p", "q", "r", "s", "t")),
)
KS = (2, 3, 5)


def named(arms):
    a, b, c = arms
    return {"a": "xy"[a], "b": "012"[b], "fixed": "only", "c": "pqrst"[c]}


def expected(seed, rounds, reward):
    """One EXP3 per parameter, drawn in turn from one generator."""
    rng = np.random.default_rng(seed)
    p, smallest = [np.full(k, 1.0 / k) for k in KS], None
    for t in range(rounds):
        eta = [np.sqrt(np.log(k) / (k * (t + 1))) for k in KS]
        if smallest is not None:
            eta = [e / max(1.0, abs(smallest)) for e in eta]
        delta = [min(1.0, np.sqrt(k / (t + 1))) for k in KS]
        p_hat = [(1 - d) * q + d / k for d, q, k in zip(delta, p, KS, strict=True)]
        arms = [int(rng.multinomial(1, q).argmax()) for q in p_hat]
        yield arms, [q.copy() for q in p], p_hat, eta, delta
        r = reward(arms, t)
        smallest = r if smallest is None else min(smallest, r)
        for q, q_hat, e, arm in zip(p, p_hat, eta, arms, strict=True):
            # As in the public implementation, since ties turn on the last bit.
            total = 1 - q[arm]
            q[arm] *= np.exp(e * r / q_hat[arm])
            q /= total + q[arm]


REWARDS = {
    "positive": lambda arms, t: 0.1 + 0.2 * arms[0] + 0.1 * arms[2] + 0.05 * np.cos(t),
    "negative": lambda arms, t: -0.5 - arms[1] - 0.3 * np.sin(t) ** 2,
    "zero": lambda arms, t: 0.0,
    "mixed": lambda arms, t: float(arms[2] - 2) * np.cos(t * (1 + arms[0])),
}


@pytest.mark.parametrize("seed", [0, 2, 31])
@pytest.mark.parametrize("kind", REWARDS)
def test_the_sequence_is_that_of_the_formulas(kind, seed):
    algorithm = ExponentialWeightsSlates(PARAMETERS, random_seed=seed)
    for t, (arms, p, p_hat, eta, delta) in enumerate(expected(seed, 200, REWARDS[kind])):
        assert algorithm.predict().prediction == named(arms)
        for got, wanted in zip(algorithm.p + algorithm.p_hat, p + p_hat, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9)
        assert algorithm.eta == pytest.approx(eta, rel=1e-12)
        assert algorithm.delta == pytest.approx(delta, rel=1e-12)
        algorithm.set_reward(float(REWARDS[kind](arms, t)))
    assert algorithm.iteration == 200


def test_no_reward_overflows():
    algorithm = ExponentialWeightsSlates(PARAMETERS, random_seed=3)
    for reward in [1e6, -0.002, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324, 0.0] * 25:
        algorithm.predict()
        algorithm.set_reward(reward)
        for p, p_hat in zip(algorithm.p, algorithm.p_hat, strict=True):
            assert np.isfinite(p).all()
            assert p.sum() == pytest.approx(1.0)
            assert (p_hat > 0).all()


@pytest.mark.parametrize("scale", [1e6, -0.002])
def test_rewards_of_one_unusual_scale(scale):
    algorithm = ExponentialWeightsSlates(PARAMETERS, random_seed=3)
    log_w, rng, smallest = [np.zeros(k) for k in KS], np.random.default_rng(3), 0.0
    for t in range(200):
        drawn = []
        for k, w in zip(KS, log_w, strict=True):
            delta = min(1.0, np.sqrt(k / (t + 1)))
            p_hat = (1 - delta) * np.exp(w - np.logaddexp.reduce(w)) + delta / k
            drawn.append((int(rng.multinomial(1, p_hat).argmax()), p_hat))
        arms = [arm for arm, _ in drawn]
        assert algorithm.predict().prediction == named(arms)
        for got, (_, p_hat) in zip(algorithm.p_hat, drawn, strict=True):
            np.testing.assert_allclose(got, p_hat, rtol=1e-9)
        r = scale * (1.0 + 0.1 * sum(arms))
        for k, w, (arm, p_hat) in zip(KS, log_w, drawn, strict=True):
            w[arm] += np.sqrt(np.log(k) / (k * (t + 1))) / max(1.0, abs(smallest)) * r / p_hat[arm]
        smallest = min(smallest, r) if t else r
        algorithm.set_reward(r)


def test_many_categories_that_add_up_are_learnt():
    parameters = [Categorical(f"c{i}", "0", ("0", "1", "2")) for i in range(6)]
    algorithm = ExponentialWeightsSlates(parameters, random_seed=8, normalize_rewards=True)
    rng = np.random.default_rng(8)
    right = []
    for _ in range(2500):
        prediction, _ = algorithm.predict()
        hits = sum(value == "012"[i % 3] for i, value in enumerate(prediction.values()))
        right.append(hits)
        algorithm.set_reward(hits / 6 + 0.05 * float(rng.normal()))
    assert np.mean(right[-400:]) > 4.5  # of 6; by chance 2


def test_attributes_that_programs_read():
    algorithm = ExponentialWeightsSlates(PARAMETERS)
    assert (algorithm.k, algorithm.iteration) == (KS, 0)
    assert [len(p) for p in algorithm.p] == [len(p) for p in algorithm.p_hat] == list(KS)
    assert algorithm.delta == [1.0, 1.0, 1.0]


def test_numbers_are_refused():
    with pytest.raises(InvalidTypeError):
        ExponentialWeightsSlates([Real("x", 0.5, 0.0, 1.0)])


class TestContract(AlgorithmContract):
    parameter_types = (Categorical,)

    def make(self, parameters, **kwargs):
        return ExponentialWeightsSlates(parameters, **kwargs)
