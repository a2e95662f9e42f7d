"""The doctor looks at everything, changes nothing, and names the command that mends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tactician.system import home
from tactician.system.doctor import Finding, examine
from tactician.system.guarding import RunJournal, run_header
from tactician.system.home import Home


@pytest.fixture(autouse=True)
def no_other_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tuners of this machine recorded is not looked at."""
    monkeypatch.setattr(home, "SYSTEM_HOME", tmp_path / "system")


def by_name(folder: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(Home(folder))}


def test_everything_that_a_run_needs_is_looked_at(tmp_path: Path) -> None:
    found = by_name(tmp_path / "home")
    for name in (
        "kernel",
        "python",
        "kernel parameters",
        "throw-away namespaces",
        "state folder",
        "host lock",
    ):
        assert found[name].detail
    assert found["python"].ok
    assert found["leftovers"] == Finding("leftovers", True, "none")
    assert not (tmp_path / "home").exists()


def test_what_is_wrong_has_a_remedy(tmp_path: Path) -> None:
    assert all(finding.mend for finding in examine(Home(tmp_path)) if finding.ok is False)


def test_a_run_that_died_is_found(tmp_path: Path) -> None:
    header = {**run_header("dead-run", teardown=None, environment={}), "pid": 1 << 22}
    RunJournal.create(tmp_path / "journals", header).file.release()
    leftovers = by_name(tmp_path)["leftovers"]
    assert leftovers.ok is False
    assert "dead-run" in leftovers.detail
    assert leftovers.mend == "tactician recover"


def test_a_home_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert by_name(tmp_path / "file" / "home")["state folder"].ok is False


def test_a_tool_that_is_absent_has_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin-of-nobody")
    found = by_name(tmp_path)["pgbench"]
    assert found.ok is None
    assert "postgresql-contrib" in found.mend
