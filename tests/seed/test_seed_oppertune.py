"""The seed document of oppertune is a contract: every Python block of it runs as it stands."""

from __future__ import annotations

import importlib.util
import math
import random
import re
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oppertune.algorithms.all import ALGORITHMS, create_tuning_instance, get_algorithm_class
from oppertune.application import tune
from oppertune.errors import AlgorithmError

DOCUMENT = Path(__file__).with_name("seed-oppertune.md")
EXEMPT = {
    "graph TB\n": "a diagram",
    "classDiagram\n": "a diagram",
    "sequenceDiagram\n": "a diagram",
    "flowchart TD\n": "a diagram",
    "cd oppertune-algorithms\n": "builds the original",
    "pip install ruff\n": "builds the original",
}

# What the document takes for granted around each block. Complete blocks have none.
PRELUDES = {
    "class YourApplication": "from __future__ import annotations\nfrom typing import Any, Mapping\n",
    "def calculate_reward": "",
    "# Database parameter examples": "from oppertune.core.values import Categorical, Integer, Real\n",
    "# Workload feature examples": "from oppertune.algorithms.autoscope import AutoScopeFeature\n",
    "from oppertune.algorithms.base import Algorithm": "",
    "from .your_custom_algorithm import": (
        "from typing import Dict, Type\nfrom oppertune.algorithms.base import Algorithm\n"
    ),
    "from oppertune.algorithms.hybrid_solver import": "",
    "from oppertune.algorithms.autoscope import": "from oppertune.core.types import Context\n",
}


class Block(NamedTuple):
    language: str
    text: str


def blocks() -> list[Block]:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, body) for language, body in found]


def run(beginning: str, **names: Any) -> dict[str, Any]:
    """Run one block, after its prelude, where ``names`` are defined; all names afterwards."""
    (text,) = (one.text for one in blocks() if one.text.startswith(beginning))
    scope: dict[str, Any] = {"__name__": "seed", **names}
    exec(compile(PRELUDES[beginning] + text, f"{DOCUMENT.name}: {beginning}", "exec"), scope)
    return scope


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not there yet")


