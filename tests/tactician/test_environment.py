"""The trial as a Gymnasium environment: its checker is content, and the host is safe from the driver."""

from __future__ import annotations

import errno
import json
import signal
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from support_core import (
    DIRTY_RATIO,
    SWAPPINESS,
    Fixture,
    Scripted,
    dirty_pair,
    integer,
    make_experiment,
    refusal,
)
from tactician.environment import TuningEnv
from tactician.errors import BenchmarkError, Interrupted, MisuseError, RestoreError
from tactician.events import BaselineMeasured, TrialFinished, VerificationStarted
from tactician.experiment import Budget, Training
from tactician.ports import Place
from tactician.wiring import open_environment

SWAP = Place("/proc/sys/vm/swappiness")
HIGH, LOW = np.ones(2, np.float32), -np.ones(2, np.float32)


def better(configuration, number):
    return 100.0 + configuration[SWAPPINESS] + number % 3


def fixture_of(answer=better, trials=5, **changes):
    return Fixture(make_experiment(budget=Budget(trials=trials)), Scripted(answer), **changes)


@pytest.fixture
def config(tmp_path):
    document = {
        "workload_name": "checker",
        "reward_metric": "ops",
        "benchmark_command": "true --clients {clients}",
        "action_space": [
            {"param": "vm.swappiness", "type": "int", "min": 0, "max": 100},
            {"param": "clients", "type": "int", "min": 1, "max": 8},
        ],
        "budget": {"trials": 10000},
        "random_seed": 1,
        "training_config": {"max_steps_per_episode": 7},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(document))
    return path


def test_gymnasiums_checker_has_nothing_to_say(config):
    swappiness = Path(SWAP.path).read_text()
    with open_environment(config, dry_run=True) as env, warnings.catch_warnings():
        warnings.simplefilter("error")
        # Without a spec the checker cannot build a second one; everything else it checks.
        check_env(env, skip_render_check=True, skip_close_check=True)
    assert Path(SWAP.path).read_text() == swappiness


def test_spaces_are_what_the_experiment_says():
    fixture = fixture_of()
    with TuningEnv(fixture.session) as env:
        metrics = len(fixture.experiment.state_metrics)
        assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        assert env.observation_space.shape == (metrics + 2,)
        observation, info = env.reset(seed=1)
        assert env.observation_space.contains(observation)
        assert info["configuration"] == fixture.original


def test_the_ends_of_an_action_are_the_ends_of_the_range_and_beyond_is_the_end():
    with TuningEnv(fixture_of().session) as env:
        assert env.configuration(LOW) == {SWAPPINESS: 0, DIRTY_RATIO: 1}
        assert env.configuration(HIGH) == {SWAPPINESS: 200, DIRTY_RATIO: 90}
        assert env.configuration(HIGH * 9) == env.configuration(HIGH)


def test_a_step_is_a_whole_trial_and_a_reset_writes_nothing():
    fixture = fixture_of()
    with TuningEnv(fixture.session) as env:
        before = len(fixture.log)
        env.reset(seed=1)
        env.reset()
        assert fixture.log[before:] == []
        _, reward, terminated, truncated, info = env.step(HIGH)
        assert ("write", SWAP.path, "200") in fixture.log
        assert fixture.kernel.shown() == fixture.start
        assert (terminated, truncated, info["status"]) == (False, False, "measured")
        assert reward > 1.0


def test_a_failed_trial_is_a_step_without_reward():
    fixture = fixture_of(lambda configuration, run: 100.0 if run <= 3 else "broken")
    with TuningEnv(fixture.session) as env:
        env.reset()
        _, reward, terminated, truncated, info = env.step(HIGH)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert (info["status"], info["reason"]) == ("failed", "broken")


@pytest.mark.parametrize(
    ("answer", "steps"),
    [(better, 4), (lambda configuration, run: 100.0 if run <= 3 else "broken", 3)],
    ids=["budget", "failures"],
)
def test_at_the_end_a_step_is_truncated_and_the_next_one_raises(answer, steps):
    fixture = fixture_of(answer, trials=4)
    with TuningEnv(fixture.session) as env:
        env.reset()
        ends = [env.step(HIGH)[3] for _ in range(steps)]
        assert ends == [False] * (steps - 1) + [True]
        assert fixture.kernel.shown() == fixture.start
        with pytest.raises(MisuseError):
            env.step(HIGH)
        env.reset()
        with pytest.raises(MisuseError):
            env.step(HIGH)


def test_an_episode_ends_before_the_budget_and_another_begins():
    experiment = make_experiment(budget=Budget(trials=10), training=Training(max_steps_per_episode=2))
    with TuningEnv(Fixture(experiment, Scripted(better)).session) as env:
        for _ in range(3):
            env.reset()
            assert [env.step(HIGH)[3] for _ in range(2)] == [False, True]


def test_calls_out_of_order_are_misuse():
    env = TuningEnv(fixture_of().session)
    with pytest.raises(MisuseError, match="before reset"):
        env.step(HIGH)
    env.close()
    with pytest.raises(MisuseError, match="after close"):
        env.reset()
    with pytest.raises(MisuseError, match="after close"):
        env.step(HIGH)


