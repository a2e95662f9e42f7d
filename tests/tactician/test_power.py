"""What is promised before the first trial is what the verification then keeps."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.power import noise_of, power_of, provable, rounds_for
from tactician.verification import Comparison

levels = st.floats(0.001, 0.5)


def claimed(noise: float, rounds: int, gain: float, maximize: bool, number: int) -> bool:
    """Whether one verification of a candidate with this true gain claims it."""
    rng = np.random.default_rng([number, rounds])
    comparison = Comparison(rounds=rounds, maximize=maximize, random_seed=number)
    decision = comparison.decision
    while not decision.finished:
        truth = {"candidate": 1.0 + gain if maximize else 1.0 - gain}
        values = {
            arm: truth.get(arm, 1.0) * math.exp(noise * rng.normal()) for arm in comparison.next_order()
        }
        decision = comparison.add_round(values)
    return decision.significant


# noise, rounds, what is said to be provable for more and for less, in percent
TABLE = [
    (0.01, 8, 1.47, 1.45),
    (0.01, 20, 0.98, 0.97),
    (0.03, 12, 3.75, 3.61),
    (0.04, 20, 3.98, 3.82),
    (0.10, 6, 19.01, 15.97),
    (0.10, 20, 10.21, 9.27),
]


@pytest.mark.parametrize(("noise", "rounds", "more", "less"), TABLE)
def test_the_promise_is_kept_in_four_of_five_verifications(noise, rounds, more, less):
    for maximize, said in ((True, more), (False, less)):
        gain = provable(noise, rounds, maximize=maximize)
        assert 100.0 * gain == pytest.approx(said, abs=0.006)
        found = sum(claimed(noise, rounds, gain, maximize, number) for number in range(60))
        # binomial(60, 0.8) leaves this range with a chance of 1 in 100; the formula errs by 15 % itself
        assert 0.63 <= found / 60 <= 0.97
        assert sum(claimed(noise, rounds, gain / 2.0, maximize, number) for number in range(60)) < 0.6 * 60


@given(levels, levels, st.booleans())
def test_the_rounds_that_are_named_are_enough_and_the_fewest(noise, improvement, maximize):
    rounds = rounds_for(noise, improvement, maximize=maximize)
    if rounds is None:
        assert provable(noise, 1000, maximize=maximize) > improvement
        return
    assert provable(noise, rounds, maximize=maximize) <= improvement
    assert rounds == 1 or provable(noise, rounds - 1, maximize=maximize) > improvement


@given(levels, st.booleans())
def test_more_rounds_prove_no_larger_improvements_only(noise, maximize):
    """The levels of the looks change with the rounds, so that a round more may prove a trifle less."""
    found = [provable(noise, rounds, maximize=maximize) for rounds in range(1, 120)]
    assert all(later <= earlier * 1.03 for earlier, later in itertools.pairwise(found))
    assert found[:3] == [math.inf] * 3


@given(st.lists(st.floats(1.0, 1000.0), min_size=2, max_size=12), st.floats(1e-6, 1e6))
def test_noise_has_no_unit_and_lies_in_its_interval(values, scale):
    noise = noise_of(values)
    assert noise is not None
    assert 0.0 <= noise.low <= noise.deviation <= noise.high
    assert noise.runs == len(values)
    scaled = noise_of([scale * value for value in values])
    assert scaled is not None
    assert scaled.deviation == pytest.approx(noise.deviation, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("values", [[], [5.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]])
def test_where_nothing_can_be_known_nothing_is_said(values):
    assert noise_of(values) is None


def test_a_signed_metric_has_noise_too():
    noise = noise_of([-9.0, -10.0, -11.0, 10.0])
    assert noise is not None
    assert noise.deviation > 0.0


def test_a_metric_that_never_varies_proves_everything():
    noise = noise_of([7.0, 7.0, 7.0])
    assert noise is not None
    assert power_of(noise, 8, maximize=True).provable == 0.0


@pytest.mark.parametrize("truth", [0.01, 0.03, 0.1])
def test_intervals_hold_the_noise_as_often_as_they_say(truth):
    rng = np.random.default_rng(1)
    for runs in (3, 6):
        found = [noise_of(np.exp(truth * rng.normal(size=runs)).tolist()) for _ in range(400)]
        held = statistics.fmean(noise.low <= truth <= noise.high for noise in found)
        assert held >= 0.84, (runs, held)
        # Of three runs the estimate leans towards what benchmarks usually show.
        assert statistics.median(noise.deviation for noise in found) == pytest.approx(truth, rel=0.5)


def test_one_wild_run_does_not_make_a_benchmark_noisy():
    calm = [100.0, 101.0, 99.5, 100.4, 99.0, 100.8]
    assert noise_of([*calm, 40.0]).deviation < 2.5 * noise_of(calm).deviation


def test_a_target_below_what_can_be_proven_is_too_little_and_only_if_it_was_asked_for():
    noise = noise_of([100.0, 104.0, 98.0, 101.0, 95.0])
    assert power_of(noise, 20, maximize=True, target=0.001).too_little
    assert not power_of(noise, 20, maximize=True, target=0.5).too_little
    assert not power_of(noise, 6, maximize=True).too_little


def test_a_result_is_in_percent_and_names_the_rounds_and_seconds_of_the_suggestion():
    noise = noise_of([100.0, 104.0, 98.0, 101.0, 95.0])
    power = power_of(noise, 20, maximize=True)
    said = power.as_result(0.02, seconds_per_run=2.0)
    assert said["noise"] == pytest.approx(100.0 * noise.deviation, abs=0.001)
    assert said["suggestion"]["improvement"] == 2.0
    assert said["suggestion"]["rounds"] == rounds_for(noise.deviation, 0.02, maximize=True)
    assert said["suggestion"]["seconds"] == pytest.approx(6.0 * said["suggestion"]["rounds"])
    assert said["target_improvement"] is None
    assert said["worthwhile_improvement"] == said["provable_improvement"] > 2.0
    assert power_of(noise, 3, maximize=True).as_result(0.02)["provable_improvement"] is None
