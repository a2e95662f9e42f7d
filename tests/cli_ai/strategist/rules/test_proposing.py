"""Whole plans: for any words on any recorded host they are safe and can be run, or there is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_ai.discovery.facts import HostFacts, Service
from cli_ai.strategist.rules import answer, propose, propose_for, understand
from support_strategist import HOSTS, cases, host, scripts, tuned
from tactician.config import parse_experiment

score, judging = scripts()
WORDS = sorted({word for case in cases() for word in case["request"].split()})


def faults(text: str, name: str) -> list[str]:
    """What is wrong with the plan for these words on a recorded host, by the checks of the evaluation."""
    plan, facts = propose(text, host(name)), host(name)
    if plan.experiment is None:
        return []
    why = [*judging._cannot_run(plan.experiment, facts)]
    judging._safe({"request": text}, facts, plan.experiment, tuned(plan.experiment), why)
    judging._metric({}, plan.experiment, plan, why)
    return why


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.sampled_from(HOSTS))
def test_any_words_give_a_safe_plan_or_none(text: str, name: str) -> None:
    assert faults(text, name) == []


@pytest.mark.parametrize("name", HOSTS)
def test_every_request_gives_a_safe_plan_on_every_host(name: str) -> None:
    for case in cases():
        assert faults(case["request"], name) == [], case["request"]


def test_a_plan_is_data() -> None:
    plan = propose("optimize this system for database workload", host("debian-postgresql"))
    again = json.loads(plan.model_dump_json())
    assert parse_experiment(again["experiment"]).names == tuple(tuned(plan.experiment))


def test_every_choice_has_a_reason_and_every_knob_a_source() -> None:
    plan = propose("my nginx drops connections under bursts", host("nginx-web"))
    reasons = {reason.choice: reason for reason in plan.reasons}
    for name in tuned(plan.experiment):
        assert reasons[name].why
        assert reasons[name].source.startswith("catalogue: ")
    for choice in ("benchmark_command", "reward_metric", "budget", "algorithm"):
        assert reasons[choice].why
    assert "trials of" in plan.power


def test_restarts_take_permission() -> None:
    facts = host("debian-postgresql")
    without = propose("tune postgres", facts)
    assert "postgresql.shared_buffers" not in tuned(without.experiment)
    assert any("postgresql.shared_buffers" in note for note in without.notes)
    allowed = propose("tune postgres, restarts are fine", facts)
    assert "postgresql.shared_buffers" in tuned(allowed.experiment)
    assert allowed.experiment is not None
    assert allowed.experiment["services"]["postgresql"]["allow_restart"] is True


def test_each_plan_has_names_of_its_own() -> None:
    first, second = (propose("tune postgres", host("debian-postgresql")) for _ in range(2))
    assert first.experiment is not None
    assert second.experiment is not None
    assert first.experiment["setup_command"] != second.experiment["setup_command"]


def test_a_service_in_a_container_is_not_touched_from_outside() -> None:
    inside = Service(name="redis", ports=(6379,), confined=True)
    facts = host("redis-rocky").model_copy(update={"services": (inside,)})
    plan = propose("tune redis", facts)
    assert not [name for name in tuned(plan.experiment) if name.startswith("redis.")]
    assert "6379" not in json.dumps(plan.experiment)


def test_a_port_says_which_of_two_is_meant() -> None:
    two = tuple(Service(name="redis", ports=(port,)) for port in (6379, 7000))
    facts = host("redis-rocky").model_copy(update={"services": two})
    asked = propose("tune redis", facts)
    assert [question.about for question in asked.questions] == ["port"]
    told = propose("tune redis on port 7000", facts)
    assert told.questions == ()
    assert told.experiment is not None
    assert "-p 7000" in told.experiment["benchmark_command"]


@pytest.mark.parametrize("about", ["service", "objective", "workload"])
def test_an_answer_settles_its_question(about: str) -> None:
    words = {
        "service": ("tune redis and postgresql", "postgresql"),
        "objective": ("redis: highest throughput and lowest latency", "latency"),
        "workload": ("make it faster", "storage"),
    }[about]
    facts = host("mixed-debian")
    plan = propose(words[0], facts)
    assert about in [question.about for question in plan.questions]
    settled = propose_for(words[0], answer(understand(words[0]), about, words[1]), facts)
    assert about not in [question.about for question in settled.questions]
    assert words[1] in (settled.service, settled.objective, settled.workload_class)


@pytest.mark.parametrize("minutes", [1, 3, 10, 60])
@pytest.mark.parametrize("name", ["debian-postgresql", "openeuler-mysql", "nginx-web", "redis-rocky"])
def test_the_time_that_is_allowed_is_kept(name: str, minutes: int) -> None:
    plan = propose(f"tune {host(name).services[0].name} within {minutes} minutes", host(name))
    assert plan.experiment is not None
    experiment = parse_experiment(plan.experiment)
    if minutes >= 3:
        assert judging._minutes(experiment) <= 1.05 * minutes
    assert experiment.verification.rounds >= 6


def test_a_host_with_nothing_says_what_to_install() -> None:
    plan = propose("tune redis", host("empty-openeuler"))
    assert any("dnf install redis" in one for one in plan.missing)
    debian = HostFacts.model_validate(
        {"distribution": {"id": "debian", "family": "debian"}, "throw_away": False}
    )
    plan = propose("tune nginx", debian)
    assert plan.experiment is None
    assert any("apt-get install wrk" in one for one in plan.missing)


def test_chosen_knobs_pass_the_same_checks() -> None:
    facts = host("debian-postgresql")
    chosen = {"kernel.core_pattern": (0, 1), "vm.swappiness": (0, 10**9), "postgresql.fsync": (None, None)}
    plan = propose_for("tune postgres", understand("tune postgres"), facts, chosen=chosen)
    assert tuned(plan.experiment) == ["vm.swappiness"]
    assert plan.experiment is not None
    assert plan.experiment["action_space"][0]["max"] <= 200


def test_without_rights_arguments_are_tuned_or_the_right_is_said_to_be_missing() -> None:
    nobody = host("kafka-openeuler").model_copy(update={"root": False, "writable": ()})
    plan = propose("disk is slow", nobody)
    assert plan.experiment is not None
    assert {item["knob"] for item in plan.experiment["action_space"]} == {"argument"}
    plan = propose("memory bandwidth", host("debian-postgresql").model_copy(update={"writable": ()}))
    assert plan.experiment is None
    assert any("the right to write" in one for one in plan.missing)
