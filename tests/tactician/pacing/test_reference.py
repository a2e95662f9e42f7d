"""What a trial has to beat: the incumbent's own beginning counts, and no odd run speaks for all others."""

from __future__ import annotations

import math

import pytest

from tactician.experiment import Pacing, RewardWeights
from tactician.outcomes import Measurement, Outcome
from tactician.pacing.reference import reference
from tactician.pacing.series import CORRELATION, HEAD, LENGTH, MEAN, WARMUP
from tactician.pacing.watching import Watcher

LENGTH_S, INTERVALS = 30.0, 30


def run(mean, *, head=None, warmup=0.0, maximize=True):
    """A whole run whose first half has another mean."""
    metrics = {MEAN: mean, HEAD: head or mean, CORRELATION: 0.0, LENGTH: LENGTH_S, WARMUP: warmup}
    return Outcome.measured({}, Measurement(mean, "1/s", maximize, metrics, {}, LENGTH_S), None)


def known(baselines, trials=()):
    found = reference(
        baselines, trials, RewardWeights(), lambda measured: measured.metrics[MEAN], within=True, error=0.04
    )
    assert found is not None
    return found


def ended_at(found, level):
    """The second at which a trial that stays at a level is ended as surely worse; None if never."""
    watcher = Watcher(found, lambda: 1.0, Pacing(adaptive_length=False))
    for second in range(1, INTERVALS + 1):
        if watcher(float(second), level * (1.0 + 0.01 * (-1) ** second)):
            assert watcher.look is not None
            assert watcher.look.worse
            return second
    return None


BASELINES = [run(100.0), run(101.0), run(99.0)]


def test_one_run_with_a_warm_up_does_not_make_all_others_wait():
    odd = run(60.0, warmup=0.8 * LENGTH_S)
    assert known(BASELINES, [odd]).warmup_s == 0.0
    assert known([*BASELINES, run(100.0, warmup=15.0)]).warmup_s == 0.0
    assert ended_at(known([*BASELINES], [run(500.0), odd]), 50.0) is not None


def test_what_the_baselines_need_to_warm_up_is_waited_for():
    found = known([run(100.0, warmup=5.0), run(101.0, warmup=6.0), run(99.0, warmup=7.0)])
    assert found.warmup_s == 6.0


def test_an_equal_of_the_incumbent_may_warm_up_as_long_as_it():
    found = known(BASELINES, [run(500.0, warmup=9.0), run(90.0, warmup=20.0)])
    assert found.warmup_s == 9.0
    assert found.best == pytest.approx(5.0)
    ended = ended_at(found, 50.0)
    assert ended is not None
    assert ended > 9.0


def test_a_beginning_that_flatters_shields_no_bad_trial():
    """Of few ports the first second uses up all: what is slow in spite of that is slow."""
    flattered = [run(mean, head=2.0 * mean) for mean in (100.0, 101.0, 99.0)]
    assert known(flattered).behind == 0.0
    assert known(flattered).tilt == pytest.approx(math.log(2.0))
    assert ended_at(known(flattered, [run(200.0)]), 120.0) is not None


@pytest.mark.parametrize("maximize", [True, False])
def test_a_beginning_that_looks_worse_is_allowed_for(maximize):
    worse = 0.5 if maximize else 2.0
    slow = [run(mean, head=worse * mean, maximize=maximize) for mean in (100.0, 101.0, 99.0)]
    assert known(slow).behind == pytest.approx(math.log(2.0))


def test_an_equal_of_the_incumbent_may_begin_as_badly_as_it():
    steady, slow = known(BASELINES, [run(200.0)]), known(BASELINES, [run(200.0, head=100.0)])
    assert slow.behind == pytest.approx(math.log(2.0))
    assert ended_at(steady, 110.0) is not None
    assert ended_at(slow, 110.0) is None
