"""Runs that are killed leave nothing behind, and no host is left changed: a few rounds of the full script."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def faults(*arguments: str) -> str:
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hostile_hosts_are_left_as_they_were() -> None:
    said = faults("--hostile", "400", "--seed", "3")
    assert "left changed, written dangerously or unjournalled: 0" in said
    tried = re.search(r"'tried': (\d+)", said)
    assert tried is not None
    assert int(tried[1]) > 100


@pytest.mark.slow
@pytest.mark.host
@pytest.mark.needs("root", "ip")
def test_killed_runs_leave_nothing_behind() -> None:
    said = faults("--kills", "4", "--no-services", "--seed", "6")
    assert "left changed, with survivors or with lost trials: 0" in said


@pytest.mark.slow
@pytest.mark.host
@pytest.mark.needs("root", "ip", "postgres", "redis-server", "nginx")
def test_killed_between_any_two_steps_services_are_put_back_too() -> None:
    said = faults("--steps", "--every", "41")
    assert re.search(r"^6 knobs: \d+ kill points$", said, re.M)
    assert "left changed, with survivors or with lost trials: 0" in said
