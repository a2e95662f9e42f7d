"""The commands of one host, in this process: one document or readable text, and the documented status."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli_ai.main import app
from end_to_end.support import document, write
from tactician import cli, config
from tactician.cli.tuning import _overrides
from tactician.errors import HostError, OperatorError, Problem, RefusedError, RestoreError


def status_of(*arguments: object) -> int:
    return int(app(list(map(str, arguments)), standalone_mode=False) or 0)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_dry_run_is_shown_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write(tmp_path / "c.json", document(budget={"trials": 4}))
    assert status_of("tune", whole, "--dry-run", "--json") == 0
    result = printed(capsys)
    assert result["dry_run"] and result["success"]
    assert status_of("show", "--json") == 0
    shown = printed(capsys)
    assert shown["run_id"] == result["run_id"]
    assert shown["state"] == "finished"
    assert len([entry for entry in shown["measurements"] if entry["purpose"] == "trial"]) == 4
    assert status_of("runs", "--json") == 0
    (summary,) = printed(capsys)
    assert summary["id"] == result["run_id"]
    assert summary["dry_run"]
    assert status_of("show", result["run_id"][:-1]) == 0
    assert result["run_id"] in capsys.readouterr().out
    assert status_of("apply", "last") == 2
    assert "dry run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("budget", "trials", "seconds"),
    [("5", 5, None), ("90s", None, 90), ("2m", None, 120), ("0.5h", None, 1800)],
)
def test_a_budget_is_trials_or_time(
    budget: str, trials: int | None, seconds: float | None, tmp_path: Path
) -> None:
    overrides = _overrides(None, budget)
    experiment = config.parse_experiment({**document(), **overrides})
    assert experiment.budget.trials == trials
    assert experiment.budget.seconds == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("budget", ["", "0", "-5", "1.5", "5 m", "5d", "nan", "1e3", "0s", "0.0m", "ten"])
def test_any_other_budget_is_refused(budget: str) -> None:
    with pytest.raises(OperatorError, match="--budget"):
        _overrides(None, budget)


def test_the_algorithm_may_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write(tmp_path / "c.json", document(budget={"trials": 1}))
    assert status_of("tune", whole, "--dry-run", "--json", "--algorithm", "identity") == 0
    assert printed(capsys)["algorithm"] == "identity"


def test_durability_is_given_up_by_name_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knob = {"param": "synchronous", "values": ["OFF", "FULL"], "default": "FULL"}
    whole = document(benchmark_command="echo ops: 5 {synchronous}", action_space=[knob], budget={"trials": 1})
    path = write(tmp_path / "c.json", whole)
    assert status_of("tune", path, "--dry-run", "--json", "--allow-durability", "journal_mode") == 2
    assert printed(capsys)["error"]["code"] == "refused"
    assert status_of("tune", path, "--dry-run", "--json", "--allow-durability", "synchronous") == 0


def test_parse_shows_what_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.txt"
    file.write_text("ops: 5\nlatency: 3 ms\n")
    assert status_of("parse", file, "--json") == 0
    found = printed(capsys)
    assert set(found) == {"tool", "metrics", "problems"}
    for metric in found["metrics"]:
        assert set(metric) == {"name", "value", "unit", "direction", "aliases"}
    assert found["metrics"][0]["name"] == "ops"
    assert status_of("parse", file) == 0
    assert "ops = 5" in capsys.readouterr().out


def test_parse_reads_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\nops: 5\n")))
    assert status_of("parse", "-", "--json", "--metric", "ops") == 0
    (metric,) = printed(capsys)["metrics"]
    assert metric["value"] == 5


def test_parse_names_what_there_is_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.txt"
    file.write_text("speed: 5\n")
    assert status_of("parse", file, "--metric", "ops") != 0
    assert "speed" in capsys.readouterr().err


def test_the_schema_is_the_one_of_the_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("schema") == 0
    assert printed(capsys) == config.json_schema()


def test_doctor_gives_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("doctor", "--json") == 0
    findings = printed(capsys)
    assert all(set(finding) == {"name", "ok", "detail", "mend"} for finding in findings)
    assert status_of("doctor") == 0
    assert "kernel parameters" in capsys.readouterr().out


def test_an_empty_history_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("runs", "--json") == 0
    assert printed(capsys) == []
    assert status_of("runs") == 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperatorError("no"), 2, "usage"),
        (RefusedError([Problem("a", "b")]), 2, "refused"),
        (HostError("no"), 1, "host"),
        (RestoreError([Problem("/proc/sys/a", "sysctl -w a=1")]), 4, "not-restored"),
        (ValueError("a bug"), 1, "internal"),
    ],
)
def test_every_kind_of_error_has_its_status_and_one_form(
    error: Exception, status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.report_error(error, True) == status
    found = printed(capsys)
    assert found["success"] is False
    assert found["error"]["code"] == code
    assert cli.report_error(error, False) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert str(error) in said.err


def test_an_error_says_that_nothing_was_changed_only_where_that_is_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.report_error(RefusedError([Problem("a", "b")]), False)
    assert "Nothing was changed" in capsys.readouterr().err
    cli.report_error(RestoreError([Problem("a", "b")]), False)
    assert "Nothing was changed" not in capsys.readouterr().err


def test_debugging_shows_where_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACTICIAN_DEBUG", "1")
    with pytest.raises(ValueError, match="a bug"):
        cli.report_error(ValueError("a bug"), False)
