"""A trial applies, measures and restores; what goes wrong on the way is an outcome."""

from __future__ import annotations

import errno

import pytest

from oppertune.core.space import Constraint
from support_core import (
    DIRTY_RATIO,
    SWAPPINESS,
    Fixture,
    LoggedGuardian,
    LoggedJournal,
    Scripted,
    dirty_pair,
    integer,
    make_experiment,
    refusal,
)
from tactician.errors import GuardianError, Interrupted, JournalError, RestoreError
from tactician.events import Applied, BenchmarkFinished, BenchmarkStarted
from tactician.ports import Place
from tactician.trial import TrialRunner

THERE = {SWAPPINESS: 0, DIRTY_RATIO: 40}
SWAP, RATIO = Place("/proc/sys/vm/swappiness"), Place("/proc/sys/vm/dirty_ratio")


def runner(answer=lambda configuration, run: 100.0, **changes):
    fixture = Fixture(benchmark=Scripted(answer), **changes)
    fixture.benchmark.log = fixture.log
    fixture.runner = TrialRunner(fixture.experiment, fixture.bench, "r", fixture.events.append)
    return fixture


def test_the_benchmark_runs_on_the_configuration_and_the_host_is_restored():
    seen = []
    fixture = runner(lambda configuration, run: seen.append(fixture.kernel.shown()) or 100.0)
    outcome = fixture.runner.run(THERE, "trial", 80.0)
    assert outcome.ok
    assert outcome.score.performance == pytest.approx(1.25)
    assert (seen[0][SWAP.path], seen[0][RATIO.path]) == ("0", "40")
    assert fixture.kernel.shown() == fixture.start
    kinds = [type(event) for event in fixture.events]
    assert kinds == [Applied, Applied, BenchmarkStarted, BenchmarkFinished]


def test_without_a_baseline_there_is_no_score():
    outcome = runner().runner.run(THERE, "baseline", None)
    assert outcome.ok
    assert outcome.score is None


def test_a_baseline_of_zero_is_a_baseline():
    assert runner().runner.run(THERE, "trial", 0.0).score is not None


def test_a_benchmark_that_fails_is_an_outcome_with_its_output():
    fixture = runner(lambda configuration, run: "exit status 1")
    outcome = fixture.runner.run(THERE, "trial", 80.0)
    assert (outcome.status, outcome.reason) == ("failed", "exit status 1")
    assert outcome.output_tail == "tail of exit status 1"
    assert fixture.kernel.shown() == fixture.start


def test_what_is_outside_the_space_is_refused_and_nothing_is_written():
    fixture = runner()
    outcome = fixture.runner.run({**THERE, SWAPPINESS: 201}, "trial", 80.0)
    assert outcome.status == "refused"
    assert fixture.log == []


def test_the_hosts_own_values_may_lie_outside_of_what_is_searched():
    outcome = runner().runner.run({**THERE, SWAPPINESS: 300}, "baseline", None, checked=False)
    assert outcome.ok


def test_a_value_that_the_kernel_refuses_is_a_failed_trial():
    fixture = runner()
    fixture.kernel.reactions[SWAP] = lambda kernel, text: (_ for _ in ()).throw(refusal())
    outcome = fixture.runner.run(THERE, "trial", 80.0)
    assert outcome.status == "failed"
    assert "was refused" in outcome.reason
    assert fixture.kernel.shown() == fixture.start
    assert ("benchmark", 1) not in fixture.log


def test_a_place_that_cannot_be_read_is_a_failed_trial_without_a_write():
    fixture = runner()
    fixture.kernel.unreadable[SWAP] = errno.EIO
    outcome = fixture.runner.run(THERE, "trial", 80.0)
    assert outcome.status == "failed"
    assert fixture.log == []


def test_a_place_that_shows_no_value_is_a_failed_trial_without_a_write():
    """What cannot be read cannot be restored."""
    parameters = (integer(SWAPPINESS, 0, 200), integer(DIRTY_RATIO, 1, 90))
    constraint = Constraint.parse(f"{SWAPPINESS} < {DIRTY_RATIO}", (SWAPPINESS, DIRTY_RATIO))
    fixture = runner(experiment=make_experiment(parameters, constraints=(constraint,)))
    fixture.kernel[SWAP.path] = "nonsense"
    outcome = fixture.runner.run({SWAPPINESS: 1, DIRTY_RATIO: 40}, "trial", 80.0)
    assert outcome.status == "failed"
    assert fixture.log == []


@pytest.mark.parametrize("error", [Interrupted(2), KeyboardInterrupt(), ZeroDivisionError()])
def test_whatever_a_benchmark_raises_passes_after_the_restore(error):
    def answer(configuration, run):
        raise error

    fixture = runner(answer)
    with pytest.raises(type(error)):
        fixture.runner.run(THERE, "trial", 80.0)
    assert fixture.kernel.shown() == fixture.start


def test_a_host_that_is_not_restored_is_no_outcome():
    kernel = dirty_pair()

    def one_way(kernel, text):
        if text == "60":
            raise refusal(errno.EPERM)
        kernel[SWAP.path] = text

    kernel.reactions[SWAP] = one_way
    with pytest.raises(RestoreError):
        runner(kernel=kernel).runner.run(THERE, "trial", 80.0)


@pytest.mark.parametrize(
    "ports",
    [
        {"journal": LoggedJournal([], (0,), JournalError(28, "full"))},
        {"guardian": LoggedGuardian([], GuardianError("no answer"))},
    ],
)
def test_without_the_safety_net_there_is_no_trial(ports):
    fixture = runner(**ports)
    with pytest.raises((JournalError, GuardianError)):
        fixture.runner.run(THERE, "trial", 80.0)
    assert fixture.kernel.shown() == fixture.start
    assert fixture.log in ([], [("guardian",)])


def test_a_side_effect_is_noted_in_the_outcome():
    fixture = runner(kernel=dirty_pair(neighbour="7"))

    def meddles(kernel, text):
        kernel[SWAP.path], kernel["/proc/sys/vm/neighbour"] = text, "8"

    fixture.kernel.reactions[SWAP] = meddles
    outcome = fixture.runner.run(THERE, "trial", 80.0)
    assert outcome.ok
    assert any("/proc/sys/vm/neighbour" in note for note in outcome.notes)
    assert fixture.kernel.shown() == fixture.start


def test_how_long_a_run_takes_is_learnt_from_good_runs():
    fixture = runner()
    assert fixture.runner.typical_seconds is None
    fixture.runner.run(THERE, "trial", 80.0)
    assert fixture.runner.typical_seconds == pytest.approx(1.0)
