"""The console script: what it offers, and that it answers without loading the world."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tactician
from cli_ai.main import app

COMMANDS = (
    "tune",
    "demo",
    "runs",
    "show",
    "apply",
    "revert",
    "recover",
    "doctor",
    "export",
    "parse",
    "schema",
)
SCRIPT = Path(sys.executable).with_name("tactician")


def said(*arguments: str) -> str:
    command = [sys.executable, "-m", "cli_ai.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_help_names_every_command_and_every_exit_code() -> None:
    text = said("--help")
    assert all(name in text for name in COMMANDS)
    for words in (
        "0 finished",
        "1 failed",
        "2 usage",
        "3 stopped by safety",
        "4 host NOT",
        "130 interrupted",
    ):
        assert words in " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_of_its_own(name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        app([name, "-h"])
    assert caught.value.code == 0


def test_the_version_is_the_packages() -> None:
    assert said("--version").strip() == f"tactician {tactician.__version__}"


def test_without_a_command_help_is_shown_as_wrong_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "cli_ai.main"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "tune" in done.stdout + done.stderr


@pytest.mark.skipif(not SCRIPT.exists(), reason="not installed as a script")
def test_the_script_is_installed() -> None:
    assert (
        "tactician"
        in subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True).stdout
    )
