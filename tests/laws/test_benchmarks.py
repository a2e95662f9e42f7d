"""Every benchmark obeys the law of benchmarks, and the law can be broken."""

from __future__ import annotations

import math

import pytest

from oppertune.core.values import Integer
from tactician.ports import BenchmarkRun
from tactician.simulated.host import SimulatedBenchmark
from tactician.simulated.surfaces import Surface, gaussian, heavy_tailed, workload_surface
from tactician.testing.contract import A_BENCHMARK_FAILS_BY_RESULT, LawBrokenError, check_benchmark

PARAMETERS = [Integer("a", 1, 0, 100)]


@pytest.mark.parametrize(
    "surface",
    [
        workload_surface(PARAMETERS, "web"),
        Surface(lambda configuration: 1.0, heavy_tailed(0.5)),
        Surface(lambda configuration: None, gaussian(0.1)),
        Surface(lambda configuration: 0.0, gaussian(0.1)),
    ],
    ids=["web", "heavy", "failing", "zero"],
)
def test_the_simulated_benchmark_obeys_the_law(surface):
    check_benchmark(SimulatedBenchmark(surface, random_seed=1), {"a": 5}, runs=20)


class Answers:
    def __init__(self, *runs):
        self.runs = list(runs)

    def run(self, configuration):
        return self.runs.pop(0)


def answer(value=1.0, problem="", seconds=1.0):
    return BenchmarkRun(value, "1/s", True, {}, seconds, problem)


@pytest.mark.parametrize(
    "good", [answer(), answer(0.0), answer(-1.0), answer(None, "exit status 1"), answer(seconds=0.0)]
)
def test_a_value_or_a_problem_is_lawful(good):
    check_benchmark(Answers(good), {}, runs=1)


@pytest.mark.parametrize(
    "bad",
    [
        answer(None),
        answer(1.0, "and yet it failed"),
        answer(math.nan),
        answer(math.inf),
        answer(-math.inf),
        answer(seconds=-1.0),
    ],
)
def test_a_broken_benchmark_is_caught_also_in_a_later_run(bad):
    with pytest.raises(LawBrokenError) as caught:
        check_benchmark(Answers(answer(), bad), {}, runs=2)
    assert str(caught.value).startswith(A_BENCHMARK_FAILS_BY_RESULT)
