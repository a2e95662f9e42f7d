"""Requests, rewards, recommendations and saved state, as the base class handles them."""

import hashlib
import importlib.util
import io
import json
import threading
import zipfile

import numpy as np
import pytest

from oppertune.algorithms.all import (
    ALGORITHMS,
    create_tuning_instance,
    get_algorithm_class,
    load_tuning_instance,
)
from oppertune.algorithms.base import Algorithm, _PredictResponse
from oppertune.algorithms.identity import Identity
from oppertune.algorithms.uniform_random import UniformRandom
from oppertune.core.rewards import RewardTable, RobustScaler
from oppertune.core.state import load_state, save_state
from oppertune.core.types import Context, PredictResponse, TuningRequest
from oppertune.core.values import Categorical, Integer, Real
from oppertune.errors import (
    AlgorithmError,
    InvalidContextError,
    InvalidParameterError,
    InvalidTypeError,
    RewardError,
    StateError,
    UnknownAlgorithmError,
    UnknownRequestError,
)

PARAMETERS = (Integer("n", 4, 0, 1000), Categorical("c", "x", ("x", "y")))


class Recorder(Algorithm):
    """Counts up and remembers what it was taught."""

    class Meta:
        requires_untransformed_parameters = True

    def __init__(self, parameters, **kwargs):
        super().__init__(parameters, **kwargs)
        self.count = 0
        self.learnt = []

    def _predict(self, tuning_request):
        self.count += 1
        return _PredictResponse({"n": self.count, "c": "y"}, {"count": self.count})

    def _set_reward(self, tuning_request):
        self.learnt.append((tuning_request.metadata["count"], tuning_request.reward))


class Sequences(Recorder):
    class Meta:
        supports_single_reward = False
        supports_sequence_of_rewards = True

    def _set_reward_for_sequence(self, tuning_requests):
        self.learnt.append([(r.metadata["count"], r.reward) for r in tuning_requests])


def test_by_context_the_newest_request_is_learnt_and_all_are_cleared():
    algorithm = Recorder(PARAMETERS)
    algorithm.predict(fresh=True)
    old, _ = algorithm.predict(fresh=True)
    again, _ = algorithm.predict()
    assert old == again
    algorithm.set_reward(0.0)
    assert algorithm.learnt == [(2, 0.0)]
    assert algorithm.get_tuning_requests() == []
    with pytest.raises(UnknownRequestError, match=r"predict\(\)"):
        algorithm.set_reward(0.0)


def test_by_request_the_first_reward_of_a_draw_is_learnt_and_the_rest_recorded():
    algorithm = Recorder(PARAMETERS)
    ids = [algorithm.predict().request_id for _ in range(3)]
    algorithm.set_reward(1.0, request_id=ids[1])
    algorithm.set_reward(3.0, request_id=ids[0])
    assert algorithm.learnt == [(1, 1.0)]
    # one request of the learnt draw is open still, and a new decision is due nevertheless
    assert algorithm.predict().prediction["n"] == 2
    assert algorithm.iteration == 1


def test_stored_rewards_of_one_draw_are_averaged():
    algorithm = Recorder(PARAMETERS)
    first, second, third = (algorithm.predict() for _ in range(3))
    algorithm.store_reward(first.request_id, 1.0)
    algorithm.store_reward(third.request_id, 4.0)
    assert [r.reward for r in algorithm.get_tuning_requests()] == [1.0, None, 4.0]
    algorithm.set_reward()
    assert algorithm.learnt == [(1, 2.5)]
    with pytest.raises(UnknownRequestError):
        algorithm.set_reward(1.0, request_id=second.request_id)
    fourth = algorithm.predict()
    algorithm.store_reward(fourth.request_id, 1.0)
    with pytest.raises(RewardError):
        algorithm.set_reward(2.0, request_id=fourth.request_id)


