"""Services are asked by the operator's command and at their ports, twice before they count as gone."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tactician.errors import PreflightError
from tactician.experiment import Guardrails
from tactician.guardrails.answering import Port
from tactician.guardrails.checks import Checks


def checks(command="", ports=(), timeout=2.0, **changes):
    limits = Guardrails(health_command=command, health_ports=ports, health_timeout_s=timeout)
    return Checks(limits, **changes)


def ask(found):
    return found.ask(lambda: False)


def test_a_command_that_succeeds_says_nothing():
    found = checks("true")
    found.prepare()
    assert found.any
    assert ask(found) == ""


def test_without_command_and_ports_there_is_nothing_to_ask():
    found = checks()
    found.prepare()
    assert not found.any
    assert ask(found) == ""


def test_a_command_that_fails_before_the_run_is_refused():
    with pytest.raises(PreflightError, match="exit 3: no such database, before anything was changed"):
        checks("echo no such database >&2; exit 3").prepare()


def test_one_failure_is_repeated_and_two_are_reported(tmp_path: Path):
    flaky = checks(f"rmdir {tmp_path}/once 2>/dev/null && exit 1; exit 0")
    (tmp_path / "once").mkdir()
    assert ask(flaky) == ""
    assert not (tmp_path / "once").exists()
    assert ask(checks("echo gone; exit 7")) == "the health command ended with exit 7: gone"


def test_a_command_that_hangs_is_ended(tmp_path: Path):
    began = time.monotonic()
    assert "did not end within 0.2 s" in ask(checks("sleep 600", timeout=0.2))
    assert time.monotonic() - began < 60.0


def test_a_command_whose_answer_is_not_needed_any_more_is_ended():
    ended = threading.Event()
    said = []
    thread = threading.Thread(
        target=lambda: said.append(checks("sleep 600", timeout=500.0).ask(ended.is_set))
    )
    thread.start()
    ended.set()
    thread.join(60.0)
    assert said == [""]


def test_the_command_sees_the_environment_and_comes_after_the_prefix(tmp_path: Path):
    found = checks(
        'test "$WHO" = me && test "$AS" = somebody',
        environment={"WHO": "me"},
        prefix=("env", "AS=somebody"),
    )
    assert ask(found) == ""


def test_ports_that_did_not_answer_before_do_not_count():
    found = checks(ports=(1,))
    found.prepare()
    assert found.ports == ()
    assert ask(found) == ""


def test_a_port_that_stopped_answering_is_named():
    found = checks()
    found.ports = (Port(1, "127.0.0.1", False),)
    assert ask(found) == "port 1 does not answer any more"
