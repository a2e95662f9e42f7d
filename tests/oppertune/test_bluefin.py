"""BlueFin's numbers, derived here in plain numpy from the papers' formulas, and its behaviour beside them."""

import io

import numpy as np
import pytest

from oppertune.algorithms.bluefin import BlueFin
from oppertune.core.values import Integer, Real
from oppertune.errors import InvalidArgumentError
from oppertune.testing.landscapes import quadratic

PARAMETERS = (
    Integer("n", val=40, min=10, max=90, step=2),
    Real("x", val=-1.0, min=-3.0, max=7.0),
    Real("s", val=0.3, min=0.1, max=0.9, step=0.1),
)
TOPS = np.array([40.0, 1.0, 8.0])  # inside maxima
STARTS = np.array([15.0, 0.2, 2.0])
INTEGER = np.array([True, False, True])


def outside(w):
    inside = w * TOPS
    n, x, s = np.where(INTEGER, np.round(inside), inside)
    return {"n": int(10 + 2 * n), "x": -3.0 + 10.0 * x, "s": round(0.1 + 0.1 * s, 10)}


def reward(p):
    return -abs(p["n"] - 70) / 50 - (p["x"] - 3.0) ** 2 / 20 + p["s"] - 0.2


def expected(seed, rounds, feedback, optimizer, eta, delta, decay, momentum=0.0):
    """The recursion as the formulas have it."""
    rng = np.random.default_rng(seed)

    def direction():
        g = rng.normal(size=3)
        return g / np.linalg.norm(g)

    w = np.clip(STARTS / TOPS, delta, 1 - delta)
    u, square, buffer, eta0, t, plus = direction(), 0.0, 0.0, eta, 0, None
    for _ in range(rounds):
        sign = -1.0 if plus is not None else 1.0
        prediction = outside(np.clip(w + sign * delta * u, 0, 1))
        yield prediction, w.copy()
        r = reward(prediction)
        if feedback == 2 and plus is None:
            plus = r
            continue
        if feedback == 1:
            g = 3 * r / delta * u
        else:
            scale = max(abs(plus), abs(r))
            g = 3 * ((plus - r) / scale if scale else 0.0) / (2 * delta) * u
        if optimizer == "rmsprop":
            square = 0.99 * square + 0.01 * g**2
            buffer = momentum * buffer + g / (np.sqrt(square) + 1e-8)
            w = w + eta * buffer
        else:
            w = w + eta * g
        w = np.clip(w, delta, 1 - delta)
        if decay:
            eta = eta0 / (1 + decay * (t + 1))
            delta = np.sqrt(eta)
        t, plus, u = t + 1, None, direction()


@pytest.mark.parametrize("feedback", [1, 2])
@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.03])
def test_the_sequence_is_that_of_the_formulas(feedback, optimizer, decay):
    eta, delta = 0.0025, 0.05
    algorithm = BlueFin(
        PARAMETERS,
        eta=eta,
        delta=delta,
        eta_decay_rate=decay,
        feedback=feedback,
        optimizer=optimizer,
        random_seed=7,
    )
    for prediction, center in expected(7, 200, feedback, optimizer, eta, delta, decay):
        np.testing.assert_allclose(algorithm.w_center, center, rtol=1e-9)
        got, _ = algorithm.predict()
        assert got["n"] == prediction["n"]
        assert got["s"] == prediction["s"]
        assert got["x"] == pytest.approx(prediction["x"], rel=1e-9, abs=1e-9)
        algorithm.set_reward(reward(prediction))
    assert algorithm.iteration == 200 // feedback


def test_momentum():
    args = {"eta": 0.01, "momentum": 0.5}
    algorithm = BlueFin(PARAMETERS, optimizer_args=args, random_seed=1)
    for prediction, _ in expected(1, 50, 1, "rmsprop", 0.01, 0.1, 0.0, momentum=0.5):
        assert algorithm.predict().prediction == pytest.approx(prediction, rel=1e-9)
        algorithm.set_reward(reward(prediction))


def test_two_point_feedback_climbs():
    landscape = quadratic(4, seed=3)
    algorithm = BlueFin(landscape.parameters, feedback=2, random_seed=3)
    for _ in range(400):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(landscape.noise_free(prediction))
    center = {p.name: float(w) for p, w in zip(landscape.parameters, algorithm.w_center, strict=True)}
    assert landscape.regret(center) < 0.1


def test_predictions_in_parallel_are_different_ends():
    algorithm = BlueFin(PARAMETERS, feedback=2, random_seed=5)
    alone = BlueFin(PARAMETERS, feedback=2, random_seed=5)
    first, second, third = (algorithm.predict(fresh=True) for _ in range(3))
    assert first.prediction == alone.predict().prediction
    alone.set_reward(0.1)
    assert second.prediction == alone.predict().prediction
    assert third.prediction not in (first.prediction, second.prediction)
    algorithm.set_reward(0.3, request_id=second.request_id)
    assert algorithm.iteration == 0
    algorithm.set_reward(0.1, request_id=first.request_id)
    alone.set_reward(0.3)
    assert algorithm.iteration == 1
    np.testing.assert_array_equal(algorithm.w_center, alone.w_center)
    np.testing.assert_array_equal(algorithm.u, alone.u)


def test_an_end_that_is_never_rewarded_is_played_again():
    algorithm = BlueFin(PARAMETERS, random_seed=5, max_open_requests=1)
    first = algorithm.predict().prediction
    # Its request lapses when the next one is opened, so that its end is free after that.
    assert algorithm.predict({"a": 1}).prediction != first
    assert algorithm.predict({"a": 2}).prediction == first


def test_attributes_that_programs_read():
    algorithm = BlueFin(PARAMETERS, eta=0.02, delta=0.2, feedback=2, random_seed=0)
    assert (algorithm.eta, algorithm.delta, algorithm.feedback, algorithm.iteration) == (0.02, 0.2, 2, 0)
    assert algorithm.w_center.shape == algorithm.u.shape == (3,)
    assert algorithm.at_first_perturbation
    assert [p.max for p in algorithm.params] == [40, 1.0, 8]
    np.testing.assert_allclose(algorithm.w_plus + algorithm.w_minus, 2 * algorithm.w_center)
    algorithm.predict()
    algorithm.set_reward(0.5)
    assert not algorithm.at_first_perturbation


@pytest.mark.parametrize(
    "wrong",
    [
        {"eta": 0.0},
        {"eta": float("nan")},
        {"delta": 0.0},
        {"delta": 0.6},
        {"feedback": 3},
        {"eta_decay_rate": -1.0},
        {"optimizer": "adam"},
        {"optimizer_args": {"alpha": 1.5}, "eta": 0.1},
    ],
)
def test_options_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError):
        BlueFin(PARAMETERS, **wrong)


def test_saved_in_the_middle_of_a_pair():
    algorithm = BlueFin(PARAMETERS, feedback=2, random_seed=5, optimizer_args={"eta": 0.01, "momentum": 0.3})
    for i in range(7):
        algorithm.predict()
        algorithm.set_reward(i * 0.1)
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = BlueFin.load(file)
    for i in range(100):
        assert loaded.predict().prediction == algorithm.predict().prediction
        loaded.set_reward(i % 7)
        algorithm.set_reward(i % 7)
