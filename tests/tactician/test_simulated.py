"""The simulated host and benchmark behave like the real ones where it matters, and repeat themselves."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest

from oppertune.core.values import Categorical, Integer
from tactician.ports import Place
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.surfaces import Surface, drifting, gaussian, heavy_tailed, workload_surface

PARAMETERS = [Integer("a", 1, 0, 100), Categorical("b", "x", ("x", "y", "z"))]
HERE = Place("/proc/sys/vm/swappiness")


def test_a_host_holds_what_was_written_and_knows_no_other_place():
    host = SimulatedHost({HERE: "60"})
    host.write(HERE, "0")
    assert host.read(HERE) == "0"
    with pytest.raises(FileNotFoundError):
        host.write(Place("/proc/sys/vm/nothing"), "0")
    assert list(host.texts) == [HERE]


def test_the_texts_given_to_a_host_stay_their_owners():
    texts = {HERE: "60"}
    SimulatedHost(texts).write(HERE, "0")
    assert texts == {HERE: "60"}


def configurations():
    return [{"a": a, "b": b} for a, b in itertools.product(range(0, 101, 10), "xyz")]


def test_a_workload_has_one_surface_and_another_workload_has_another():
    first, again = (workload_surface(PARAMETERS, "web").truth for _ in range(2))
    other = workload_surface(PARAMETERS, "database").truth
    assert [first(c) for c in configurations()] == [again(c) for c in configurations()]
    assert [first(c) for c in configurations()] != [other(c) for c in configurations()]


def test_a_surface_takes_the_hosts_own_values_outside_the_range():
    assert workload_surface(PARAMETERS, "web").truth({"a": 100000, "b": "unheard of"}) > 0


@pytest.mark.parametrize("noise", [gaussian(0.5), heavy_tailed(0.5), drifting(0.5)])
def test_noise_keeps_a_value_positive_and_finite(noise):
    rng = np.random.default_rng(1)
    factors = [noise(rng, run) for run in range(2000)]
    assert all(math.isfinite(factor) and factor > 0 for factor in factors)
    assert 0.8 < statistics.median(factors) < 1.2


def test_the_same_seed_is_the_same_noise():
    surface = workload_surface(PARAMETERS, "web")
    first, again = (SimulatedBenchmark(surface, random_seed=3) for _ in range(2))
    wanted = [first.run(c).value for c in configurations()]
    assert [again.run(c).value for c in configurations()] == wanted
    again.reseed(3)
    assert [again.run(c).value for c in configurations()] == wanted


def test_where_the_truth_fails_the_run_fails():
    run = SimulatedBenchmark(Surface(lambda configuration: None, gaussian(0.1))).run({})
    assert run.value is None
    assert run.problem


def test_a_monitor_gives_shares_and_repeats_them_by_seed():
    monitor = SimulatedMonitor(5)
    first = [monitor.stop() for _ in range(20)]
    monitor.reseed(5)
    assert [monitor.stop() for _ in range(20)] == first
    assert all(0.0 <= share <= 1.0 for shares in first for share in shares.values())
