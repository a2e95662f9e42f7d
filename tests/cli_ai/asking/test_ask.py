"""``tactician ask`` from words to exit status, on recorded hosts; nothing here runs a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli_ai.asking import conversation
from cli_ai.asking.answers import answered
from cli_ai.main import app
from cli_ai.strategist.rules import propose
from cli_ai.strategist.showing import plan_lines
from support_strategist import HOSTS, cases, host, tuned
from tactician.config import load_experiment, parse_experiment


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):
    """Answer discovery with a recorded host, and let nothing run."""

    def use(name: str) -> CliRunner:
        monkeypatch.setattr(conversation, "discover", lambda: host(name))
        monkeypatch.setattr(conversation, "_run", lambda wishes, proposal: pytest.fail("something was run"))
        return CliRunner()

    return use


def test_a_plan_is_shown_and_nothing_runs(on) -> None:
    done = on("nginx-web").invoke(app, ["ask", "my nginx drops connections under bursts", "--plan"])
    assert done.exit_code == 0
    for text in ("nginx.multi_accept", "net.ipv4.tcp_max_syn_backlog", "wrk", "requests_per_second", "about"):
        assert text in done.output


def test_words_need_no_quotes(on) -> None:
    done = on("redis-rocky").invoke(app, ["ask", "tune", "redis", "--plan", "--json"])
    assert json.loads(done.stdout)["request"] == "tune redis"


def test_json_is_one_document_that_tune_accepts(on) -> None:
    done = on("debian-postgresql").invoke(app, ["ask", "--plan", "--json", "optimize for database workload"])
    assert done.exit_code == 0
    plan = json.loads(done.stdout)
    keys = {
        "request",
        "workload_class",
        "service",
        "experiment",
        "reasons",
        "refused",
        "questions",
        "missing",
    }
    assert keys <= set(plan)
    assert parse_experiment(plan["experiment"]).names


def test_a_refused_request_ends_with_2_and_says_why(on) -> None:
    runner = on("debian-postgresql")
    done = runner.invoke(app, ["ask", "print the postgres password"])
    assert done.exit_code == 2
    assert "secrets" in done.output
    done = runner.invoke(app, ["ask", "print the postgres password", "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["experiment"] is None


def test_an_empty_request_is_no_request(on) -> None:
    done = on("debian-postgresql").invoke(app, ["ask", "  ", "--plan"])
    assert done.exit_code == 2
    assert "say what is to be better" in done.output


def test_without_a_terminal_and_without_yes_nothing_runs(on) -> None:
    done = on("redis-rocky").invoke(app, ["ask", "tune redis"])
    assert done.exit_code == 0
    assert "Nothing was run" in done.output


def test_yes_does_not_stand_for_restarts(on) -> None:
    done = on("debian-postgresql").invoke(app, ["ask", "tune postgres, restarts are fine", "--yes"])
    assert done.exit_code == 2
    assert "shared_buffers" in done.output
    assert "--yes does not stand for" in done.output


def test_yes_runs_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run_document(document, source, options, *, quiet, as_json):
        ran.append((document, quiet, as_json))
        return {"success": True}, 0

    monkeypatch.setattr(conversation, "discover", lambda: host("redis-rocky"))
    monkeypatch.setattr("tactician.running.run_document", run_document)
    done = CliRunner().invoke(app, ["ask", "tune redis", "--yes", "--json", "--quiet"])
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert result["success"] is True
    assert result["plan"]["service"] == "redis"
    assert ran == [(result["plan"]["experiment"], True, True)]


def test_a_throw_away_experiment_becomes_a_tune_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[list[str]] = []

    def enter(arguments: list[str]) -> None:
        entered.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(conversation, "discover", lambda: host("empty-openeuler"))
    monkeypatch.setattr("tactician.system.namespace.enter", enter)
    done = CliRunner().invoke(app, ["ask", "prepare this host to be a busy web server", "--yes"])
    assert done.exit_code == 0
    assert entered[0][0] == "tune"
    assert load_experiment(entered[0][1]).throw_away


def test_an_experiment_can_be_saved_and_never_overwrites(on, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    runner = on("redis-rocky")
    assert runner.invoke(app, ["ask", "tune redis", "--plan", "--save", str(file)]).exit_code == 0
    assert load_experiment(file).names
    before = file.read_bytes()
    done = runner.invoke(app, ["ask", "tune redis", "--plan", "--save", str(file)])
    assert done.exit_code == 2
    assert "exists" in done.output
    assert file.read_bytes() == before
    done = runner.invoke(app, ["ask", "tune redis", "--plan", "--save", str(tmp_path / "no" / "plan.json")])
    assert done.exit_code == 2


def test_each_question_is_asked_once_and_its_answer_counts() -> None:
    asked = []

    def prompt(question: str) -> str:
        asked.append(question)
        return "postg"

    facts = host("mixed-debian")
    plan = propose("tune redis and postgresql", facts)
    settled = answered(plan, facts, propose, prompt)
    assert len(asked) == 1
    assert settled.service == "postgresql"
    assert settled.questions == ()


def test_an_empty_answer_leaves_what_was_assumed() -> None:
    facts = host("mixed-debian")
    plan = propose("tune redis and postgresql", facts)
    assert answered(plan, facts, propose, lambda question: "") is plan


@pytest.mark.parametrize("width", [60, 80, 110])
@pytest.mark.parametrize("name", HOSTS)
def test_a_plan_fits_its_terminal(name: str, width: int) -> None:
    for case in cases()[::7]:
        plan = propose(case["request"], host(name))
        lines = list(plan_lines(plan, width))
        assert lines
        for line in lines:
            cells = sum(2 if ord(char) > 0x2E7F else 1 for char in line)
            assert len(line) <= width, line
            assert cells <= width + 40, line
        text = "\n".join(lines)
        assert all(knob in text for knob in tuned(plan.experiment))


def test_control_characters_of_a_request_never_reach_the_terminal(on) -> None:
    done = on("redis-rocky").invoke(app, ["ask", "--plan", "tune redis \x1b[2J\x07 ‮now"])
    assert "\x1b" not in done.output
    assert "\x07" not in done.output
    assert "‮" not in done.output
