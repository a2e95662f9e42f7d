"""The documented function and command line, called as a program of somebody else calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli_ai.tools.optimization import rl_autotuner
from cli_ai.tools.optimization.rl_autotuner import main, run_rl_optimization
from end_to_end.support import document, write

DOOR = Path(rl_autotuner.__file__)
PROGRAM = """
import json, sys
from cli_ai.tools.optimization.rl_autotuner import run_rl_optimization
found = run_rl_optimization(sys.argv[1], verbose=len(sys.argv) > 2)
print(json.dumps(found))
"""
KEYS = {"success", "best_config", "improvement", "improvement_interval", "significant", "restored", "error"}


def argument_only(**changes: object) -> dict[str, Any]:
    knob = {"param": "n", "min": 1, "max": 9, "type": "int", "default": 2}
    return document(benchmark_command="echo ops: {n}", action_space=[knob], **changes)


def elsewhere(config: Path, *further: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-rn", sys.executable, "-c", PROGRAM, str(config), *further]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_dry_run_gives_the_documented_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_rl_optimization(write(tmp_path / "c.json", argument_only()), dry_run=True, verbose=False)
    assert found.keys() >= KEYS
    assert found["success"] is True
    assert found["dry_run"] is True
    assert set(found["best_config"]) == {"n"}
    assert "--- Step" not in capsys.readouterr().out


def test_a_path_may_be_text(tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", argument_only())
    assert run_rl_optimization(str(config), True, False)["success"]


@pytest.mark.parametrize("broken", [{}, {"action_space": []}, []])
def test_what_cannot_be_begun_is_a_result_and_no_exception(broken: object, tmp_path: Path) -> None:
    found = run_rl_optimization(write(tmp_path / "c.json", broken), dry_run=True)
    assert found.keys() >= KEYS
    assert found["success"] is False
    assert found["restored"] is True
    assert found["best_config"] == {}
    assert found["improvement"] == 0.0
    assert isinstance(found["error"], str)
    assert json.loads(json.dumps(found)) == found


def test_a_file_that_is_absent_is_a_result_too() -> None:
    found = run_rl_optimization("/nonexistent/config.json")
    assert found["success"] is False
    assert "no such file" in found["error"]


def test_the_command_line_returns_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(write(tmp_path / "c.json", argument_only())), "--dry-run", "--quiet"]) == 0
    assert main(["--config", str(write(tmp_path / "d.json", {})), "--dry-run"]) == 2
    assert "workload_name" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--config"], ["--config", "c.json", "--unknown"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_door_is_thin() -> None:
    assert len(DOOR.read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.needs("userns")
def test_a_checkout_that_is_not_installed_runs_by_path(tmp_path: Path) -> None:
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    config = str(write(tmp_path / "c.json", argument_only()))
    code = (
        "import runpy, sys\n"
        f"sys.path = [path for path in sys.path if not path.endswith('/src')] + [{packages!r}]\n"
        f"sys.argv = ['rl_autotuner.py', '--config', {config!r}, '--dry-run']\n"
        f"runpy.run_path({str(DOOR)!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("userns")
def test_a_real_run_returns_what_was_proven(tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", argument_only(budget={"trials": 6}))
    done = elsewhere(config)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["success"] and found["restored"]
    assert found["significant"]
    assert found["best_config"]["n"] > 2


@pytest.mark.needs("userns")
def test_a_run_in_a_namespace_of_its_own_returns_the_same_keys(tmp_path: Path) -> None:
    done = elsewhere(write(tmp_path / "c.json", document(network_namespace="throw-away")))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() >= KEYS
    assert found["success"] and found["restored"]


@pytest.mark.needs("userns")
def test_a_failure_in_a_namespace_of_its_own_has_the_same_form(tmp_path: Path) -> None:
    whole = document(network_namespace="throw-away", benchmark_command="echo no tea >&2; exit 3")
    done = elsewhere(write(tmp_path / "c.json", whole))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() >= KEYS
    assert found["success"] is False
    assert found["best_config"] == {}
    assert isinstance(found["error"], str)
    assert "no tea" in found["error"]
