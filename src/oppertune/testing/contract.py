"""The laws that every algorithm must obey, shipped so that algorithms written elsewhere can be held to them.

Subclass :class:`AlgorithmContract` with one method, and any test runner that collects ``test_*`` methods will
do::

    class TestMine(AlgorithmContract):
        def make(self, parameters, **kwargs):
            return Mine(parameters, **kwargs)

Each law is also a function of ``(make, parameters, constraints, conditions)``, so that property-based tests
may draw the space. ``make`` receives keyword arguments of the base class and hands them on.
"""

from __future__ import annotations

import io
import json
import random
import threading
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from oppertune.algorithms.base import Algorithm
from oppertune.core.conditions import Conditions
from oppertune.core.space import NO_CONDITIONS
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.errors import RewardError, StateError, UnknownRequestError
from oppertune.testing._checks import Constraints, check_prediction, law, refuses, smooth_reward
from oppertune.testing._client import Client
from oppertune.testing._examples import EXAMPLES

__all__ = ("LAWS", "AlgorithmContract", "Client", "Law", "Make", "check_prediction", "smooth_reward")

Make = Callable[..., Algorithm]
Law = Callable[[Make, Sequence[Parameter], Constraints, Conditions], None]


def _made(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints,
    conditions: Conditions,
    **kwargs: Any,
) -> Algorithm:
    # What a space does not have is not mentioned, so that older algorithms pass as well.
    given: dict[str, Any] = {"constraints": constraints, "conditions": conditions}
    return make(parameters, **{key: value for key, value in given.items() if value}, **kwargs)


def _reward(algorithm: Algorithm, reward: Any, request_id: str) -> None:
    algorithm.set_reward(reward, request_id=request_id)


def _run(algorithm: Algorithm, rounds: int, scale: float = 1.0) -> list[dict[str, Value]]:
    """Predictions of an ordinary loop."""
    predictions = []
    for _ in range(rounds):
        prediction, _ = algorithm.predict()
        predictions.append(prediction)
        algorithm.set_reward(scale * smooth_reward(algorithm.parameters, prediction))
    return predictions


