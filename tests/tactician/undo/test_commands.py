"""Recorded commands run as they were recorded, and what they leave running stays."""

from __future__ import annotations

import os
import signal

import pytest

from support_services import until
from tactician.undo import processes
from tactician.undo.commands import run, run_recorded


def shell(text):
    return ("/bin/sh", "-c", text)


def test_status_and_both_streams_are_told():
    said = run(shell("echo out; echo err >&2; exit 3"), {}, 10)
    assert said.status == 3
    assert said.text.split() == ["out", "err"]


def test_it_sees_what_was_recorded_and_no_more(monkeypatch):
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("OTHER", "x")
    said = run(shell('echo "$GIVEN,$SECRET,$OTHER"'), {"GIVEN": "g"}, 10, inherit=("SECRET", "ABSENT"))
    assert said.text == "g,s3cret,"


def test_a_program_that_is_not_there_is_no_exception():
    said = run(("/nowhere/program",), {}, 10)
    assert said.status == 127
    assert "/nowhere/program" in said.text


def test_what_takes_too_long_is_ended_with_its_children(tmp_path):
    said = run(shell(f"echo $$ > {tmp_path}/pid; echo so far; sleep 100 & wait"), {}, 0.5)
    assert said.status == 124
    assert said.text.splitlines()[0] == "so far"
    assert processes.status(int((tmp_path / "pid").read_text())) is None


def test_a_daemon_stays_and_survives_that_nobody_reads_it_any_more(tmp_path):
    """It is told so by an error of its write, and not by a signal; nor does its output pile up."""
    daemon = f"echo $$ > {tmp_path}/pid; while :; do echo alive; touch {tmp_path}/wrote; sleep 0.02; done"
    said = run(
        shell(f"setsid sh -c '{daemon}' & while ! test -s {tmp_path}/pid; do sleep 0.01; done"), {}, 10
    )
    assert said.status == 0
    pid = int((tmp_path / "pid").read_text())
    try:
        for _ in range(3):
            (tmp_path / "wrote").unlink(missing_ok=True)
            until((tmp_path / "wrote").exists)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_its_pid_is_told_before_it_begins_and_after_it_ended(tmp_path):
    log = []

    def started(pid):
        log.append(("started", (tmp_path / "ran").exists()))

    said = run(
        shell(f"touch {tmp_path}/ran"), {}, 10, on_started=started, on_ended=lambda pid: log.append("ended")
    )
    assert said.status == 0
    assert log == [("started", False), "ended"]


def test_where_its_pid_cannot_be_told_it_does_not_run(tmp_path):
    def started(pid):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        run(shell(f"touch {tmp_path}/ran"), {}, 10, on_started=started)
    assert not (tmp_path / "ran").exists()


def test_a_record_may_be_run_with_less_patience():
    record = {"argv": list(shell("sleep 100")), "timeout_s": 100.0}
    assert run_recorded(record, 0.1).status == 124
