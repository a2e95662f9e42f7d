"""Bounds on further metrics of a benchmark: a run beyond one has failed, also one that cannot be checked."""

from __future__ import annotations

import pytest

from tactician.config import parse_experiment
from tactician.errors import ConfigurationError
from tactician.ports import BenchmarkRun
from tactician.system.benchmark import CommandBenchmark
from tactician.system.guarding import NoJournal

PRINTS = "printf 'requests_per_second: 100\\nlatency_p99: %s s\\n' "


def document(command: str, limits: object) -> dict[str, object]:
    return {
        "workload_name": "limits",
        "reward_metric": "requests_per_second",
        "benchmark_command": f"{command}; : {{x}}",
        "action_space": [{"param": "x", "min": 1, "max": 2}],
        "limits": limits,
    }


def ran(command: str, limits: dict[str, float]) -> BenchmarkRun:
    return CommandBenchmark(parse_experiment(document(command, limits)), NoJournal(), "limits").run({"x": 1})


@pytest.mark.parametrize("latency", ["0.02", "0.001", "0"])
def test_a_run_within_its_bounds_counts(latency: str) -> None:
    run = ran(PRINTS + latency, {"latency_p99": 0.02})
    assert (run.value, run.problem) == (100.0, "")


def test_a_run_beyond_a_bound_has_failed_and_says_by_what() -> None:
    run = ran(PRINTS + "0.021", {"latency_p99": 0.02})
    assert run.value is None
    assert run.problem == "latency_p99 is 0.021, above its limit of 0.02"


@pytest.mark.parametrize("command", ["echo requests_per_second: 100", PRINTS + "nan"])
def test_a_bound_that_cannot_be_checked_is_not_kept(command: str) -> None:
    run = ran(command, {"latency_p99": 0.02})
    assert run.value is None
    assert "latency_p99" in run.problem


def test_a_bound_on_the_metric_itself_counts_too() -> None:
    assert ran(PRINTS + "0.01", {"requests_per_second": 99.0}).value is None


@pytest.mark.parametrize(
    "limits", [[], {"latency_p99": "fast"}, {"latency_p99": None}, {"latency_p99": True}]
)
def test_a_bound_is_a_number(limits: object) -> None:
    with pytest.raises(ConfigurationError, match="limits"):
        parse_experiment(document("true", limits))
