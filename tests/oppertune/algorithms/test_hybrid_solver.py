"""Both parts learn what they would alone, pairs keep their categories, and nothing is lost between."""

import io
import random
import threading

import numpy as np
import pytest

from oppertune.algorithms import all as table
from oppertune.algorithms.base import Algorithm, _PredictResponse
from oppertune.algorithms.bluefin import BlueFin
from oppertune.algorithms.exponential_weights_slates import ExponentialWeightsSlates
from oppertune.algorithms.hybrid_solver import HybridSolver
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.types import Context
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import InvalidArgumentError, StateError, UnknownAlgorithmError
from oppertune.testing.contract import LAWS, AlgorithmContract
from oppertune.testing.landscapes import system_like

CATEGORIES = (
    Categorical("mode", "b", ("a", "b", "c")),
    Categorical("queue", "x", ("x", "y", "z", "w")),
)
NUMBERS = (
    Integer("n", val=40, min=10, max=90, step=2),
    Real("x", val=-1.0, min=-3.0, max=7.0),
    Integer("buffer", val=4096, min=64, max=2**24, log=True),
)
FIXED = (Categorical("fixed", "on", ("on",)), Integer("always", 3, 3, 3))
PARAMETERS = (NUMBERS[0], CATEGORIES[0], FIXED[0], NUMBERS[1], NUMBERS[2], CATEGORIES[1], FIXED[1])
TWO_POINT = {"numerical_algorithm_args": {"feedback": 2}}


def reward_of(prediction):
    mode = {"a": 0.2, "b": 0.0, "c": -0.3}[prediction["mode"]]
    return mode - abs(prediction["n"] - 70) / 50 - (prediction["x"] - 3.0) ** 2 / 20 + 0.3


def some(prediction, parameters):
    return {p.name: prediction[p.name] for p in parameters}


class Recorder(Algorithm):
    """Says the defaults, and writes down what reaches it."""

    class Meta:
        requires_untransformed_parameters = True
        supports_context = True

    def __init__(self, parameters, note="", **options):
        super().__init__(parameters, **options)
        self.note = note
        self.asked = []
        self.told = []

    def _predict(self, tuning_request):
        self.asked.append([tuning_request.context.id, tuning_request.predict_data])
        return _PredictResponse({p.name: p.val for p in self.params}, len(self.asked))

    def _set_reward(self, tuning_request):
        self.told.append([tuning_request.metadata, tuning_request.reward, tuning_request.reward_data])


class Failing(Recorder):
    def _set_reward(self, tuning_request):
        raise RuntimeError("no more")


class Sequences(Recorder):
    class Meta:
        supports_single_reward = False
        supports_sequence_of_rewards = True


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    for name, cls in {"recorder": Recorder, "failing": Failing, "sequences": Sequences}.items():
        monkeypatch.setitem(table.ALGORITHMS, name, cls)


def test_each_part_does_what_it_would_alone():
    hybrid = HybridSolver(
        PARAMETERS,
        categorical_algorithm_args={"random_seed": 12},
        numerical_algorithm_args={"random_seed": 34, "eta": 0.02, "delta": 0.2},
    )
    categories = ExponentialWeightsSlates(CATEGORIES, random_seed=12)
    numbers = BlueFin(NUMBERS, random_seed=34, eta=0.02, delta=0.2)
    for _ in range(200):
        prediction, _ = hybrid.predict()
        assert list(prediction) == [p.name for p in PARAMETERS]
        assert some(prediction, CATEGORIES) == categories.predict().prediction
        assert some(prediction, NUMBERS) == numbers.predict().prediction
        assert some(prediction, FIXED) == {"fixed": "on", "always": 3}
        for one in (hybrid, categories, numbers):
            one.set_reward(reward_of(prediction))
    assert hybrid.iteration == 200
    assert hybrid.categorical_tuning_instance.iteration == hybrid.numerical_tuning_instance.iteration == 200


