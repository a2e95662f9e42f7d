"""The bare loop, and the functions from which rewards are put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune import rewards
from oppertune.algorithms.bluefin import BlueFin
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.application import tune
from oppertune.core.values import Integer, Real
from oppertune.errors import InvalidArgumentError, RewardError

PARAMETERS = (Integer("n", 4, 0, 100), Real("x", 0.5, 0.0, 1.0))


class App:
    """Writes down what happened to it."""

    def __init__(self, breaks=lambda parameters: False):
        self.log = []
        self.breaks = breaks

    def set_parameters(self, parameters):
        self.parameters = dict(parameters)
        self.log.append("set")
        parameters.clear()

    def run(self):
        self.log.append("run")
        if self.breaks(self.parameters):
            raise OSError("out of memory")


class Monitor:
    def __init__(self, app):
        self.app = app

    def start(self):
        self.app.log.append("start")

    def stop(self):
        self.app.log.append("stop")
        return {"throughput": 10.0 * self.app.parameters["n"]}


def reward(metrics):
    return metrics["throughput"] / 1000


def test_the_order_of_calls_and_the_history():
    app = App()
    algorithm = UniformRandom(PARAMETERS, random_seed=1)
    result = tune(app, Monitor(app), reward, algorithm, rounds=12)
    assert app.log == ["set", "start", "run", "stop"] * 12
    assert (len(result.history), result.stopped_because) == (12, "rounds")
    assert result.best == max(result.history, key=lambda done: done.reward)
    assert all(done.reward == done.parameters["n"] / 100 for done in result.history)
    assert result.recommended == algorithm.recommend()
    assert algorithm.iteration == 12
    assert algorithm.get_tuning_requests() == []


def test_it_stops_at_the_target():
    app = App()
    result = tune(app, Monitor(app), reward, BlueFin(PARAMETERS, feedback=2, random_seed=1), target=0.0)
    assert (len(result.history), result.stopped_because) == (1, "target")


def test_contexts_are_asked_for_before_every_round():
    app = App()
    loads = iter(range(5))
    contexts = []

    class Watched(UniformRandom):
        def _predict(self, tuning_request):
            contexts.append(tuning_request.context.data)
            return super()._predict(tuning_request)

    tune(app, Monitor(app), reward, Watched(PARAMETERS), rounds=5, context=lambda: {"load": next(loads)})
    assert contexts == [{"load": i} for i in range(5)]


def test_a_run_that_fails():
    app = App(lambda parameters: parameters["n"] > 50)
    with pytest.raises(OSError, match="memory"):
        tune(app, Monitor(app), reward, UniformRandom(PARAMETERS, random_seed=3), rounds=50)
    assert app.log[-3:] == ["start", "run", "stop"]
    algorithm = UniformRandom(PARAMETERS, random_seed=3)
    result = tune(app, Monitor(app), reward, algorithm, rounds=50, failure_reward=-1.0, target=0.51)
    failed = [done for done in result.history if done.error is not None]
    assert failed
    assert all(done.reward == -1.0 and done.metrics is None for done in failed)
    assert result.best.reward <= 0.5
    assert result.recommended["n"] <= 50
    nothing = tune(App(lambda _: True), Monitor(app), reward, algorithm, rounds=2, failure_reward=0.0)
    assert nothing.best is None


def test_misuse():
    app = App()
    with pytest.raises(InvalidArgumentError):
        tune(app, Monitor(app), reward, UniformRandom(PARAMETERS), rounds=0)
    with pytest.raises(RewardError):
        tune(app, Monitor(app), lambda _: float("nan"), UniformRandom(PARAMETERS))


def test_rewards_are_put_together():
    assert rewards.clip(1.5) == 1.0
    assert rewards.clip(-3, -1, 1) == -1.0
    assert rewards.normalise(0.05, worst=0.2, best=0.0) == pytest.approx(0.75)
    assert rewards.normalise(3000, worst=0, best=1500) == 2.0
    assert rewards.normalise(0.0, worst=-1.7e308, best=1.7e308) == 0.5
    assert rewards.weight({"a": 1.0, "b": 0.0}, {"a": 3, "b": 1}) == 0.75
    assert rewards.penalise(0.8, 0.25) == pytest.approx(0.6)
    assert rewards.penalise(-0.8, 0.25) == pytest.approx(-1.0)
    assert rewards.penalise_above(1.0, 150, limit=100, slope=2) == pytest.approx(0.0)
    assert rewards.penalise_above(1.0, 50, limit=100) == 1.0
    assert rewards.normalize is rewards.normalise
    assert rewards.penalize is rewards.penalise


@pytest.mark.parametrize(
    "call",
    [
        lambda: rewards.clip(0.5, 1, 0),
        lambda: rewards.normalise(1.0, worst=2, best=2),
        lambda: rewards.weight({"a": 1.0}, {"b": 1}),
        lambda: rewards.weight({"a": 1.0}, {"a": 0}),
        lambda: rewards.weight({"a": 1.0, "b": 1.0}, {"a": -1, "b": 3}),
        lambda: rewards.weight({}, {}),
        lambda: rewards.penalise(1.0, 1.5),
        lambda: rewards.penalise_above(1.0, 1.0, limit=0),
        lambda: rewards.penalise_above(1.0, 1.0, limit=1, slope=-1),
    ],
)
def test_arguments_out_of_range(call):
    with pytest.raises(InvalidArgumentError):
        call()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "1", None, True])
def test_what_is_no_number_is_refused(bad):
    for call in (
        lambda: rewards.clip(bad),
        lambda: rewards.normalise(bad, worst=0, best=1),
        lambda: rewards.weight({"a": bad}, {"a": 1}),
        lambda: rewards.penalise(bad, 0.5),
        lambda: rewards.penalise_above(bad, 1, limit=1),
    ):
        with pytest.raises(RewardError):
            call()


@given(st.floats(-1e6, 1e6), st.floats(0, 1))
def test_a_penalty_never_helps(value, rate):
    assert rewards.penalise(value, rate) <= value