def predictions_are_valid(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Whatever the rewards, every prediction and every recommendation is valid."""
    rewards = (1.0, 0.0, -2.5, 1e-12, 1500.0, -1e6, 1e300, -1e300)
    algorithm = _made(make, parameters, constraints, conditions, random_seed=1)
    for i in range(24):
        prediction, request_id = algorithm.predict(fresh=i % 3 == 0)
        check_prediction(parameters, constraints, prediction, conditions)
        algorithm.set_reward(rewards[i % len(rewards)], request_id=request_id)
        check_prediction(parameters, constraints, algorithm.recommend(), conditions)


def zero_and_negative_rewards_count(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """A reward of 0.0 is a reward, and less than nothing is worse than nothing."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=2)
    first, request_id = algorithm.predict()
    algorithm.set_reward(0.0)
    law(not algorithm.get_tuning_requests(), "a reward of 0.0 closes its request")
    refuses(RewardError, "a reward of 0.0 is a reward", _reward, algorithm, 1.0, request_id)
    for _ in range(6):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(0.0 if prediction == first else -1.0)
    # What was measured, whatever a model of the algorithm's own makes of it.
    law(Algorithm.recommend(algorithm) == first, "0.0 is better than -1.0")


def bad_rewards_are_refused(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """NaN, infinities, texts and truth values are refused; nothing is learnt, and the request stays open."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=3)
    _, request_id = algorithm.predict()
    before = algorithm.learnt_fingerprint()
    for bad in (float("nan"), float("inf"), float("-inf"), "1.0", True, [1.0]):
        refuses(RewardError, f"{bad!r} is no reward of a context", algorithm.set_reward, bad)
        refuses(RewardError, f"{bad!r} is no reward of a request", _reward, algorithm, bad, request_id)
        refuses(RewardError, f"{bad!r} is not stored", algorithm.store_reward, request_id, bad)
    refuses(RewardError, "no reward at all teaches nothing", algorithm.set_reward, None)
    law(algorithm.learnt_fingerprint() == before, "a refused reward teaches nothing")
    algorithm.set_reward(1.0, request_id=request_id)


def a_second_reward_is_an_error(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """One request has one reward, and a reward needs a request."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=4)
    refuses(UnknownRequestError, "a reward needs a request", algorithm.set_reward, 1.0)
    refuses(UnknownRequestError, "a reward needs a request", algorithm.store_reward, "none", 1.0)
    _, request_id = algorithm.predict()
    algorithm.store_reward(request_id, 0.0)
    refuses(RewardError, "a reward is stored once", algorithm.store_reward, request_id, 0.0)
    algorithm.set_reward(None, request_id=request_id)
    before = algorithm.learnt_fingerprint()
    refuses(RewardError, "a reward is given once", _reward, algorithm, 1.0, request_id)
    law(algorithm.learnt_fingerprint() == before, "a second reward teaches nothing")


def rewards_come_in_any_order(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Rewards may come in any order, late, or never, and each belongs to its own prediction."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=5, max_open_requests=20)
    order = random.Random(0)
    waiting: list[tuple[str, float]] = []
    for _ in range(15):
        for _ in range(3):
            prediction, request_id = algorithm.predict(fresh=True)
            check_prediction(parameters, constraints, prediction, conditions)
            waiting.append((request_id, smooth_reward(parameters, prediction)))
        order.shuffle(waiting)
        request_id, reward = waiting.pop()
        if any(request.id == request_id for request in algorithm.get_tuning_requests()):
            algorithm.set_reward(reward, request_id=request_id)
        else:
            refuses(
                UnknownRequestError, "a lapsed request takes no reward", _reward, algorithm, 1.0, request_id
            )
        law(len(algorithm.get_tuning_requests()) <= 20, "the number of open requests is bounded")
    check_prediction(parameters, constraints, algorithm.recommend(), conditions)


def predicting_teaches_nothing(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Predictions change nothing that was learnt, neither in number nor by context."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=6)
    _run(algorithm, 5)
    before, iteration, recommended = (
        algorithm.learnt_fingerprint(),
        algorithm.iteration,
        algorithm.recommend(),
    )
    for i in range(12):
        algorithm.predict({"load": i % 3}, fresh=i % 2 == 0)
    law(algorithm.learnt_fingerprint() == before, "a prediction teaches nothing")
    law(algorithm.iteration == iteration, "a prediction is no iteration")
    law(algorithm.recommend() == recommended, "a prediction changes no recommendation")


def equal_seeds_give_equal_sequences(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """The same seed and the same rewards give the same predictions."""
    first, second = (
        _run(_made(make, parameters, constraints, conditions, random_seed=7), 15) for _ in range(2)
    )
    law(first == second, "equal seeds give equal sequences")


def a_saved_algorithm_goes_on(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Saved, loaded, and rewarded alike, it makes the same next 20 predictions, open requests included."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=8, normalize_rewards=True)
    _run(algorithm, 11)
    opened = algorithm.predict()
    parallel = [algorithm.predict({"load": i}, fresh=True) for i in range(3)]
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = type(algorithm).load(file)
    law(loaded.recommend() == algorithm.recommend(), "a loaded algorithm recommends the same")
    for one in (algorithm, loaded):
        law(one.predict().prediction == opened.prediction, "an open request survives saving")
        for prediction, request_id in parallel:
            one.set_reward(smooth_reward(parameters, prediction), request_id=request_id)
    law(_run(algorithm, 20) == _run(loaded, 20), "a loaded algorithm makes the same next predictions")
    law(loaded.learnt_fingerprint() == algorithm.learnt_fingerprint(), "a loaded algorithm learns the same")


def constants_stay(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Constants are in every prediction, and there may be nothing else."""
    kinds = {type(p) for p in parameters}
    fixed: list[Parameter] = []
    if Integer in kinds or Real in kinds:
        fixed.append(Integer("a_fixed_integer", val=3, min=3, max=3) if Integer in kinds else _FIXED_REAL)
    if Categorical in kinds:
        fixed.append(Categorical("a_fixed_category", val="on", categories=("on",)))
    mixed = [*fixed, *parameters]
    for prediction in _run(_made(make, mixed, constraints, conditions, random_seed=9), 5):
        check_prediction(mixed, constraints, prediction, conditions)
        law(all(prediction[p.name] == p.val for p in fixed), "constants stay what they are")
    for prediction in _run(make(fixed, random_seed=9), 3):
        check_prediction(fixed, (), prediction)


_FIXED_REAL = Real("a_fixed_real", val=0.5, min=0.5, max=0.5)


def contexts_are_kept_apart(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Each context has its own open request, and asking again returns it."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=10)
    day, night = {"time": "day", "load": 0.5}, {"load": 0.1, "time": "night"}
    first, second = algorithm.predict(day), algorithm.predict(night)
    again = algorithm.predict(dict(reversed(day.items())))
    law(again.prediction == first.prediction, "the same context, asked again, has the same prediction")
    law(again.request_id != first.request_id, "every request has an id of its own")
    again.prediction.clear()
    law(
        algorithm.predict(day).prediction == first.prediction,
        "callers may change what they were given",
    )
    by_request = {request.id: request.context for request in algorithm.get_tuning_requests()}
    algorithm.set_reward(1.0, by_request[first.request_id].id)
    left = algorithm.get_tuning_requests()
    law([request.id for request in left] == [second.request_id], "a reward clears its own context only")
    law(
        algorithm.predict(night).prediction == second.prediction,
        "a reward leaves other contexts alone",
    )
    refuses(UnknownRequestError, "no context is a context of its own", algorithm.set_reward, 1.0)


def normalised_rewards_have_no_scale(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """With ``normalize_rewards`` thousands and thousandths teach the same, and learning goes on."""

    def normalised() -> Algorithm:
        return _made(make, parameters, constraints, conditions, random_seed=11, normalize_rewards=True)

    # Powers of two, since only they scale floats exactly.
    sequences = [_run(normalised(), 25, scale) for scale in (1.0, 2.0**11, 2.0**-10)]
    law(
        all(a == b for a, b in pairwise(sequences)),
        "normalised rewards have no scale",
    )
    for scale in (1500.0, 1e-3, -1e-3):
        for prediction in _run(normalised(), 12, scale):
            check_prediction(parameters, constraints, prediction, conditions)


def requests_lapse(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Requests lapse by number and by age, the oldest first, and say so."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=12, max_open_requests=3)
    ids = [algorithm.predict(fresh=True).request_id for _ in range(5)]
    law([r.id for r in algorithm.get_tuning_requests()] == ids[2:], "the oldest request lapses first")
    refuses(UnknownRequestError, "a lapsed request takes no reward", _reward, algorithm, 1.0, ids[0])
    _reward(algorithm, 1.0, ids[2])
    algorithm = _made(make, parameters, constraints, conditions, random_seed=12, max_request_age=2)
    old = algorithm.predict({"load": 0}).request_id
    for i in range(2):
        algorithm.predict({"load": 1 + i})
    refuses(UnknownRequestError, "a request lapses with age", _reward, algorithm, 1.0, old)


def calls_come_in_any_order(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
    calls: Sequence[tuple[int, int, float]] | None = None,
) -> None:
    """Whatever is called in whatever order, the open requests are those that a simple model expects.

    Args:
        make, parameters, constraints, conditions: as for every law.
        calls: what to do, as :meth:`Client.do` takes it; drawn with a fixed seed if left out.
    """
    algorithm = _made(make, parameters, constraints, conditions, random_seed=13, max_open_requests=8)
    client = Client(algorithm, max_open_requests=8)
    order = random.Random(1)
    drawn = [(order.randrange(100), order.randrange(100), order.uniform(-2.0, 2.0)) for _ in range(80)]
    for call in drawn if calls is None else calls:
        prediction = client.do(*call)
        if prediction is not None:
            check_prediction(parameters, constraints, prediction, conditions)


def threads_lose_nothing(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """Clients in several threads get valid predictions, and each of their rewards counts exactly once."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=14)
    failures: list[BaseException] = []
    seen: list[str] = []

    def client(number: int) -> None:
        try:
            for i in range(12):
                prediction, request_id = algorithm.predict({"load": number}, fresh=i % 3 > 0)
                check_prediction(parameters, constraints, prediction, conditions)
                _reward(algorithm, smooth_reward(parameters, prediction), request_id)
                refuses(RewardError, "a reward is given once", _reward, algorithm, 1.0, request_id)
                seen.append(request_id)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"no thread disturbs another one: {failures[0]!r}") from failures[0]
    law(len(set(seen)) == 48, "every request has an id of its own")
    law(not algorithm.get_tuning_requests(), "what was rewarded is closed")


def states_of_the_future_are_refused(
    make: Make,
    parameters: Sequence[Parameter],
    constraints: Constraints = (),
    conditions: Conditions = NO_CONDITIONS,
) -> None:
    """A file that a later release wrote says so when it is loaded."""
    algorithm = _made(make, parameters, constraints, conditions, random_seed=15)
    file, later = io.BytesIO(), io.BytesIO()
    algorithm.save(file)
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(later, "w") as copy:
        for member in archive.namelist():
            content = archive.read(member)
            if member == "state.json":
                document = json.loads(content)
                content = json.dumps({**document, "version": document["version"] + 1}).encode()
            copy.writestr(member, content)
    later.seek(0)
    try:
        type(algorithm).load(later)
    except StateError as error:
        law("future" in str(error), "the error says that the file is of a future version")
    else:
        raise AssertionError("a state of a future version is refused")


LAWS: tuple[Law, ...] = (
    predictions_are_valid,
    zero_and_negative_rewards_count,
    bad_rewards_are_refused,
    a_second_reward_is_an_error,
    rewards_come_in_any_order,
    predicting_teaches_nothing,
    equal_seeds_give_equal_sequences,
    a_saved_algorithm_goes_on,
    constants_stay,
    contexts_are_kept_apart,
    normalised_rewards_have_no_scale,
    requests_lapse,
    calls_come_in_any_order,
    threads_lose_nothing,
    states_of_the_future_are_refused,
)
"""Every law, for test runners that parametrise."""


class AlgorithmContract:
    """The laws as test methods over a few example spaces. Subclasses implement :meth:`make`."""

    parameter_types: tuple[type[Parameter], ...] = (Categorical, Integer, Real)
    """The kinds that the algorithm takes; parameters of other kinds are left out of the examples."""

    def make(self, parameters: Sequence[Parameter], **kwargs: Any) -> Algorithm:
        """An algorithm over these parameters; ``kwargs`` are those of the base class."""
        raise NotImplementedError("a contract needs a make() method")

    def hold(self, law: Law) -> None:
        """Check one law over every example."""
        for example in EXAMPLES:
            taken = example.restricted_to(self.parameter_types)
            if taken.parameters:
                law(self.make, taken.parameters, taken.constraints, taken.conditions)

    def test_predictions_are_valid(self) -> None:
        """Whatever the rewards."""
        self.hold(predictions_are_valid)

    def test_zero_and_negative_rewards_count(self) -> None:
        """A reward of 0.0 is a reward."""
        self.hold(zero_and_negative_rewards_count)

    def test_bad_rewards_are_refused(self) -> None:
        """And nothing is learnt from them."""
        self.hold(bad_rewards_are_refused)

    def test_a_second_reward_is_an_error(self) -> None:
        """One request has one reward."""
        self.hold(a_second_reward_is_an_error)

    def test_rewards_come_in_any_order(self) -> None:
        """Late and never included."""
        self.hold(rewards_come_in_any_order)

    def test_predicting_teaches_nothing(self) -> None:
        """However often."""
        self.hold(predicting_teaches_nothing)

    def test_equal_seeds_give_equal_sequences(self) -> None:
        """For equal rewards."""
        self.hold(equal_seeds_give_equal_sequences)

    def test_a_saved_algorithm_goes_on(self) -> None:
        """As if nothing had happened."""
        self.hold(a_saved_algorithm_goes_on)

    def test_constants_stay(self) -> None:
        """And there may be nothing else."""
        self.hold(constants_stay)

    def test_contexts_are_kept_apart(self) -> None:
        """Each with its own open request."""
        self.hold(contexts_are_kept_apart)

    def test_normalised_rewards_have_no_scale(self) -> None:
        """Thousands and thousandths teach the same."""
        self.hold(normalised_rewards_have_no_scale)

    def test_requests_lapse(self) -> None:
        """By number and by age."""
        self.hold(requests_lapse)

    def test_calls_come_in_any_order(self) -> None:
        """The open requests are always those that a model expects."""
        self.hold(calls_come_in_any_order)

    def test_threads_lose_nothing(self) -> None:
        """Every reward counts once."""
        self.hold(threads_lose_nothing)

    def test_states_of_the_future_are_refused(self) -> None:
        """With an error that says so."""
        self.hold(states_of_the_future_are_refused)
