"""What an import costs, what is public, and that the extension guide's class works."""

import subprocess
import sys

import pytest

import oppertune
from oppertune import errors
from oppertune.algorithms.all import ALGORITHMS, create_tuning_instance
from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest
from oppertune.core.values import Integer, Real


def loaded_by(statement):
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_package_itself_loads_nothing():
    assert loaded_by("import oppertune") <= {"oppertune"}


@pytest.mark.parametrize(
    "module",
    [
        "core.values",
        "core.space",
        "core.state",
        "algorithms.base",
        "algorithms.all",
        "application",
        "rewards",
    ],
)
def test_the_core_loads_no_numpy(module):
    assert "numpy" not in loaded_by(f"import oppertune.{module}")


@pytest.mark.parametrize("module", ["bluefin", "ppo", "uniform_random", "identity"])
def test_algorithms_load_no_scipy_and_not_one_another(module):
    modules = loaded_by(f"import oppertune.algorithms.{module}")
    assert not {name.partition(".")[0] for name in modules} & {
        "scipy",
        "torch",
        "gymnasium",
        "subprocess",
        "tactician",
    }
    others = {entry.partition(":")[0] for entry in ALGORITHMS.values()} - {f"oppertune.algorithms.{module}"}
    assert not modules & others


def test_one_algorithm_costs_little_more_than_numpy():
    beyond = loaded_by("import oppertune.algorithms.bluefin") - loaded_by("import numpy")
    heavy = {"uuid", "zipfile", "random", "difflib", "hashlib", "json", "pathlib", "importlib.metadata"}
    assert not beyond & heavy
    # What numpy leaves out, the base class leaves out as well.
    assert not loaded_by("import oppertune.algorithms.base") & heavy


def test_every_public_name_is_there():
    assert set(oppertune._HOMES) | {"__version__"} == set(oppertune.__all__)
    for name in oppertune.__all__:
        assert getattr(oppertune, name) is not None
        assert name in dir(oppertune)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = oppertune.nonsense


def test_every_error_has_one_base():
    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    assert all(issubclass(c, errors.OppertuneError) for c in classes)
    assert all(c.__name__ in errors.__doc__ for c in classes)
    assert str(errors.UnknownRequestError("a sentence")) == "a sentence"


class YourCustomAlgorithm(Algorithm):
    """The class of the extension guide, completed where it says "implement": a hill climber."""

    class Meta:
        supported_parameter_types = (Integer, Real)  # Supported parameter types
        requires_untransformed_parameters = False
        supports_context = True  # Whether context is supported
        supports_single_reward = True
        supports_sequence_of_rewards = False

    def __init__(self, parameters, custom_param: float = 0.1, **kwargs):
        super().__init__(parameters, **kwargs)
        self.custom_param = custom_param
        # Initialize algorithm-specific state
        self._initialize_algorithm_state()

    def _initialize_algorithm_state(self):
        self.best_reward = float("-inf")
        self.best = None
        self.last = None
        self.turn = 0

    def _predict(self, tuning_request: _TuningRequest) -> _PredictResponse:
        # Get current parameter values
        current_params = {p.name: p.val for p in self.params}

        # Implement your prediction algorithm
        predicted_params = self._your_prediction_logic(current_params, tuning_request.context)

        return _PredictResponse(prediction=predicted_params)

    def _set_reward(self, tuning_request: _TuningRequest) -> None:
        # Use reward to update algorithm state
        self._update_algorithm_state(tuning_request.reward)

    def _your_prediction_logic(self, current_params, context):
        start = self.best or current_params
        sign = 1 if self.turn % 2 else -1
        moved = self.params[(self.turn // 2) % len(self.params)]
        step = sign * self.custom_param * moved.max
        self.last = {**start, moved.name: start[moved.name] + step}
        return self.last

    def _update_algorithm_state(self, reward):
        self.turn += 1
        if reward > self.best_reward:
            self.best_reward, self.best = reward, self.last


def test_the_class_of_the_extension_guide_predicts_and_learns(monkeypatch, tmp_path):
    monkeypatch.setitem(ALGORITHMS, "your_custom_algorithm", YourCustomAlgorithm)
    parameters = [Integer("size", val=20, min=10, max=210, step=10), Real("share", val=0.1, min=0.0, max=1.0)]
    algorithm = create_tuning_instance("your_custom_algorithm", parameters, custom_param=0.1, random_seed=3)

    def reward(p):
        return -(((p["size"] - 150) / 200) ** 2) - (p["share"] - 0.7) ** 2

    for _ in range(80):
        prediction, _ = algorithm.predict({"workload": "oltp"})
        context = algorithm.get_tuning_requests()[0].context
        algorithm.set_reward(reward(prediction), context.id)
    assert reward(algorithm.recommend()) > -0.01
    assert algorithm.iteration == 80
    algorithm.save(tmp_path / "state")
    loaded = YourCustomAlgorithm.load(tmp_path / "state")
    assert loaded.predict().prediction == algorithm.predict().prediction
