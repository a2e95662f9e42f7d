"""The laws that every algorithm must obey, shipped so that algorithms written elsewhere can be held to them.

Subclass :class:`AlgorithmContract` with one method, and any test runner that collects ``test_*`` methods will
do::

    class TestMine(AlgorithmContract):
        def make(self, parameters, **kwargs):
            return Mine(parameters, **kwargs)

Each law is also a function of ``(make, parameters, constraints)``, so that property-based tests may draw the
space.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from oppertune.algorithms.base import Algorithm
from oppertune.core.encoding import to_unit
from oppertune.core.space import Constraint, Space
from oppertune.core.values import Categorical, Integer, Parameter, Real, Value
from oppertune.errors import RewardError, UnknownRequestError

Make = Callable[..., Algorithm]
Constraints = Sequence[Constraint | str]
Law = Callable[[Make, Sequence[Parameter], Constraints], None]


def _law(holds: object, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def smooth_reward(parameters: Sequence[Parameter], values: Mapping[str, Value]) -> float:
    """A deterministic reward in [-1, 1] with its optimum inside the space, for trying algorithms out."""
    distances = [(to_unit(p, values[p.name]) - 0.6) ** 2 for p in parameters]
    return 1.0 - 2.0 * sum(distances) / len(distances)


def check_prediction(parameters: Sequence[Parameter], constraints: Constraints, prediction: object) -> None:
    """Every parameter, in order, has an allowed value of its native type, and the constraints hold."""
    if not isinstance(prediction, dict):
        raise AssertionError(f"a prediction is a dict, not {prediction!r}")
    _law(
        list(prediction) == [p.name for p in parameters],
        "a prediction names every parameter, in order",
    )
    for p in parameters:
        value = prediction[p.name]
        _law(type(value) is p.dtype, f"{p.name} is predicted as {p.dtype.__name__}, not as {value!r}")
        _law(
            p.contains(value) and p.cast(value) == value, f"{value!r} is in the bounds and on the grid of {p}"
        )
    _law(Space(parameters, constraints).holds(prediction), f"the constraints hold in {prediction}")


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


def predictions_are_valid(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Whatever the rewards, every prediction and every recommendation is valid."""
    rewards = (1.0, 0.0, -2.5, 1e-12, 1500.0, -1e6, 1e300, -1e300)
    algorithm = make(parameters, constraints=constraints, random_seed=1)
    for i in range(24):
        prediction, request_id = algorithm.predict(fresh=i % 3 == 0)
        check_prediction(parameters, constraints, prediction)
        algorithm.set_reward(rewards[i % len(rewards)], request_id=request_id)
        check_prediction(parameters, constraints, algorithm.recommend())


def zero_and_negative_rewards_count(
    make: Make, parameters: Sequence[Parameter], constraints: Constraints
) -> None:
    """A reward of 0.0 is a reward, and less than nothing is worse than nothing."""
    algorithm = make(parameters, constraints=constraints, random_seed=2)
    first, request_id = algorithm.predict()
    algorithm.set_reward(0.0)
    _law(not algorithm.get_tuning_requests(), "a reward of 0.0 closes its request")
    _refuses(RewardError, "a reward of 0.0 is a reward", _reward, algorithm, 1.0, request_id)
    for _ in range(6):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(0.0 if prediction == first else -1.0)
    _law(
        algorithm.recommend() == first,
        "0.0 is better than -1.0",
    )


