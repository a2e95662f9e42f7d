"""A result is what DESIGN.md documents, can be written as JSON, and claims only what was verified."""

from __future__ import annotations

import json

import pytest

from support_core import make_experiment
from tactician.errors import Problem
from tactician.outcomes import Measurement, Outcome, Score, Verdict
from tactician.results import EXIT_STATUS, exit_status, make_result
from tactician.testing.contract import example_result

DOCUMENTED = {
    "success", "restored", "dry_run", "run_id", "workload_name", "algorithm", "trials", "failed_trials",
    "benchmark_seconds", "baseline", "candidate", "best_config", "improvement", "improvement_interval",
    "significant", "stopped_because",
}  # fmt: skip
HERE, THERE = {"vm.swappiness": 60, "vm.dirty_ratio": 20}, {"vm.swappiness": 0, "vm.dirty_ratio": 40}


def measured(value, configuration=THERE):
    return Outcome.measured(
        configuration, Measurement(value, "1/s", True, {}, {}, 1.0), Score(value / 100, 1.0, value / 100)
    )


def verdict(significant, improvement=12.0, interval=(9.0, 15.0), reference="original"):
    return Verdict(
        reference, improvement if significant else 0.0, improvement, interval, significant, None,
        112.0, 100.0, 1.0, 1.0, 5, 15, 15.0, "decided",
    )  # fmt: skip


def result(**changes):
    given = {
        "run_id": "r", "dry_run": False, "stopped_because": "budget", "error": "", "benchmark_seconds": 3.0,
        "baselines": [measured(value, HERE) for value in (90.0, 110.0, 100.0)],
        "trials": [measured(120.0), Outcome.failed(THERE, "no number"), Outcome.refused(THERE, "outside")],
        "original": HERE, "baseline": HERE, "candidate": THERE, "verdicts": [verdict(True)],
        "gradient_steps": None, "not_restored": [], "notices": [],
    }  # fmt: skip
    return make_result(make_experiment(), **{**given, **changes})


def test_the_keys_are_the_documented_ones_and_those_that_the_contract_shows():
    assert set(result()) >= DOCUMENTED
    assert set(result()) == set(example_result("r", HERE, THERE))


@pytest.mark.parametrize(
    "changes",
    [{}, {"verdicts": [], "candidate": None}, {"baselines": []}, {"trials": []}, {"gradient_steps": 4}],
)
def test_a_result_is_json_without_nan(changes):
    text = json.dumps(result(**changes), allow_nan=False)
    assert set(json.loads(text)) >= DOCUMENTED


def test_types_are_as_documented():
    found = result()
    for key in ("success", "restored", "dry_run", "significant"):
        assert type(found[key]) is bool
    assert (type(found["trials"]), type(found["failed_trials"])) == (int, int)
    assert (found["trials"], found["failed_trials"]) == (3, 2)
    assert found["baseline"]["median"] == 100.0
    assert found["baseline"]["unit"] == "1/s"
    assert found["improvement_interval"] == [9.0, 15.0]
    assert all(type(value) is int for value in found["best_config"].values())


def test_a_proven_winner_is_the_best_configuration():
    found = result()
    assert (found["improvement"], found["significant"], found["best_config"]) == (12.0, True, THERE)


def test_what_is_not_proven_is_not_an_improvement_and_the_baseline_stays_best():
    found = result(verdicts=[verdict(False)])
    assert (found["improvement"], found["significant"], found["best_config"]) == (0.0, False, HERE)
    assert found["candidate"] == THERE
    assert found["improvement_interval"] == [9.0, 15.0]


def test_without_a_verification_there_is_no_improvement_and_no_interval():
    found = result(verdicts=[], candidate=None)
    assert (found["improvement"], found["improvement_interval"], found["significant"]) == (0.0, None, False)
    assert found["best_config"] == HERE


def test_the_second_verdict_never_makes_the_claim():
    found = result(verdicts=[verdict(False), verdict(True, reference="kernel defaults")])
    assert (found["improvement"], found["significant"]) == (0.0, False)


def test_the_median_of_an_even_number_lies_between():
    assert result(baselines=[measured(90.0), measured(100.0)])["baseline"]["median"] == 95.0


@pytest.mark.parametrize(("stopped", "status"), EXIT_STATUS.items())
def test_the_status_follows_the_reason_and_a_host_that_is_not_restored_comes_first(stopped, status):
    found = result(stopped_because=stopped)
    assert exit_status(found) == status
    assert found["success"] == (status == 0)
    spoiled = result(stopped_because=stopped, not_restored=[Problem("/proc/sys/x", "sysctl -w x=1")])
    assert exit_status(spoiled) == 4
    assert (spoiled["success"], spoiled["restored"]) == (False, False)
    assert spoiled["not_restored"] == [{"path": "/proc/sys/x", "message": "sysctl -w x=1"}]


def test_the_statuses_are_the_documented_ones():
    assert EXIT_STATUS == {
        "budget": 0, "decided": 0, "failures": 3, "safety": 3, "interrupted": 130, "error": 1,
    }  # fmt: skip