class App:
    """The stand-in for ``app``: fast with many workers, a large learning rate, and the right algorithm."""

    def set_parameters(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters

    def run_and_collect_metrics(self) -> Any:
        p = self.parameters
        speed = 600.0 + 10.0 * p["workers"] + 1000.0 * p["learning_rate"] + 100.0 * (p["algorithm"] == "fast")
        return types.SimpleNamespace(throughput=speed, latency=1.0, error_rate=0.0)


def test_every_block_is_run_or_exempt_by_name() -> None:
    assert Counter(one.language for one in blocks()) == {"mermaid": 4, "python": 8, "bash": 2}
    for one in blocks():
        homes = [key for key in (*EXEMPT, *PRELUDES) if one.text.startswith(key)]
        assert len(homes) == 1, one.text
        assert (homes[0] in PRELUDES) == (one.language == "python")
    assert len(EXEMPT) == 6


def test_every_import_line_of_the_document_works() -> None:
    lines = {
        line.strip()
        for one in blocks()
        if one.language == "python"
        for line in one.text.splitlines()
        if line.startswith("from oppertune")
    }
    assert len(lines) == 6
    for line in sorted(lines):
        module = line.split()[1]
        if importlib.util.find_spec(module) is not None:
            exec(line, {})
    exec("from oppertune.core.types import PredictResponse, Context", {})
    exec("from oppertune.algorithms.base import Algorithm, _PredictResponse, _TuningRequest", {})


def test_the_application_interface_and_its_reward() -> None:
    scope = run("class YourApplication")
    application, monitor = scope["YourApplication"](), scope["YourMetricsMonitor"]()
    application.set_parameters({"connection_pool_size": 10})
    application.run()
    monitor.start()
    assert monitor.stop() is None
    reward = run("def calculate_reward", **scope)["calculate_reward"]
    metrics = scope["YourMetrics"](throughput=400.0, latency=0.5, error_rate=0.25)
    assert reward(metrics) == pytest.approx(400.0 / 0.500001 * 0.75 / 1000.0)
    assert reward(scope["YourMetrics"](1e9, 0.1, 0.0)) == 1.0


def test_the_application_interface_is_what_the_loop_drives() -> None:
    scope = run("class YourApplication")
    parameters = run("# Database parameter examples")["parameters"]
    reward = run("def calculate_reward", **scope)["calculate_reward"]

    class Database(scope["YourApplication"]):  # type: ignore[misc]
        def set_parameters(self, parameters: Any) -> None:
            self.pool = parameters["connection_pool_size"]

    class Monitor(scope["YourMetricsMonitor"]):  # type: ignore[misc]
        def stop(self) -> Any:
            return scope["YourMetrics"](throughput=float(database.pool), latency=1.0, error_rate=0.0)

    database = Database()
    algorithm = create_tuning_instance("uniform_random", parameters, random_seed=1)
    result = tune(database, Monitor(), reward, algorithm, rounds=40, target=0.095)
    assert result.stopped_because == "target"
    assert result.best is not None
    assert result.best.parameters["connection_pool_size"] >= 95


def test_the_parameters() -> None:
    parameters = run("# Database parameter examples")["parameters"]
    assert [p.name for p in parameters] == [
        "connection_pool_size",
        "cache_hit_ratio",
        "consistency_level",
        "batch_size",
    ]
    prediction, _ = create_tuning_instance("uniform_random", parameters).predict()
    assert all(p.contains(prediction[p.name]) for p in parameters)


def test_the_context_features() -> None:
    needs("oppertune.algorithms.autoscope")
    features = run("# Workload feature examples")["features"]
    assert [feature.name for feature in features] == ["workload_type", "time_of_day", "user_load"]


def completed(guide: dict[str, Any]) -> type:
    """The class of the extension guide, completed only where it says "implement": a random hill climber."""

    class YourCustomAlgorithm(guide["YourCustomAlgorithm"]):  # type: ignore[misc]
        def _initialize_algorithm_state(self) -> None:
            self.best_reward, self.best, self.last = -math.inf, None, None
            self.draws = 0

        def _your_prediction_logic(self, current_params: Any, context: Any) -> Any:
            start = self.best or current_params
            self.draws += 1
            noise = random.Random(self.draws)
            self.last = {
                p.name: start[p.name] + p.max * noise.gauss(0.0, self.custom_param) for p in self.params
            }
            return self.last

        def _update_algorithm_state(self, reward: float) -> None:
            if reward > self.best_reward:
                self.best_reward, self.best = reward, self.last

    return YourCustomAlgorithm


def test_the_class_of_the_extension_guide_predicts_and_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = run("from oppertune.algorithms.base import Algorithm")
    Integer, Real = guide["Integer"], guide["Real"]
    parameters = [Integer("size", val=20, min=10, max=210, step=10), Real("share", val=0.1, min=0.0, max=1.0)]
    as_it_stands = guide["YourCustomAlgorithm"](parameters, custom_param=0.2, random_seed=1)
    with pytest.raises(AlgorithmError, match="_predict must return"):
        as_it_stands.predict()

    module = types.ModuleType("oppertune.algorithms.your_custom_algorithm")
    module.YourCustomAlgorithm = completed(guide)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    table = run("from .your_custom_algorithm import", __package__="oppertune.algorithms")["ALGORITHMS"]
    assert table == {"your_custom_algorithm": module.YourCustomAlgorithm}
    for name, cls in table.items():
        monkeypatch.setitem(ALGORITHMS, name, cls)

    algorithm = create_tuning_instance("your_custom_algorithm", parameters, custom_param=0.1, random_seed=3)
    assert get_algorithm_class("your_custom_algorithm") is type(algorithm)

    def reward(p: Any) -> float:
        return float(-(((p["size"] - 150) / 200) ** 2) - (p["share"] - 0.7) ** 2)

    first = reward(algorithm.predict().prediction)
    algorithm.set_reward(first)
    for _ in range(200):
        prediction, _ = algorithm.predict()
        algorithm.set_reward(reward(prediction))
    assert algorithm.iteration == 201
    assert reward(algorithm.recommend()) > -0.01 > first


def basic_usage() -> dict[str, Any]:
    scope = run("class YourApplication")
    reward = run("def calculate_reward", **scope)["calculate_reward"]
    return run("from oppertune.algorithms.hybrid_solver import", app=App(), calculate_reward=reward)


def test_the_basic_usage() -> None:
    needs("oppertune.algorithms.hybrid_solver")
    scope = basic_usage()
    assert 0 <= scope["iteration"] < 100
    assert set(scope["prediction"]) == {"algorithm", "workers", "learning_rate"}
    assert scope["tuning_instance"].best_reward == pytest.approx(1.0, abs=0.35)


def test_the_context_aware_usage() -> None:
    needs("oppertune.algorithms.autoscope")
    needs("oppertune.algorithms.hybrid_solver")
    parameters = basic_usage()["parameters"]
    scope = run("from oppertune.algorithms.autoscope import", parameters=parameters)
    assert set(scope["prediction"]) == {"algorithm", "workers", "learning_rate"}
    for _ in range(20):
        scope["autoscope"].set_reward(0.5, request_id=scope["request_id"])
        prediction, scope["request_id"] = scope["autoscope"].predict(scope["context"])
        assert all(p.contains(prediction[p.name]) for p in parameters)
