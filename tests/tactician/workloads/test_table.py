"""The shipped experiments of the embedded workloads: complete, valid, safe, and the same in both places."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import tactician.workloads
from tactician import safety
from tactician.config import parse_experiment
from tactician.workloads import WORKLOADS, configuration

PACKAGE = Path(tactician.workloads.__file__).parent
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_example_is_a_copy_of_what_is_shipped(name: str) -> None:
    file_name = WORKLOADS[name].file_name
    assert (EXAMPLES / file_name).read_bytes() == (PACKAGE / file_name).read_bytes()


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_shipped_experiment_is_valid_and_safe(name: str) -> None:
    experiment = parse_experiment(configuration(name))
    assert safety.refusals(experiment) == []
    assert safety.unknown(experiment) == []
    assert experiment.throw_away == WORKLOADS[name].needs_namespace
    assert all(tuned.on_host == WORKLOADS[name].needs_namespace for tuned in experiment.parameters)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_shipped_experiment_runs_its_own_module(name: str) -> None:
    workload = WORKLOADS[name]
    assert workload.name == name
    assert importlib.util.find_spec(workload.module) is not None
    assert configuration(name)["benchmark_command"].startswith(f"python3 -m {workload.module} ")


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_learner_is_chosen_and_has_trials_enough(name: str) -> None:
    document = configuration(name)
    assert document["algorithm"] == "auto"
    assert document["budget"]["trials"] >= 20


def test_every_workload_module_is_in_the_table() -> None:
    modules = {path.stem for path in PACKAGE.glob("[!_]*.py")}
    assert modules == {workload.module.rpartition(".")[2] for workload in WORKLOADS.values()}


def test_a_configuration_takes_other_figures() -> None:
    document = configuration("sqlite", trials=5, duration=0.25, algorithm="uniform_random")
    assert document["budget"] == {"trials": 5}
    assert (document["duration"], document["algorithm"]) == (0.25, "uniform_random")


def test_a_configuration_is_free_to_change() -> None:
    configuration("sqlite")["action_space"].clear()
    assert configuration("sqlite") == json.loads((PACKAGE / "sqlite.json").read_text(encoding="utf-8"))


def test_an_unknown_workload_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        configuration("nonsense")


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WORKLOADS["more"] = WORKLOADS["sqlite"]  # type: ignore[index]