def test_sequences_get_all_open_requests():
    algorithm = Sequences(PARAMETERS)
    ids = [algorithm.predict().request_id for _ in range(3)]
    algorithm.store_reward(ids[0], 0.0)
    with pytest.raises(RewardError):
        algorithm.set_reward(1.0)
    algorithm.set_reward(None)
    assert algorithm.learnt == [[(1, 0.0), (2, None), (3, None)]]


def test_requests_lapse_by_number_and_by_age():
    algorithm = Recorder(PARAMETERS, max_open_requests=3)
    ids = [algorithm.predict(fresh=True).request_id for _ in range(5)]
    assert [r.id for r in algorithm.get_tuning_requests()] == ids[2:]
    with pytest.raises(UnknownRequestError, match="lapsed"):
        algorithm.set_reward(1.0, request_id=ids[0])
    algorithm = Recorder(PARAMETERS, max_request_age=2)
    old = algorithm.predict({"a": 1}).request_id
    for i in range(2):
        algorithm.predict({"b": i})
    with pytest.raises(UnknownRequestError, match="lapsed"):
        algorithm.set_reward(1.0, request_id=old)
    with pytest.raises(ValueError, match="max_open_requests"):
        Recorder(PARAMETERS, max_open_requests=0)


def test_a_learner_may_throw_and_the_measurement_is_kept():
    class Throws(Recorder):
        def _set_reward(self, tuning_request):
            raise ZeroDivisionError

    algorithm = Throws(PARAMETERS)
    algorithm.predict()
    with pytest.raises(ZeroDivisionError):
        algorithm.set_reward(3.0)
    assert algorithm.recommend() == {"n": 1, "c": "y"}
    assert algorithm.get_tuning_requests() == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"n": 1},
        {"n": float("nan"), "c": "y"},
        {"n": 1, "c": "z"},
        {"n": "1", "c": "y"},
        {"n": None, "c": "y"},
    ],
)
def test_predictions_that_cannot_be_used_are_faults_of_the_algorithm(answer):
    class Wrong(Recorder):
        def _predict(self, tuning_request):
            return _PredictResponse(answer)

    with pytest.raises(AlgorithmError):
        Wrong(PARAMETERS).predict()


def test_capabilities_are_checked_when_a_class_is_made():
    with pytest.raises(AlgorithmError, match="supports_contexts"):

        class Misspelled(Recorder):
            class Meta:
                supports_contexts = True

    with pytest.raises(AlgorithmError, match="bool"):

        class Mistyped(Recorder):
            class Meta:
                supports_context = "yes"

    with pytest.raises(AlgorithmError, match="parameter types"):

        class Miskinded(Recorder):
            class Meta:
                supported_parameter_types = (int,)

    assert Sequences.Meta.requires_untransformed_parameters is True
    assert Recorder.Meta.supports_single_reward is True


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Identity([]), InvalidParameterError),
        (lambda: Identity([PARAMETERS[0], PARAMETERS[0]]), InvalidParameterError),
        (lambda: Identity([7]), InvalidTypeError),
        (lambda: Identity(PARAMETERS, sed=3), InvalidTypeError),
        (lambda: Identity(PARAMETERS, random_seed="3"), InvalidTypeError),
        (lambda: get_algorithm_class("bluefin")(PARAMETERS), InvalidTypeError),
    ],
)
def test_constructor_misuse(make, error):
    with pytest.raises(error):
        make()


def test_contexts_have_the_identity_of_their_json():
    data = {"workload": "oltp", "cpu": 0.5}
    assert Context().id == ""
    assert Context(data).id == hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    assert Context(data).to_dict() == {"data": data, "id": Context(data).id}
    with pytest.raises(InvalidContextError):
        Context({"cpu": float("nan")})
    with pytest.raises(InvalidTypeError):
        Context({"cpu": object()})
    with pytest.raises(InvalidTypeError):
        Context([1])
    request = TuningRequest("i", 0.5, Context(data))
    assert TuningRequest.from_dict(request.to_dict()) == request
    assert PredictResponse({"n": 1}, "i").to_dict() == {"prediction": {"n": 1}, "request_id": "i"}