def test_seeds_reach_the_parts():
    wanted = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(5).spawn(2)]
    hybrid = HybridSolver(PARAMETERS, random_seed=5)
    categories = ExponentialWeightsSlates(CATEGORIES, random_seed=wanted[0])
    numbers = BlueFin(NUMBERS, random_seed=wanted[1])
    for _ in range(20):
        prediction, _ = hybrid.predict()
        assert some(prediction, CATEGORIES) == categories.predict().prediction
        assert some(prediction, NUMBERS) == numbers.predict().prediction
        for one in (hybrid, categories, numbers):
            one.set_reward(0.4)
    # A seed that is given to one part changes nothing for the other.
    given = HybridSolver(PARAMETERS, random_seed=5, categorical_algorithm_args={"random_seed": 1})
    assert given.numerical_tuning_instance._random_seed == wanted[1]
    assert given.categorical_tuning_instance._random_seed == 1
    assert HybridSolver(PARAMETERS).numerical_tuning_instance._random_seed is None


def test_contexts_and_data_reach_the_parts():
    hybrid = HybridSolver(PARAMETERS, "recorder", "recorder", {"note": "c"}, {"note": "n"})
    contexts = [{"load": i % 3, "name": "w"} for i in range(6)]
    for i, context in enumerate(contexts):
        _, request_id = hybrid.predict(context, {"i": i})
        hybrid.set_reward(float(i), request_id=request_id, reward_data={"seen": i})
    parts = hybrid.categorical_tuning_instance, hybrid.numerical_tuning_instance
    for part, note in zip(parts, "cn", strict=True):
        assert part.note == note
        assert part.asked == [[Context(c).id, {"i": i}] for i, c in enumerate(contexts)]
        assert part.told == [[i + 1, float(i), {"seen": i}] for i in range(6)]


@pytest.mark.parametrize(("parameters", "absent"), [(CATEGORIES, "numerical"), (NUMBERS, "categorical")])
@pytest.mark.parametrize("feedback", [1, 2])
def test_either_part_may_be_empty(parameters, absent, feedback):
    hybrid = HybridSolver(
        [*parameters, *FIXED], random_seed=1, numerical_algorithm_args={"feedback": feedback}
    )
    assert getattr(hybrid, f"{absent}_tuning_instance") is None
    assert getattr(hybrid, f"{absent}_params") == ()
    file = io.BytesIO()
    seen = set()
    for i in range(30):
        prediction, _ = hybrid.predict()
        seen.add(tuple(prediction.values()))
        hybrid.set_reward(i / 30)
    assert len(seen) > 5
    hybrid.save(file)
    file.seek(0)
    assert HybridSolver.load(file).predict().prediction == hybrid.predict().prediction


def test_with_constants_only_there_is_nothing_to_learn():
    hybrid = HybridSolver(FIXED)
    assert hybrid.predict().prediction == {"fixed": "on", "always": 3}
    hybrid.set_reward(1.0)
    assert hybrid.categorical_tuning_instance is hybrid.numerical_tuning_instance is None


def test_categories_are_held_within_a_pair():
    hybrid = HybridSolver(PARAMETERS, random_seed=3, **TWO_POINT)
    alone = ExponentialWeightsSlates(CATEGORIES, random_seed=hybrid.categorical_tuning_instance._random_seed)
    pairs = []
    for _ in range(40):
        both = []
        center = hybrid.numerical_tuning_instance.w_center[1]
        for _ in range(2):
            prediction, _ = hybrid.predict()
            both.append(prediction)
            hybrid.set_reward(reward_of(prediction))
        assert some(both[0], CATEGORIES) == some(both[1], CATEGORIES)
        assert np.mean([(p["x"] + 3) / 10 for p in both]) == pytest.approx(center, abs=1e-9)
        # The categories learn once, from the mean of the two.
        assert alone.predict().prediction == some(both[0], CATEGORIES)
        alone.set_reward((reward_of(both[0]) + reward_of(both[1])) / 2)
        for got, wanted in zip(hybrid.categorical_tuning_instance.p, alone.p, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9)
        pairs.append(both[0])
    assert len({(p["mode"], p["queue"]) for p in pairs}) > 4
    assert hybrid.iteration == 80
    assert hybrid.numerical_tuning_instance.iteration == 40
    assert hybrid.categorical_tuning_instance.iteration == 40


