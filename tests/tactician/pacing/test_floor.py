"""A run far below the baseline is ended for sure; one that is not hardly ever is."""

from __future__ import annotations

import numpy as np
import pytest

from support_core import DIRTY_RATIO, SWAPPINESS, make_experiment
from tactician.experiment import Guardrails, Pacing
from tactician.outcomes import Measurement, Outcome
from tactician.pacing.floor import FloorWatch, floor_watch
from tactician.pacing.pacer import Pacer
from tactician.pacing.series import MEAN, WARMUP
from tactician.ports import BenchmarkRun
from tactician.trial import TrialRunner


def baseline(mean=100.0, *, maximize=True, warmup=0.0):
    metrics = {MEAN: mean, WARMUP: warmup}
    return Outcome.measured({}, Measurement(mean, "1/s", maximize, metrics, {}, 10.0), None)


def feed(watch, values):
    """Tell it interval after interval; the number of the one that ended it, or None."""
    for number, value in enumerate(values, start=1):
        if watch(float(number), value):
            return number
    return None


def test_a_run_far_below_is_ended_soon():
    watch = floor_watch(0.1, [baseline()])
    ended = feed(watch, [2.0, 2.5, 1.8, 2.2, 2.0, 2.1, 2.0, 2.3])
    assert ended is not None
    assert "far below the baseline for sure" in watch.reason


def test_what_is_minimized_is_far_above_instead():
    watch = floor_watch(0.1, [baseline(0.01, maximize=False)])
    assert feed(watch, [0.5, 0.52, 0.49, 0.5, 0.51, 0.5, 0.5, 0.5]) is not None
    assert feed(floor_watch(0.1, [baseline(0.01, maximize=False)]), [0.05, 0.052] * 10) is None


def test_runs_above_the_floor_are_hardly_ever_ended():
    rng = np.random.default_rng(5)
    ended = sum(
        feed(floor_watch(0.5, [baseline()]), rng.normal(55.0, 20.0, 40).tolist()) is not None
        for _ in range(200)
    )
    assert ended <= 6  # the error is 1 % for a mean at the floor


def test_warm_up_and_a_tool_that_begins_anew_do_not_count():
    watch = floor_watch(0.1, [baseline(warmup=6.0)])
    assert feed(watch, [0.0] * 6 + [100.0] * 10) is None
    anew = FloorWatch(10.0, maximize=True, warmup_s=0.0)
    for run in ([1.0, 1.1, 1.0, 1.2], [100.0, 101.0, 99.0, 100.0, 100.0, 100.0]):
        assert feed(anew, run) is None


def test_the_other_watch_is_still_asked():
    watch = floor_watch(0.1, [baseline()], beside=lambda seconds, value: seconds >= 3.0)
    assert feed(watch, [100.0] * 5) == 3
    assert watch.reason == ""


@pytest.mark.parametrize(("share", "known"), [(0.0, [baseline()]), (0.1, []), (0.1, [baseline(0.0)])])
def test_without_a_floor_or_a_stream_there_is_no_watch(share, known):
    assert floor_watch(share, known) is None


@pytest.mark.parametrize("purpose", ["trial", "verification"])
def test_the_pacer_hands_out_the_floor_also_where_runs_are_whole(purpose):
    pacing = Pacing(abort_trials=False, adaptive_length=False)
    pacer = Pacer(make_experiment(pacing=pacing), print)
    assert pacer.pace(purpose, [baseline()], [], whole=True).floor(None) is not None
    assert pacer.pace("baseline", [baseline()], []).floor(None) is None
    off = Pacer(make_experiment(guardrails=Guardrails(enabled=False)), print)
    assert off.pace(purpose, [baseline()], []).floor(None) is None


def test_such_a_trial_has_failed_and_the_host_is_restored():
    from support_core import Fixture

    class Streaming:
        def run(self, configuration, watch=None, share=1.0):
            ended = watch is not None and feed(watch, [1.0, 1.1, 1.0, 0.9] * 5) is not None
            assert ended
            return BenchmarkRun(None, "", True, {}, 5.0, "enough was seen", stopped=True)

    experiment = make_experiment(pacing=Pacing(abort_trials=False, adaptive_length=False))
    fixture = Fixture(experiment, Streaming())
    runner = TrialRunner(experiment, fixture.bench, "r", fixture.events.append)
    pace = Pacer(experiment, print).pace("trial", [baseline()], [])
    outcome = runner.run({SWAPPINESS: 0, DIRTY_RATIO: 40}, "trial", 100.0, pace=pace)
    assert outcome.status == "failed"
    assert "far below the baseline" in outcome.reason
    assert not outcome.by_guardrail
    assert fixture.kernel.shown() == fixture.start