def test_closing_verifies_the_best_restores_and_gives_back_once():
    fixture = fixture_of()
    env = TuningEnv(fixture.session)
    env.reset()
    for action in (LOW, HIGH, HIGH):
        env.step(action)
    assert env.verdict is None
    env.close()
    env.close()
    assert env.verdict is not None
    assert env.verdict.significant
    assert env.best_config[SWAPPINESS] == 200
    assert len(fixture.of(VerificationStarted)) == 1
    assert fixture.released == [True]
    assert fixture.kernel.shown() == fixture.start


def test_where_nothing_is_better_nothing_is_verified():
    fixture = fixture_of(lambda configuration, run: 100.0 - configuration[DIRTY_RATIO])
    with TuningEnv(fixture.session) as env:
        env.reset()
        env.step(HIGH)
    assert env.verdict is None
    assert env.best_config == fixture.original


def test_a_driver_that_fails_restores_without_a_verification():
    fixture = fixture_of()
    with pytest.raises(ZeroDivisionError), TuningEnv(fixture.session) as env:
        env.reset()
        env.step(HIGH)
        raise ZeroDivisionError
    assert fixture.of(VerificationStarted) == []
    assert fixture.released == [True]
    assert fixture.kernel.shown() == fixture.start
    with pytest.raises(MisuseError):
        env.reset()


def test_without_a_baseline_there_is_no_environment():
    fixture = fixture_of(lambda configuration, run: "exit status 1")
    with pytest.raises(BenchmarkError):
        TuningEnv(fixture.session)
    assert fixture.released == [True]


def one_way(kernel, text):
    if text == "60":
        raise refusal(errno.EPERM)
    kernel[SWAP.path] = text


def test_a_host_that_is_not_restored_by_a_step_keeps_its_journal_and_guardian():
    fixture = fixture_of(kernel=dirty_pair())
    with pytest.raises(RestoreError), TuningEnv(fixture.session) as env:
        fixture.kernel.reactions[SWAP] = one_way
        env.reset()
        env.step(HIGH)
    assert fixture.released == [False]


def test_a_host_that_is_not_restored_by_the_verification_keeps_its_journal_and_guardian():
    fixture = fixture_of(kernel=dirty_pair())
    with pytest.raises(RestoreError), TuningEnv(fixture.session) as env:
        env.reset()
        env.step(HIGH)
        fixture.kernel.reactions[SWAP] = one_way
    assert fixture.released == [False]


def with_a_start(**changes):
    """The baseline is a declared start, so it is written and taken back."""
    parameters = (integer(SWAPPINESS, 0, 200, start=100), integer(DIRTY_RATIO, 1, 90))
    return Fixture(make_experiment(parameters), Scripted(better), **changes)


def test_a_host_that_is_not_restored_by_the_baseline_keeps_its_journal_and_guardian():
    kernel = dirty_pair()
    kernel.reactions[SWAP] = one_way
    fixture = with_a_start(kernel=kernel)
    with pytest.raises(RestoreError):
        TuningEnv(fixture.session)
    assert fixture.released == [False]


def test_a_signal_while_the_baseline_is_restored_waits_for_its_end():
    def raising(number, frame):
        raise KeyboardInterrupt

    def restoring(kernel, text):
        if text == "60":
            signal.raise_signal(signal.SIGINT)
        kernel[SWAP.path] = text

    former = signal.signal(signal.SIGINT, raising)
    kernel = dirty_pair()
    kernel.reactions[SWAP] = restoring
    fixture = with_a_start(kernel=kernel)
    try:
        with pytest.raises((Interrupted, KeyboardInterrupt)):
            TuningEnv(fixture.session)
    finally:
        signal.signal(signal.SIGINT, former)
    assert fixture.kernel.shown() == fixture.start


def test_a_driver_that_ignores_it_does_not_touch_the_host_again():
    fixture = fixture_of(kernel=dirty_pair())
    with TuningEnv(fixture.session) as env:
        env.reset()
        env.step(HIGH)
        fixture.kernel.reactions[SWAP] = one_way
        with pytest.raises(RestoreError):
            env.step(HIGH)
        written = len(fixture.log)
        with pytest.raises(MisuseError):
            env.step(HIGH)
    assert [entry for entry in fixture.log[written:] if entry[0] == "write"] == []
    assert fixture.released == [False]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_restore_waits_for_its_end(number):
    """The driver is an ordinary program, in which a signal may be raised anywhere."""
    former = signal.getsignal(number)

    def raising(number, frame):
        raise KeyboardInterrupt

    signal.signal(number, raising)
    fixture = fixture_of()

    def restoring(kernel, text):
        if text == "60":
            signal.raise_signal(number)
        kernel[SWAP.path] = text

    try:
        with pytest.raises((Interrupted, KeyboardInterrupt)), TuningEnv(fixture.session) as env:
            fixture.kernel.reactions[SWAP] = restoring
            env.reset()
            env.step(HIGH)
    finally:
        signal.signal(number, former)
    assert fixture.kernel.shown() == fixture.start


def test_the_baseline_and_every_trial_are_told():
    fixture = fixture_of()
    with TuningEnv(fixture.session) as env:
        env.reset()
        env.step(HIGH)
    assert len(fixture.of(BaselineMeasured)) == 3
    assert len(fixture.of(TrialFinished)) == 1
