"""The commands themselves: what they print, what they return, and that help and errors say the next step."""

from __future__ import annotations

import json
import os
import signal

import pytest

from cli_ai.main import app
from support_operations import ID, record_of, shown, store, until
from tactician import wiring
from tactician.config import parse_experiment
from tactician.events import Notice
from tactician.operations import applying, confirming
from tactician.options import Options
from tactician.system.applications import command, spoken, unconfirmed
from tactician.system.doctor import examine
from tactician.system.home import SYSTEM_HOME, Home

BEFORE, AFTER = ["60", "4096 131072 6291456"], ["0", "4096 131072 16777216"]


@pytest.fixture(autouse=True)
def stored(home, root, monkeypatch):
    """One proven run in the home that the commands find, and a host in a folder."""
    monkeypatch.setenv("TACTICIAN_HOME", str(home.path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    store(home, record_of())
    apply_run, confirm = applying.apply_run, confirming.confirm
    monkeypatch.setattr(
        "tactician.operations.apply_run",
        lambda record, place, **more: apply_run(record, place, str(root), **more),
    )
    monkeypatch.setattr("tactician.operations.confirm", lambda place, run: confirm(place, run, str(root)))


def status_of(*arguments):
    return int(app(list(map(str, arguments)), standalone_mode=False) or 0)


def test_apply_says_until_when_and_how_to_confirm(home, root, capsys):
    assert status_of("apply", "last", "--confirm-within", "5m") == 0
    said = capsys.readouterr().out
    assert "applied vm.swappiness = 0" in said
    assert f"unless you confirm it:\n    TACTICIAN_HOME={home.path} tactician confirm {ID}\n" in said
    assert status_of("confirm") == 0
    assert f"confirmed run {ID}: it stays until the next boot" in capsys.readouterr().out
    assert status_of("revert") == 0
    assert shown(root) == BEFORE


def test_the_documents_of_apply_and_confirm(home, capsys):
    assert status_of("apply", "--confirm-within", "90s", "--persist", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["success"] is True
    assert done["run_id"] == ID
    assert set(done) == {
        "success", "run_id", "changed", "unchanged", "by_hand", "files", "notices", "confirm",
    }  # fmt: skip
    assert done["confirm"]["within_s"] == 90
    assert set(done["confirm"]) == {"within_s", "until", "command"}
    assert status_of("confirm", ID, "--json") == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["files"] == [f"/etc/sysctl.d/60-tactician-{ID}.conf"]
    assert set(kept) == {"success", "run_id", "remaining_s", "files"}


def test_refusals_have_the_status_of_refusals(home, root, capsys):
    assert status_of("confirm", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"
    assert status_of("apply", "--confirm-within", "90s") == 0
    capsys.readouterr()
    assert status_of("apply", "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "refused"
    assert f"tactician confirm {ID}" in error["problems"][0]["message"]
    assert shown(root) == AFTER


def test_no_run_begins_while_an_application_waits(home, root, tmp_path, capsys):
    item = {"param": "clients", "type": "int", "min": 1, "max": 9}
    config = tmp_path / "c.json"
    config.write_text(json.dumps({
        "workload_name": "a", "reward_metric": "ops", "benchmark_command": "echo ops: 5 {clients}",
        "action_space": [item], "budget": {"trials": 1},
    }))  # fmt: skip
    assert status_of("apply", "--confirm-within", "90s") == 0
    capsys.readouterr()
    assert status_of("tune", config, "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "refused"
    assert "awaits its confirmation until" in error["message"]
    assert shown(root) == AFTER


def test_a_run_says_who_else_may_set_its_values(home, root):
    process = root / "proc/812"
    process.mkdir()
    (process / "comm").write_text("atuned\n")
    (process / "cmdline").write_bytes(b"/usr/bin/atuned\0")
    seen = []
    wired = wiring.wire(
        parse_experiment(dict(record_of().document)), Options(root=str(root)), [seen.append], home=home
    )
    wired.session.close()
    notices = [event.text for event in seen if isinstance(event, Notice)]
    assert any("A-Tune is running (pid 812; does not start at a boot)" in text for text in notices)


def test_a_word_that_comes_too_late_is_a_failure_of_a_restored_host(home, root, capsys):
    assert status_of("apply", "--confirm-within", "2s") == 0
    os.kill(unconfirmed(home)[0].guardian, signal.SIGKILL)
    assert until(lambda: not unconfirmed(home))
    assert status_of("confirm") == 1
    assert "everything is as it was before" in capsys.readouterr().err
    assert shown(root) == BEFORE
    assert status_of("confirm", ID) == 2


@pytest.mark.parametrize("span", ["", "5", "0s", "0.5s", "25h", "1d", "-5m", "m", "nan", "1e3s"])
def test_a_time_that_is_none_is_refused(span, root, capsys):
    assert status_of("apply", "--confirm-within", span, "--json") == 2
    assert "--confirm-within" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert shown(root) == BEFORE


@pytest.mark.parametrize("form", ["sysctl", "tuned", "atune", "ansible", "sh"])
def test_every_form_is_exported(form, root, capsys):
    assert status_of("export", "last", "--format", form) == 0
    assert ID in capsys.readouterr().out
    assert shown(root) == BEFORE


def test_doctor_says_what_waits_and_what_to_do(home, capsys):
    assert status_of("apply", "--confirm-within", "5m") == 0
    (finding,) = [each for each in examine(home) if each.name == "applied"]
    assert finding.ok is False
    assert "held by pid" in finding.detail
    assert f"tactician confirm {ID}" in finding.mend
    assert status_of("confirm") == 0
    (finding,) = [each for each in examine(home) if each.name == "applied"]
    assert finding.ok is None
    assert finding.mend.endswith(f"tactician revert {ID}")


def test_the_command_to_type_carries_what_a_new_shell_lacks(home, monkeypatch):
    assert command(home, "confirm", ID) == f"TACTICIAN_HOME={home.path} tactician confirm {ID}"
    monkeypatch.setenv("SUDO_USER", "operator")
    assert command(home, "revert", ID) == f"sudo env TACTICIAN_HOME={home.path} tactician revert {ID}"
    monkeypatch.delenv("TACTICIAN_HOME")
    assert command(Home(SYSTEM_HOME), "revert", ID) == f"sudo tactician revert {ID}"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.6, "1 min 0 s"), (252, "4 min 12 s"), (3600, "1 h 0 min")]
)
def test_a_span_is_spoken_in_two_units(seconds, text):
    assert spoken(seconds) == text
