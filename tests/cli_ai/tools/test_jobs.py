"""Runs in processes of their own: followed, ended, and what they say when they cannot begin."""

from __future__ import annotations

import tempfile
import threading

import pytest

from cli_ai.strategist.proposal import Proposal
from cli_ai.tools.all import default_registry
from cli_ai.tools.jobs import Job, RunFailedError, ask_tactician
from cli_ai.tools.progress import Progress
from cli_ai.tools.registry import Caller, StoppedError
from cli_ai.tools.workbench import Workbench
from end_to_end.support import document, until
from tactician.system.home import Home

TOOLS = default_registry()
ARGUMENT = {"param": "n", "min": 1, "max": 9, "type": "int", "default": 2}


def experiment(**changes):
    """An experiment that touches nothing of the host."""
    return document(**{"benchmark_command": "echo ops: {n}", "action_space": [ARGUMENT], **changes})


def slow(**changes):
    command = "sleep 0.3; echo ops: {n}"
    return experiment(**{"budget": {"trials": 100}, "benchmark_command": command, **changes})


def planned(whole):
    held = Workbench(propose=lambda request, facts: Proposal(request=request, experiment=whole))
    return held, held.keep(Proposal(request="x", experiment=whole))


def test_a_dry_run_tells_how_far_it_is_and_returns_its_result():
    held, plan = planned(experiment())
    told = []
    made = TOOLS["start_run"].call(held, {"plan": plan, "dry_run": True, "trials": 4}, Caller(told.append))
    assert made.result["dry_run"] is True
    assert made.result["trials"] == 4
    assert made.progress.over
    assert any("trial 4 of 4" in update.message for update in told)
    found = TOOLS["run_progress"].call(held, {"run": made.progress.run_id})
    assert found == made.progress
    later = Workbench()  # another conversation knows it from the history
    assert TOOLS["run_progress"].call(later, {"run": made.progress.run_id}).state == "finished"
    assert TOOLS["list_runs"].call(later).runs[0].run_id == made.progress.run_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action_space": []}, "action_space"),
        ({"reward_metric": None}, "reward_metric"),
        ({"action_space": [{"param": "kernel.core_pattern", "values": ["a", "b"]}]}, "core_pattern"),
    ],
)
def test_what_cannot_begin_says_why(changes, words):
    with pytest.raises(RunFailedError, match=words) as caught:
        job = Job(experiment(**changes), Home.find(), dry_run=True)
        try:
            job.follow(lambda now: None, threading.Event())
        finally:
            job.forget()
    assert caught.value.exit_status == 2
    assert caught.value.problems


@pytest.mark.needs("unshare", "userns")
def test_a_run_is_begun_followed_and_ended():
    """Without waiting; in a namespace of its own, whose lock is nobody else's."""
    held, plan = planned(slow(network_namespace="throw-away"))
    begun = TOOLS["start_run"].call(held, {"plan": plan, "wait": False})
    assert begun.result is None
    try:
        assert until(lambda: TOOLS["run_progress"].call(held, {"run": begun.job}).trial > 0, 60)
    finally:
        ended = TOOLS["stop_run"].call(held, {"run": begun.job})
    assert ended.over
    result = held.job(begun.job).result()
    assert result["stopped_because"] == "interrupted"
    assert result["restored"]
    held.close()


@pytest.mark.needs("unshare", "userns")
def test_a_caller_that_goes_away_ends_its_run():
    held, plan = planned(slow(network_namespace="throw-away"))
    gone = threading.Event()

    def tell(update):
        if "trial" in update.message:
            gone.set()

    with pytest.raises(StoppedError):
        TOOLS["start_run"].call(held, {"plan": plan}, Caller(tell, gone))
    (job,) = held.jobs().values()
    assert job.result()["restored"]


def test_a_command_that_fails_says_what_it_said():
    with pytest.raises(RunFailedError, match="nothing to revert") as caught:
        ask_tactician(["revert", "--json"], Home.find())
    assert caught.value.exit_status == 2
    with pytest.raises(RunFailedError):
        ask_tactician(["no-such-command"], Home.find())


def test_a_name_is_never_an_option():
    held = Workbench()
    with pytest.raises(RunFailedError, match="--help"):
        TOOLS["revert"].call(held, {"run": "--help"})


def test_progress_folds_events_and_ignores_what_it_does_not_know():
    now = Progress()
    outcome = {"status": "measured", "measurement": {"value": 5.0, "unit": "ops"}}
    failed = {"status": "failed", "reason": "no tea"}
    for event in (
        {"event": "run_started", "run_id": "r", "experiment": {"workload_name": "w"}},
        {"event": "something_new", "run_id": "r"},
        {"event": "baseline_measured", "run_id": "r", "number": 1, "outcome": outcome},
        {"event": "trial_started", "run_id": "r", "number": 1, "trials": 2, "seconds_left": 9.0},
        {"event": "trial_finished", "run_id": "r", "number": 1, "outcome": failed, "best": False},
        {"event": "trial_finished", "run_id": "r", "number": 2, "outcome": outcome, "best": True},
    ):
        now = now.after(event)
    assert (now.run_id, now.state, now.baselines, now.trial, now.trials) == ("r", "running", 1, 1, 2)
    assert (now.baseline, now.best, now.failed_trials, now.unit) == (5.0, 5.0, 1, "ops")
    assert not now.over
    assert now.after({"event": "run_finished", "result": {"success": True}}).state == "finished"


def test_a_run_that_is_over_leaves_no_files_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    held, plan = planned(experiment())
    made = TOOLS["start_run"].call(held, {"plan": plan, "dry_run": True, "trials": 4})
    (job,) = held.jobs().values()
    assert list((tmp_path / "temporary").iterdir()) == []
    held.close()
    assert job.result() == made.result
    assert job.progress() == made.progress


def test_a_caller_that_cannot_be_told_ends_its_run():
    """Such as a client whose connection broke: no run goes on without anybody to stop it."""
    held, plan = planned(slow(budget={"trials": 1000}))

    def tell(update):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        TOOLS["start_run"].call(held, {"plan": plan, "dry_run": True}, Caller(tell))
    (job,) = held.jobs().values()
    assert job.progress().over
