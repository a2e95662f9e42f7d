"""A run with a guard: the benchmark ends, the host is restored, and what goes on too long stops the run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support_core import DIRTY_RATIO, SWAPPINESS, Fixture, Listed, Scripted, make_experiment
from support_services import until
from tactician.errors import GuardrailError, PreflightError, Problem
from tactician.events import TrialFinished
from tactician.experiment import Budget, Guardrails
from tactician.ports import Crossing
from tactician.results import exit_status
from tactician.tuner import Tuner
from tactician.undo import processes

GOOD, BAD, WORSE = ({SWAPPINESS: value, DIRTY_RATIO: 40} for value in (10, 20, 30))
WAYS = {20: Crossing("no memory"), 30: Crossing("port 22 does not answer any more", control=True)}


class FakeGuard:
    """Crosses a guardrail where the kernel's swappiness says so."""

    def __init__(self, kernel, ways, purposes=("trial",)):
        self.kernel, self.ways, self.purposes = kernel, ways, purposes
        self.crossing = None
        self.prepared = 0

    def prepare(self):
        self.prepared += 1

    def crossed(self):
        return self.crossing is not None

    @contextlib.contextmanager
    def watching(self, purpose):
        self.crossing = None
        yield
        if purpose in self.purposes:
            self.crossing = self.ways.get(int(self.kernel["/proc/sys/vm/swappiness"]))


def guarded(*configurations, ways=WAYS, purposes=("trial",), **changes):
    experiment = make_experiment(budget=Budget(trials=len(configurations)), stop_early=False, **changes)
    fixture = Fixture(experiment, Scripted(lambda values, run: 100.0))
    fixture.guard = fixture.bench.guard = FakeGuard(fixture.kernel, ways, purposes)
    fixture.search = Listed(configurations)
    fixture.result = Tuner(fixture.session, fixture.search, undo="").run()
    return fixture


def test_a_trial_that_crosses_a_guardrail_has_failed_and_the_host_is_restored():
    fixture = guarded(GOOD, BAD, GOOD)
    crossed = fixture.session.trials[1]
    assert crossed.status == "aborted"
    assert crossed.reason == "guardrail: no memory"
    assert crossed.by_guardrail
    assert not crossed.fine
    assert crossed.reward is None
    assert fixture.kernel.shown() == fixture.start
    assert fixture.guard.prepared == 1
    assert fixture.result["stopped_because"] == "budget"
    assert fixture.result["failed_trials"] == fixture.result["guardrail_trials"] == 1
    assert fixture.search.rewards[1][1] == 0.0


def test_two_in_a_row_stop_the_run():
    fixture = guarded(GOOD, BAD, BAD, GOOD)
    assert fixture.result["stopped_because"] == "safety"
    assert exit_status(fixture.result) == 3
    assert fixture.result["trials"] == 3
    assert (
        fixture.result["error"]
        == "trials in a row that crossed a guardrail: 2; the last: guardrail: no memory"
    )
    assert fixture.result["verdicts"] == []
    assert fixture.kernel.shown() == fixture.start


def test_how_many_in_a_row_is_the_operators_choice():
    limits = Guardrails(in_a_row=3)
    assert guarded(BAD, BAD, GOOD, guardrails=limits).result["stopped_because"] == "budget"
    assert guarded(BAD, GOOD, BAD, GOOD).result["stopped_because"] == "budget"


def test_a_lost_way_in_stops_the_run_at_once():
    fixture = guarded(GOOD, WORSE, GOOD)
    assert fixture.result["stopped_because"] == "safety"
    assert fixture.result["trials"] == len(fixture.of(TrialFinished)) == 2
    assert fixture.result["error"] == "port 22 does not answer any more"
    assert fixture.kernel.shown() == fixture.start


def test_so_does_one_beside_a_baseline():
    fixture = guarded(GOOD, ways={60: WAYS[30]}, purposes=("baseline",))
    assert fixture.result["trials"] == 0
    assert fixture.result["stopped_because"] == "safety"
    assert fixture.result["error"] == "port 22 does not answer any more"


def test_and_one_beside_a_verification():
    fixture = Fixture(make_experiment(), Scripted(lambda values, run: 100.0))
    fixture.bench.guard = FakeGuard(fixture.kernel, {60: WAYS[30]}, ("verification",))
    fixture.session.start()
    with pytest.raises(GuardrailError, match="port 22"):
        fixture.session.verify(GOOD, fixture.session.baseline, "original", 3)
    assert fixture.kernel.shown() == fixture.start


def test_a_candidate_that_crosses_a_guardrail_while_it_is_verified_proves_nothing():
    fixture = Fixture(make_experiment(), Scripted(lambda values, run: 100.0 + 10.0 * values[SWAPPINESS]))
    fixture.bench.guard = FakeGuard(fixture.kernel, {20: WAYS[20]}, ("verification",))
    fixture.session.start()
    verdict = fixture.session.verify(BAD, fixture.session.baseline, "original", 6)
    assert not verdict.significant
    assert fixture.kernel.shown() == fixture.start


def test_a_check_that_fails_before_the_run_ends_it_before_any_benchmark():
    fixture = Fixture(make_experiment())

    class Ill(FakeGuard):
        def prepare(self):
            raise PreflightError([Problem("guardrails.health_command", "fails")])

    fixture.bench.guard = Ill(fixture.kernel, {})
    with pytest.raises(PreflightError, match="health_command: fails"):
        fixture.session.start()
    assert fixture.session.baselines == []


def tune(folder: Path, document, status):
    path = folder / "experiment.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "cli_ai.main", "tune", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TACTICIAN_HOME": str(folder / "home")},
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def alive(pid):
    found = processes.status(pid)
    return found is not None and found.state not in "ZX"  # whoever reaps orphans here may be slow at it


@pytest.mark.needs("userns")  # a namespace has a lock of its own
def test_a_real_benchmark_is_ended_with_its_children_once_the_health_command_fails(tmp_path: Path):
    broken, pids = tmp_path / "broken", tmp_path / "pids"
    result = tune(
        tmp_path,
        {
            "workload_name": "breaks",
            "reward_metric": "ops",
            # The value of a trial breaks something; the benchmark itself would go on for ten minutes.
            "benchmark_command": f"echo ops: 5; [ {{x}} = 0 ] || {{ touch {broken}; sleep 600 & "
            f"echo $$ $! > {pids}; wait; }}",
            "action_space": [{"param": "x", "values": ["0", "1"], "default": "0"}],
            "algorithm": "uniform_random",
            "random_seed": 1,
            "budget": {"trials": 20},
            "training_config": {"benchmark_timeout": 900},
            "guardrails": {
                "health_command": f"test ! -e {broken}",
                "health_interval": 0.2,
                "health_ports": [],
            },
        },
        3,
    )
    assert result["stopped_because"] == "safety"
    assert result["error"] == "the health command ended with exit 1"
    assert result["restored"]
    until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))
