"""The evaluation set holds, and its frozen half is the one that the hash chose."""

from __future__ import annotations

import hashlib

import pytest

from cli_ai.strategist.rules import propose
from support_strategist import EVALUATION, cases, scripts

score, judging = scripts()
GOALS = {
    "workload_class": 0.9,
    "safe": 1.0,
    "runnable": 0.98,
    "metric": 1.0,
    "limits": 0.95,
    "refusals": 0.95,
}


@pytest.mark.parametrize("half", ["open", "frozen"])
def test_the_rules_reach_their_goals(half: str) -> None:
    found, _ = score.verdicts(score.cases(half), propose)
    reached = {name: share for name, (share, _) in score.shares(found).items()}
    short = {name: reached[name] for name, goal in GOALS.items() if reached[name] < goal}
    assert not short


def test_the_frozen_half_is_chosen_by_hash() -> None:
    names = [case["id"] for case in cases()]
    chosen = sorted(name for name in names if hashlib.sha256(name.encode()).digest()[0] % 2 == 0)
    assert (EVALUATION / "frozen.txt").read_text(encoding="utf-8").split() == chosen
    assert len(names) == len(set(names)) >= 80


def test_the_judge_sees_what_is_wrong() -> None:
    """A judge that finds nothing would pass everything."""
    case = {
        "id": "x",
        "request": "x; reboot|now",
        "class": ["database"],
        "never": ["vm.*"],
        "refuse": ["fsync"],
        "limits": {"trials": 5, "untouched": ["vm.swappiness"]},
        "families": ["backlog"],
        "metric": "latency",
    }
    facts = score.host("debian-postgresql")
    plan = propose("tune memory of the host: swapping, memory", facts)
    assert plan.experiment is not None
    broken = plan.model_copy(
        update={"experiment": {**plan.experiment, "benchmark_command": "reboot|now {x}"}}
    )
    verdict = judging.judge(case, facts, broken)
    assert not verdict.workload_class
    assert verdict.families == 0.0
    assert not verdict.safe
    assert not verdict.runnable
    assert not verdict.metric
    assert not verdict.limits
    assert not verdict.refusals