def test_many_pairs_may_be_open_and_rewarded_in_any_order():
    hybrid = HybridSolver(PARAMETERS, random_seed=4, **TWO_POINT)
    order = random.Random(0)
    for _ in range(5):
        opened = [hybrid.predict({"client": i}, fresh=True) for i in range(20)]
        for first, second in zip(opened[::2], opened[1::2], strict=True):
            assert some(first.prediction, CATEGORIES) == some(second.prediction, CATEGORIES)
        order.shuffle(opened)
        for prediction, request_id in opened:
            hybrid.set_reward(reward_of(prediction), request_id=request_id)
    for part in (hybrid.categorical_tuning_instance, hybrid.numerical_tuning_instance):
        assert part.iteration == 50
        assert part.get_tuning_requests() == []
    assert hybrid._held == {}


def test_requests_that_lapse_lapse_in_the_parts():
    hybrid = HybridSolver(NUMBERS + CATEGORIES, random_seed=5, max_open_requests=1)
    numbers = BlueFin(NUMBERS, random_seed=hybrid.numerical_tuning_instance._random_seed, max_open_requests=1)
    # As BlueFin does alone: an end that is never rewarded is played again.
    for i in range(3):
        context = {"a": i}
        assert some(hybrid.predict(context).prediction, NUMBERS) == numbers.predict(context).prediction


@pytest.mark.parametrize("options", [{}, TWO_POINT])
@pytest.mark.parametrize("limits", [{"max_open_requests": 7}, {"max_request_age": 9}])
def test_the_parts_keep_no_more_than_the_whole(options, limits):
    hybrid = HybridSolver(PARAMETERS, random_seed=6, **limits, **options)
    order = random.Random(1)
    for i in range(600):
        hybrid.predict({"client": i % 13}, fresh=i % 2 == 0)
        if order.random() < 0.5:
            chosen = order.choice(hybrid.get_tuning_requests())
            hybrid.set_reward(order.random(), request_id=chosen.id)
        elif order.random() < 0.3:
            hybrid.set_reward(order.random(), Context({"client": i % 13}).id)
        for part in (hybrid.categorical_tuning_instance, hybrid.numerical_tuning_instance):
            assert len(part.get_tuning_requests()) <= 20
    assert len(hybrid._held) <= 20


def test_a_contextual_part_chooses_for_its_own_context_within_a_pair():
    hybrid = HybridSolver(
        NUMBERS + CATEGORIES[:1], categorical_algorithm="slates", random_seed=7, **TWO_POINT
    )
    best = {"day": "a", "night": "c"}
    right = []
    for i in range(800):
        # Strictly in turn, so that the two ends of a pair are always of different contexts.
        time = ("day", "night")[i % 2]
        prediction, request_id = hybrid.predict({"time": time})
        right.append(prediction["mode"] == best[time])
        hybrid.set_reward(float(right[-1]), request_id=request_id)
    assert np.mean(right[-200:]) > 0.9
    assert hybrid.categorical_tuning_instance.iteration == 800


def test_constraints_hold_and_reach_the_numbers():
    hybrid = HybridSolver(
        [Integer("low", 10, 0, 90), Integer("high", 20, 5, 95), *CATEGORIES],
        constraints=["low < high"],
        random_seed=8,
        numerical_algorithm="uniform_random",
    )
    assert hybrid.numerical_tuning_instance.constraints == hybrid.constraints
    assert hybrid.categorical_tuning_instance.constraints == ()
    for _ in range(50):
        prediction, _ = hybrid.predict(fresh=True)
        assert prediction["low"] < prediction["high"]


def test_one_part_learns_although_the_other_throws():
    hybrid = HybridSolver(PARAMETERS, "recorder", "failing")
    _, request_id = hybrid.predict()
    with pytest.raises(RuntimeError, match="no more"):
        hybrid.set_reward(1.0, request_id=request_id)
    assert hybrid.categorical_tuning_instance.told == [[1, 1.0, None]]
    assert hybrid.iteration == 1


def test_parts_that_cannot_be():
    with pytest.raises(UnknownAlgorithmError, match="did you mean 'bluefin'"):
        HybridSolver(PARAMETERS, numerical_algorithm="blufin")
    with pytest.raises(InvalidArgumentError, match="sequences of rewards"):
        HybridSolver(PARAMETERS, numerical_algorithm="sequences")


