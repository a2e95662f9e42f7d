"""Runs that are killed at random moments leave the host as it was: a few rounds of the full script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills.py"


@pytest.mark.slow
@pytest.mark.needs("root", "ip")
def test_killed_runs_leave_nothing_behind() -> None:
    command = [sys.executable, str(SCRIPT), "--runs", "6", "--seed", "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left changed or with survivors: 0" in done.stdout