def bad_rewards_are_refused(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """NaN, infinities, texts and truth values are refused; nothing is learnt, and the request stays open."""
    algorithm = make(parameters, constraints=constraints, random_seed=3)
    _, request_id = algorithm.predict()
    before = algorithm.learnt_fingerprint()
    for bad in (float("nan"), float("inf"), float("-inf"), "1.0", True, [1.0]):
        _refuses(RewardError, f"{bad!r} is no reward of a context", algorithm.set_reward, bad)
        _refuses(RewardError, f"{bad!r} is no reward of a request", _reward, algorithm, bad, request_id)
        _refuses(RewardError, f"{bad!r} is not stored", algorithm.store_reward, request_id, bad)
    _refuses(RewardError, "no reward at all teaches nothing", algorithm.set_reward, None)
    _law(algorithm.learnt_fingerprint() == before, "a refused reward teaches nothing")
    algorithm.set_reward(1.0, request_id=request_id)


def a_second_reward_is_an_error(
    make: Make, parameters: Sequence[Parameter], constraints: Constraints
) -> None:
    """One request has one reward, and a reward needs a request."""
    algorithm = make(parameters, constraints=constraints, random_seed=4)
    _refuses(UnknownRequestError, "a reward needs a request", algorithm.set_reward, 1.0)
    _refuses(UnknownRequestError, "a reward needs a request", algorithm.store_reward, "none", 1.0)
    _, request_id = algorithm.predict()
    algorithm.store_reward(request_id, 0.0)
    _refuses(RewardError, "a reward is stored once", algorithm.store_reward, request_id, 0.0)
    algorithm.set_reward(None, request_id=request_id)
    before = algorithm.learnt_fingerprint()
    _refuses(RewardError, "a reward is given once", _reward, algorithm, 1.0, request_id)
    _law(algorithm.learnt_fingerprint() == before, "a second reward teaches nothing")


def rewards_come_in_any_order(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Rewards may come in any order, late, or never, and each belongs to its own prediction."""
    algorithm = make(parameters, constraints=constraints, random_seed=5, max_open_requests=20)
    order = random.Random(0)
    waiting: list[tuple[str, float]] = []
    for _ in range(15):
        for _ in range(3):
            prediction, request_id = algorithm.predict(fresh=True)
            check_prediction(parameters, constraints, prediction)
            waiting.append((request_id, smooth_reward(parameters, prediction)))
        order.shuffle(waiting)
        request_id, reward = waiting.pop()
        if any(request.id == request_id for request in algorithm.get_tuning_requests()):
            algorithm.set_reward(reward, request_id=request_id)
        else:
            _refuses(
                UnknownRequestError, "a lapsed request takes no reward", _reward, algorithm, 1.0, request_id
            )
        _law(len(algorithm.get_tuning_requests()) <= 20, "the number of open requests is bounded")
    check_prediction(parameters, constraints, algorithm.recommend())


def predicting_teaches_nothing(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Predictions change nothing that was learnt, neither in number nor by context."""
    algorithm = make(parameters, constraints=constraints, random_seed=6)
    _run(algorithm, 5)
    before, iteration, recommended = (
        algorithm.learnt_fingerprint(),
        algorithm.iteration,
        algorithm.recommend(),
    )
    for i in range(12):
        algorithm.predict({"load": i % 3}, fresh=i % 2 == 0)
    _law(algorithm.learnt_fingerprint() == before, "a prediction teaches nothing")
    _law(algorithm.iteration == iteration, "a prediction is no iteration")
    _law(algorithm.recommend() == recommended, "a prediction changes no recommendation")


def equal_seeds_give_equal_sequences(
    make: Make, parameters: Sequence[Parameter], constraints: Constraints
) -> None:
    """The same seed and the same rewards give the same predictions."""
    first, second = (_run(make(parameters, constraints=constraints, random_seed=7), 15) for _ in range(2))
    _law(first == second, "equal seeds give equal sequences")


def a_saved_algorithm_goes_on(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Saved, loaded, and rewarded alike, it makes the same next 20 predictions, open requests included."""
    algorithm = make(parameters, constraints=constraints, random_seed=8, normalize_rewards=True)
    _run(algorithm, 11)
    opened = algorithm.predict()
    parallel = [algorithm.predict({"load": i}, fresh=True) for i in range(3)]
    file = io.BytesIO()
    algorithm.save(file)
    file.seek(0)
    loaded = type(algorithm).load(file)
    _law(loaded.recommend() == algorithm.recommend(), "a loaded algorithm recommends the same")
    for one in (algorithm, loaded):
        _law(one.predict().prediction == opened.prediction, "an open request survives saving")
        for prediction, request_id in parallel:
            one.set_reward(smooth_reward(parameters, prediction), request_id=request_id)
    _law(_run(algorithm, 20) == _run(loaded, 20), "a loaded algorithm makes the same next predictions")
    _law(loaded.learnt_fingerprint() == algorithm.learnt_fingerprint(), "a loaded algorithm learns the same")


def constants_stay(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Constants are in every prediction, and there may be nothing else."""
    kinds = {type(p) for p in parameters}
    fixed: list[Parameter] = []
    if Integer in kinds or Real in kinds:
        fixed.append(Integer("a_fixed_integer", val=3, min=3, max=3) if Integer in kinds else _FIXED_REAL)
    if Categorical in kinds:
        fixed.append(Categorical("a_fixed_category", val="on", categories=("on",)))
    mixed = [*fixed, *parameters]
    for prediction in _run(make(mixed, constraints=constraints, random_seed=9), 5):
        check_prediction(mixed, constraints, prediction)
        _law(all(prediction[p.name] == p.val for p in fixed), "constants stay what they are")
    for prediction in _run(make(fixed, random_seed=9), 3):
        check_prediction(fixed, (), prediction)


_FIXED_REAL = Real("a_fixed_real", val=0.5, min=0.5, max=0.5)


def contexts_are_kept_apart(make: Make, parameters: Sequence[Parameter], constraints: Constraints) -> None:
    """Each context has its own open request, and asking again returns it."""
    algorithm = make(parameters, constraints=constraints, random_seed=10)
    day, night = {"time": "day", "load": 0.5}, {"load": 0.1, "time": "night"}
    first, second = algorithm.predict(day), algorithm.predict(night)
    again = algorithm.predict(dict(reversed(day.items())))
    _law(again.prediction == first.prediction, "the same context, asked again, has the same prediction")
    _law(again.request_id != first.request_id, "every request has an id of its own")
    again.prediction.clear()
    _law(
        algorithm.predict(day).prediction == first.prediction,
        "callers may change what they were given",
    )
    by_request = {request.id: request.context for request in algorithm.get_tuning_requests()}
    algorithm.set_reward(1.0, by_request[first.request_id].id)
    left = algorithm.get_tuning_requests()
    _law([request.id for request in left] == [second.request_id], "a reward clears its own context only")
    _law(
        algorithm.predict(night).prediction == second.prediction,
        "a reward leaves other contexts alone",
    )
    _refuses(UnknownRequestError, "no context is a context of its own", algorithm.set_reward, 1.0)


def normalised_rewards_have_no_scale(
    make: Make, parameters: Sequence[Parameter], constraints: Constraints
) -> None:
    """With ``normalize_rewards`` thousands and thousandths teach the same, and learning goes on."""

    def normalised() -> Algorithm:
        return make(parameters, constraints=constraints, random_seed=11, normalize_rewards=True)

    # Powers of two, since only they scale floats exactly.
    sequences = [_run(normalised(), 25, scale) for scale in (1.0, 2.0**11, 2.0**-10)]
    _law(
        all(a == b for a, b in pairwise(sequences)),
        "normalised rewards have no scale",
    )
    for scale in (1500.0, 1e-3, -1e-3):
        for prediction in _run(normalised(), 12, scale):
            check_prediction(parameters, constraints, prediction)


def _refuses(error: type[Exception], sentence: str, call: Callable[..., object], *args: object) -> None:
    try:
        call(*args)
    except error:
        return
    raise AssertionError(f"{sentence}; {error.__name__} was expected")


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
)
"""Every law, for test runners that parametrise."""

_EXAMPLES: tuple[tuple[Parameter, ...], ...] = (
    (Integer("n", val=4, min=0, max=16), Real("x", val=0.25, min=0.0, max=1.0)),
    (
        Integer("low", val=10, min=0, max=90, step=5),
        Integer("high", val=20, min=5, max=95, step=5),
        Real("share", val=0.3, min=0.1, max=0.9, step=0.1),
        Real("rate", val=1.0, min=0.001, max=1000.0, log=True),
        Integer("buffer", val=4096, min=64, max=2**24, log=True),
    ),
    (Categorical("mode", val="a", categories=("a", "b", "c")), Integer("n", val=1, min=1, max=2)),
)
_EXAMPLE_CONSTRAINTS: tuple[Constraints, ...] = ((), ("low < high", "2 * low <= high + 60"), ())


class AlgorithmContract:
    """The laws as test methods over a few example spaces. Subclasses implement :meth:`make`."""

    parameter_types: tuple[type[Parameter], ...] = (Categorical, Integer, Real)
    """The kinds that the algorithm takes; parameters of other kinds are left out of the examples."""

    def make(self, parameters: Sequence[Parameter], **kwargs: Any) -> Algorithm:
        """An algorithm over these parameters; ``kwargs`` are those of the base class."""
        raise NotImplementedError("a contract needs a make() method")

    def hold(self, law: Law) -> None:
        """Check one law over every example."""
        for parameters, constraints in zip(_EXAMPLES, _EXAMPLE_CONSTRAINTS, strict=True):
            taken = tuple(p for p in parameters if isinstance(p, self.parameter_types))
            if taken:
                law(self.make, taken, constraints if len(taken) == len(parameters) else ())

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