def test_one_lucky_sample_does_not_win():
    rng = np.random.default_rng(0)
    table = RewardTable()
    for _ in range(12):
        for n in range(5):
            table.add((n,), 1.0 + 0.05 * n + 0.2 * float(rng.normal()))
    table.add((99,), 1.45)
    assert table.best() == (4,)
    clear = RewardTable()
    for n in range(5):
        clear.add((n,), 1.0)
        clear.add((n,), 1.001)
    clear.add((99,), 1.45)
    assert clear.best() == (99,)


def test_the_table_is_bounded_and_keeps_the_best():
    table = RewardTable(limit=10)
    for n in range(1000):
        table.add((n,), float(-abs(n - 300)))
    assert len(table) <= 21
    assert table.best() == (300,)
    assert RewardTable().best() is None
    huge = RewardTable()
    for n, reward in enumerate((1e308, -1e308, 1e308)):
        huge.add((n % 2,), reward)
    assert huge.best() == (0,)


def test_before_any_reward_the_own_values_are_recommended():
    assert UniformRandom(PARAMETERS).recommend() == {"n": 4, "c": "x"}
    assert UniformRandom(PARAMETERS, constraints=["n >= 5"]).recommend()["n"] >= 5


def test_standardised_rewards_are_robust():
    rng = np.random.default_rng(1)
    scaler = RobustScaler()
    seen = [scaler.standardise(1500.0 + 15.0 * float(z)) for z in rng.normal(size=400)]
    assert abs(np.mean(seen[100:])) < 0.15
    assert 0.8 < np.std(seen[100:]) < 1.25
    assert scaler.standardise(1e6) == 5.0
    assert abs(scaler.standardise(1500.0)) < 0.5  # one outlier moved nothing
    constant = RobustScaler()
    assert [constant.standardise(-7.0) for _ in range(5)] == [0.0] * 5
    wide = RobustScaler(window=3)
    assert all(abs(wide.standardise(r)) <= 5.0 for r in (1e308, -1e308, 0.0, 1e308, -1e308, 5e-324))


def test_names_and_suggestions():
    assert get_algorithm_class("identity") is Identity
    with pytest.raises(UnknownAlgorithmError, match="did you mean 'bluefin'") as caught:
        get_algorithm_class("blufin")
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("unknown algorithm")
    with pytest.raises(InvalidTypeError):
        get_algorithm_class(3)
    assert isinstance(create_tuning_instance("identity", PARAMETERS), Identity)
    assert isinstance(create_tuning_instance(PARAMETERS, "identity", {"random_seed": 3}), Identity)
    dictionaries = [p.to_dict() for p in PARAMETERS]
    made = create_tuning_instance(parameters=dictionaries, algorithm="uniform_random", algorithm_args={})
    assert made.parameters == PARAMETERS
    with pytest.raises(InvalidTypeError):
        create_tuning_instance("identity")
    for name, entry in ALGORITHMS.items():
        # A module that this checkout does not have cannot be asked for.
        if not isinstance(entry, str) or importlib.util.find_spec(entry.partition(":")[0]):
            assert issubclass(get_algorithm_class(name), Algorithm)