def test_the_arguments_stay_as_they_were_given():
    arguments = {"eta": 0.02}
    HybridSolver(PARAMETERS, numerical_algorithm_args=arguments, random_seed=1)
    assert arguments == {"eta": 0.02}


@pytest.mark.parametrize("rounds", [6, 7])
def test_saved_between_and_within_pairs(rounds):
    hybrid = HybridSolver(PARAMETERS, "exponential_weights", random_seed=9, **TWO_POINT)
    for i in range(rounds):
        hybrid.predict()
        hybrid.set_reward(i * 0.1)
    opened = [hybrid.predict({"i": i}) for i in range(5)]
    file = io.BytesIO()
    hybrid.save(file)
    file.seek(0)
    loaded = table.load_tuning_instance(file)
    for one in (hybrid, loaded):
        for prediction, request_id in reversed(opened):
            one.set_reward(reward_of(prediction), request_id=request_id)
    for i in range(100):
        assert loaded.predict().prediction == hybrid.predict().prediction
        for one in (hybrid, loaded):
            one.set_reward(i % 7 / 7)
    assert loaded.learnt_fingerprint() == hybrid.learnt_fingerprint()


def test_a_state_whose_part_is_unknown_is_refused(monkeypatch):
    hybrid = HybridSolver(PARAMETERS, "recorder")
    file = io.BytesIO()
    hybrid.save(file)
    file.seek(0)
    monkeypatch.delitem(table.ALGORITHMS, "recorder")
    with pytest.raises(StateError, match="recorder"):
        HybridSolver.load(file)


def test_threads_lose_no_reward():
    hybrid = HybridSolver(PARAMETERS, "recorder", "recorder")
    failures = []

    def client(number):
        try:
            for i in range(100):
                _, request_id = hybrid.predict({"client": number, "i": i})
                hybrid.set_reward(float(i), request_id=request_id)
        except Exception as error:  # any error at all fails the test
            failures.append(error)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for part in (hybrid.categorical_tuning_instance, hybrid.numerical_tuning_instance):
        assert sorted(told[1] for told in part.told) == sorted(float(i) for i in range(100) for _ in range(4))


def test_it_gets_further_than_drawing_blindly():
    def regret(make, seed):
        """Mean true regret of the last rounds; 1 is that of the default."""
        landscape = system_like(8, seed=seed, noise="gaussian3")
        algorithm, rng, made = make(landscape.parameters, seed), np.random.default_rng(seed), []
        for _ in range(700):
            prediction, _ = algorithm.predict()
            algorithm.set_reward(landscape.sample(prediction, rng))
            made.append(landscape.regret(prediction))
        return np.mean(made[-150:])

    def hybrid(parameters, seed):
        arguments = {"feedback": 2, "eta": 0.02}
        return HybridSolver(
            parameters, random_seed=seed, normalize_rewards=True, numerical_algorithm_args=arguments
        )

    by_hybrid = [regret(hybrid, seed) for seed in range(3)]
    blindly = [regret(lambda ps, s: UniformRandom(ps, random_seed=s), seed) for seed in range(3)]
    assert np.mean(by_hybrid) < np.mean(blindly) - 0.3
    assert all(ours < theirs - 0.1 for ours, theirs in zip(by_hybrid, blindly, strict=True))


class TestContract(AlgorithmContract):
    def make(self, parameters, **kwargs):
        return HybridSolver(parameters, **kwargs)


class TestContractWithPairs(AlgorithmContract):
    def make(self, parameters, **kwargs):
        return HybridSolver(parameters, **TWO_POINT, **kwargs)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(
    "options",
    [
        {"categorical_algorithm": "slates", **TWO_POINT},
        {"categorical_algorithm": "exponential_weights", "numerical_algorithm": "uniform_random"},
        {"categorical_algorithm": "uniform_random", "numerical_algorithm": "hybrid_solver"},
    ],
    ids=lambda options: "-".join(value for value in options.values() if isinstance(value, str)),
)
def test_the_laws_hold_for_other_parts(options, law):
    parameters = (*CATEGORIES, Integer("low", 10, 0, 90), Integer("high", 20, 5, 95))
    law(lambda ps, **kwargs: HybridSolver(ps, **options, **kwargs), parameters, ("low < high",))