def test_files_that_are_no_state_are_refused(tmp_path):
    algorithm = UniformRandom(PARAMETERS, random_seed=1, constraints=["n > 3"])
    path = tmp_path / "state"
    algorithm.save(path)
    assert load_tuning_instance(path).predict().prediction == algorithm.predict().prediction
    assert load_tuning_instance(path).constraints == algorithm.constraints
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StateError, match="of UniformRandom, not"):
        Identity.load(path)
    with pytest.raises(StateError):
        UniformRandom.load(io.BytesIO(b"\x80\x04N."))
    for document, says in [
        ({"format": "oppertune-state", "version": 99, "kind": "Identity", "state": {}}, "future"),
        ({"format": "other"}, "not a saved state"),
        ({"format": "oppertune-state", "version": 1, "kind": "Identity", "state": {}}, "damaged"),
        ({"format": "oppertune-state", "version": 1, "kind": "Nobody", "state": {}}, "table"),
        (
            {
                "format": "oppertune-state",
                "version": 1,
                "kind": "Identity",
                "state": {"$": "object", "class": "os", "v": 1},
            },
            "unknown class",
        ),
        (
            {"format": "oppertune-state", "version": 1, "kind": "Identity", "state": {"$": "code", "v": 1}},
            "unknown type",
        ),
    ]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("state.json", json.dumps(document))
        with pytest.raises(StateError, match=says):
            load_tuning_instance(path)
    algorithm.connection = object()
    with pytest.raises(StateError, match=r"attributes\.connection"):
        algorithm.save(path)


def test_files_of_the_first_version_are_read(tmp_path):
    algorithm = UniformRandom(PARAMETERS, random_seed=1, constraints=["n > 3"])
    algorithm.predict({"a": 1})
    path = tmp_path / "state"
    algorithm.save(path)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("state.json"))
    assert document["version"] == 2
    document["version"] = 1
    del document["state"]["conditions"]
    ledger = document["state"]["attributes"]["_ledger"]["v"]
    ledger["draws"] = [draw[:4] for draw in ledger["draws"]]
    ledger["requests"] = [request[:4] for request in ledger["requests"]]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", json.dumps(document))
    loaded = load_tuning_instance(path)
    assert loaded.get_tuning_requests() == algorithm.get_tuning_requests()
    assert loaded.predict().prediction == algorithm.predict().prediction
    assert loaded.conditions == {}


def test_every_word_of_the_format_goes_there_and_back():
    state = {
        "plain": [None, True, 1, 2.5, "x", {"a": 1}],
        "odd": {1: "one", (2, "b"): {3}, "$": frozenset({4})},
        "big": 2**80,
        "array": np.arange(6.0).reshape(2, 3),
        "bytes": b"\x00\xff",
        "scalar": np.float64(0.1),
        "parameters": PARAMETERS,
        "context": Context({"a": 1}),
        "real": Real("x", 0.3, 0.1, 0.9, step=0.1),
    }
    file = io.BytesIO()
    save_state(file, "Something", state)
    file.seek(0)
    saved = load_state(file)
    assert saved.kind == "Something"
    loaded = saved.open()
    assert loaded["array"].tolist() == state["array"].tolist()
    for name in set(state) - {"array"}:
        assert loaded[name] == state[name]


def test_threads_exclude_one_another():
    algorithm = UniformRandom([Integer("n", 0, 0, 10**9)], random_seed=0, max_open_requests=10**4)
    told = []

    def client(k):
        for i in range(200):
            prediction, request_id = algorithm.predict({"client": k}, fresh=True)
            told.append((prediction["n"], i))
            algorithm.set_reward(float(i), request_id=request_id)

    threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert algorithm.iteration == len(told) == 800
    assert algorithm.get_tuning_requests() == []


def test_random_values_cover_the_grid():
    algorithm = UniformRandom(
        [Integer("n", 0, 0, 6, step=2), Real("x", 0.1, 0.1, 0.4, step=0.1)], random_seed=0
    )
    drawn = [algorithm.predict(fresh=True).prediction for _ in range(200)]
    assert {d["n"] for d in drawn} == {0, 2, 4, 6}
    assert {d["x"] for d in drawn} == {0.1, 0.2, 0.3, 0.4}
    wide = UniformRandom([Integer("n", 1, 1, 2**31, log=True), Integer("m", 1, 0, 2**70)], random_seed=0)
    logs = [np.log2(wide.predict(fresh=True).prediction["n"]) for _ in range(300)]
    assert 13 < np.mean(logs) < 18
