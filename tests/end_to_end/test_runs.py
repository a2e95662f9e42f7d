"""Real runs on real kernel keys in network namespaces: what comes out, and what is left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from end_to_end import support
from end_to_end.support import Namespace, document, tactician, write
from tactician.workloads import configuration

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.needs("root", "ip", "nsenter")

RESULT_KEYS = {
    "success", "restored", "dry_run", "run_id", "workload_name", "algorithm", "trials", "failed_trials",
    "benchmark_seconds", "baseline", "candidate", "best_config", "improvement", "improvement_interval",
    "significant", "stopped_because",
}  # fmt: skip


def assert_coherent(found: dict[str, Any]) -> None:
    """What the result claims follows from what it measured."""
    assert found.keys() >= RESULT_KEYS
    interval = found["improvement_interval"]
    if found["significant"]:
        assert interval[0] > 0
        assert interval[0] <= found["improvement"] <= interval[1]
        assert found["best_config"] == found["candidate"]
    else:
        assert found["improvement"] == 0.0
        assert found["best_config"] == found["original"]
    if found["candidate"] is None:
        assert interval is None


def interrupted(
    path: Path, network: Namespace, after: Path, number: int
) -> tuple[subprocess.Popen[str], str, str]:
    """Start a run, send a signal when its second trial's benchmark runs, and return what it said."""
    tuner = support.start("tune", path, "--json", prefix=network.prefix)
    try:
        assert support.until(lambda: len(support.lines(after)) >= 3, 60)
        tuner.send_signal(number)
        out, err = tuner.communicate(timeout=60)
    finally:
        tuner.kill()
    return tuner, out, err


def noting(path: Path, rest: str = "sleep 0.3") -> str:
    """A benchmark that notes the value it ran with, one line each."""
    return f"n=$(cat {support.SOMAXCONN}); echo $n >>{path}; {rest}; echo ops: $n"


def test_a_run_measures_verifies_and_restores(network: Namespace, tmp_path: Path) -> None:
    whole = document(
        network_namespace=network.name,
        algorithm="ppo",
        budget={"trials": 6},
        action_space=[
            {"param": "net.core.somaxconn", "min": 128, "max": 8192, "type": "int"},
            {"param": "net.ipv4.tcp_rmem[2]", "min": 1048576, "max": 8388608, "type": "int"},
            {"param": "net.ipv4.tcp_congestion_control", "values": ["reno", "bbr"]},
        ],
    )
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json")
    assert done.returncode == 0
    found = support.result(done)
    assert_coherent(found)
    assert found["success"] and found["restored"] and not found["dry_run"]
    assert found["trials"] == 6
    assert found["stopped_because"] == "budget"
    assert found["baseline"]["median"] > 0
    assert set(found["best_config"]) == {item["param"] for item in whole["action_space"]}
    assert isinstance(found["best_config"]["net.core.somaxconn"], int)
    assert isinstance(found["best_config"]["net.ipv4.tcp_congestion_control"], str)
    assert json.loads(tactician("show", found["run_id"], "--json").stdout).items() >= found.items()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_restores_and_exits_130(
    number: signal.Signals, network: Namespace, tmp_path: Path
) -> None:
    before = network.read("net/core/somaxconn")
    seen = tmp_path / "seen"
    whole = document(benchmark_command=noting(seen, "sleep 0.5"), budget={"trials": 50})
    tuner, out, err = interrupted(write(tmp_path / "c.json", whole), network, seen, number)
    assert tuner.returncode == 130
    found = json.loads(out)
    assert found["stopped_because"] == "interrupted"
    assert found["restored"] is True
    assert "Traceback" not in err
    assert network.read("net/core/somaxconn") == before
    assert not list((tmp_path / "home").glob("journals/*.jsonl"))


def test_two_signals_in_a_row_still_restore(network: Namespace, tmp_path: Path) -> None:
    before = network.read("net/core/somaxconn")
    seen = tmp_path / "seen"
    whole = document(benchmark_command=noting(seen, "sleep 0.5"), budget={"trials": 50})
    tuner = support.start("tune", write(tmp_path / "c.json", whole), prefix=network.prefix)
    assert support.until(lambda: len(support.lines(seen)) >= 3, 60)
    tuner.send_signal(signal.SIGINT)
    tuner.send_signal(signal.SIGTERM)
    _, err = tuner.communicate(timeout=60)
    assert tuner.returncode in (130, -signal.SIGTERM)
    assert "Traceback" not in err
    assert support.until(lambda: network.read("net/core/somaxconn") == before, 5)


def test_after_a_kill_resume_goes_on_without_repeating_trials(network: Namespace, tmp_path: Path) -> None:
    before = network.read("net/core/somaxconn")
    seen = tmp_path / "seen"
    whole = document(benchmark_command=noting(seen), budget={"trials": 8}, algorithm="ppo")
    config = write(tmp_path / "c.json", whole)
    tuner = support.start("tune", config, "--quiet", prefix=network.prefix)
    assert support.until(lambda: len(support.lines(seen)) >= 5, 60)
    tuner.kill()
    tuner.communicate()
    assert support.until(lambda: network.read("net/core/somaxconn") == before, 5)
    (run,) = json.loads(tactician("runs", "--json").stdout)
    assert run["crashed"]
    recorded = [entry for entry in _measurements(run["id"]) if entry["purpose"] == "trial"]
    assert len(recorded) >= 3
    done = tactician("tune", "--resume", run["id"], "--json", prefix=network.prefix)
    assert done.returncode == 0
    found = support.result(done)
    assert_coherent(found)
    assert found["run_id"] == run["id"]
    assert found["trials"] == 8
    trials = [entry for entry in _measurements(run["id"]) if entry["purpose"] == "trial"]
    assert [entry["number"] for entry in trials] == list(range(1, 9))
    assert trials[: len(recorded)] == recorded
    # Every execution is in the history, but for the one that the kill cut short.
    executed, known = Counter(support.lines(seen)), Counter()
    for entry in _measurements(run["id"]):
        known[str(entry["configuration"]["net.core.somaxconn"])] += 1
    assert not known - executed
    assert sum((executed - known).values()) <= 1


def test_a_finished_run_is_not_resumed_and_another_configuration_is_refused(
    network: Namespace, tmp_path: Path
) -> None:
    config = write(tmp_path / "c.json", document(budget={"trials": 1}))
    assert tactician("tune", config, "--quiet", prefix=network.prefix).returncode == 0
    done = tactician("tune", "--resume", "last", prefix=network.prefix)
    assert done.returncode == 2
    assert "finished" in done.stderr


def _measurements(run_id: str) -> list[dict[str, Any]]:
    found = json.loads(tactician("show", run_id, "--json").stdout)["measurements"]
    assert isinstance(found, list)
    return found


@pytest.mark.needs("strace")
@pytest.mark.parametrize("algorithm", ["ppo", "uniform_random"])
def test_a_dry_run_starts_no_benchmark_and_writes_nothing_of_the_kernels(
    algorithm: str, network: Namespace, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    whole = document(
        benchmark_command=f"touch {sign}; echo ops: 5",
        setup_command=f"touch {sign}",
        teardown_command=f"touch {sign}",
        algorithm=algorithm,
        budget={"trials": 5},
    )
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-o", str(trace), "-e", "trace=open,openat,creat,execve,execveat"]
    config = write(tmp_path / "c.json", whole)
    done = tactician("tune", config, "--dry-run", "--json", prefix=[*network.prefix, *strace])
    assert done.returncode == 0
    found = support.result(done)
    assert_coherent(found)
    assert found["dry_run"] and found["success"]
    assert not sign.exists()
    calls = trace.read_text(errors="replace").splitlines()
    executed = [line for line in calls if re.search(r"\bexecve(at)?\(", line) and line.endswith("= 0")]
    assert len(executed) == 1, executed
    assert "cli_ai.main" in executed[0]
    opened = [line for line in calls if re.search(r'"/(proc/sys|sys)/', line)]
    assert opened, "it starts from the values of the real host"
    assert not [line for line in opened if "O_WRONLY" in line or "O_RDWR" in line or "creat(" in line]


def test_what_a_significant_run_proved_is_shown_exported_applied_and_taken_back(
    network: Namespace, tmp_path: Path
) -> None:
    before = network.read("net/core/somaxconn")
    whole = document(budget={"trials": 6}, verification={"rounds": 8})
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json", prefix=network.prefix)
    assert done.returncode == 0
    found = support.result(done)
    assert_coherent(found)
    assert found["significant"], "the metric is the value, so more is better by far"
    best, run_id = found["best_config"]["net.core.somaxconn"], found["run_id"]
    assert best > int(before)

    inside = {"prefix": network.prefix}
    listed = tactician("runs", **inside).stdout
    assert run_id in listed
    (summary,) = json.loads(tactician("runs", "--json", **inside).stdout)
    assert (summary["id"], summary["significant"]) == (run_id, True)
    shown = tactician("show", "last", **inside)
    assert shown.returncode == 0
    assert str(best) in shown.stdout
    exported = tactician("export", run_id, "--format", "sysctl", **inside).stdout
    assert f"net.core.somaxconn = {best}" in exported.splitlines()
    script = tmp_path / "apply.sh"
    script.write_text(tactician("export", run_id[:-2], "--format", "sh", **inside).stdout)
    subprocess.run([*network.prefix, "sh", str(script), "apply"], check=True, capture_output=True)
    assert network.read("net/core/somaxconn") == str(best)
    subprocess.run([*network.prefix, "sh", str(script), "undo"], check=True, capture_output=True)
    assert network.read("net/core/somaxconn") == before
    assert tactician("export", run_id, "--format", "ini", **inside).returncode == 2

    applied = tactician("apply", run_id, "--json", **inside)
    assert applied.returncode == 0
    assert support.result(applied)["changed"] == {"net.core.somaxconn": best}
    assert network.read("net/core/somaxconn") == str(best)
    again = tactician("apply", run_id, **inside)
    assert again.returncode == 2
    assert "applied already" in again.stderr
    assert tactician("recover", **inside).returncode == 0
    assert network.read("net/core/somaxconn") == str(best), "applied on purpose, hence no leftover"
    reverted = tactician("revert", **inside)
    assert reverted.returncode == 0
    assert network.read("net/core/somaxconn") == before
    assert tactician("revert", **inside).returncode == 2


def test_a_run_that_proved_nothing_is_neither_applied_nor_exported(
    network: Namespace, tmp_path: Path
) -> None:
    config = write(tmp_path / "c.json", document(benchmark_command="echo ops: 5", budget={"trials": 2}))
    found = support.result(tactician("tune", config, "--json", prefix=network.prefix))
    assert_coherent(found)
    assert not found["significant"]
    for command in ("apply", "export"):
        done = tactician(command, "last", prefix=network.prefix)
        assert done.returncode == 2
        assert "proved no improvement" in done.stderr or "no proven winner" in done.stderr


def test_a_run_in_a_throw_away_namespace_is_not_applied_but_exported(tmp_path: Path) -> None:
    whole = document(network_namespace="throw-away", budget={"trials": 4})
    done = tactician("tune", write(tmp_path / "c.json", whole), "--json")
    assert done.returncode == 0
    found = support.result(done)
    assert_coherent(found)
    assert found["significant"]
    refused = tactician("apply", "last")
    assert refused.returncode == 2
    assert "throw-away" in refused.stderr
    assert "tactician export" in refused.stderr
    assert "net.core.somaxconn = " in tactician("export", "last").stdout


def test_the_console_is_plain_text_in_a_pipe_and_quiet_says_little(
    network: Namespace, tmp_path: Path
) -> None:
    config = write(tmp_path / "c.json", document(budget={"trials": 2}))
    loud = tactician("tune", config, prefix=network.prefix)
    assert loud.returncode == 0
    assert "--- Step 2 ---" in loud.stdout
    assert "\x1b" not in loud.stdout
    quiet = tactician("tune", config, "--quiet", prefix=network.prefix)
    assert quiet.returncode == 0
    assert len(quiet.stdout.splitlines()) < len(loud.stdout.splitlines()) / 2
    assert "--- Step" not in quiet.stdout


def test_with_nothing_to_recover_recover_says_so(network: Namespace) -> None:
    done = tactician("recover", "--json", prefix=network.prefix)
    assert done.returncode == 0
    assert support.result(done)["success"] is True


def test_recover_puts_back_what_a_killed_run_and_its_guardian_left(
    network: Namespace, tmp_path: Path
) -> None:
    before = network.read("net/core/somaxconn")
    seen, torn = tmp_path / "seen", tmp_path / "torn-down"
    whole = document(
        benchmark_command=noting(seen, "sleep 4325"), baseline_runs=1, teardown_command=f"touch {torn}"
    )
    whole["action_space"][0]["default"] = 777
    tuner = support.start("tune", write(tmp_path / "c.json", whole), "--quiet", prefix=network.prefix)
    assert support.until(lambda: support.lines(seen), 60)
    assert network.read("net/core/somaxconn") == "777"
    (guardian,) = [pid for pid in network.pids() if "guardian.py" in Path(f"/proc/{pid}/cmdline").read_text()]
    subprocess.run(["kill", "-9", str(guardian), str(tuner.pid)], check=True)
    tuner.communicate()
    assert network.read("net/core/somaxconn") == "777"
    done = tactician("recover", "--json", prefix=network.prefix)
    assert done.returncode == 0
    (recovery,) = [one for one in support.result(done)["recovered"] if one["changed"]]
    assert recovery["changed"] == [{"path": support.SOMAXCONN, "found": "777"}]
    assert recovery["processes_ended"] >= 1
    assert network.read("net/core/somaxconn") == before
    assert torn.exists()
    assert not support.living("sleep", "4325")


def test_the_next_start_recovers_too_and_says_so(network: Namespace, tmp_path: Path) -> None:
    before = network.read("net/core/somaxconn")
    seen = tmp_path / "seen"
    whole = document(benchmark_command=noting(seen, "sleep 4326"))
    whole["action_space"][0]["default"] = 777
    tuner = support.start("tune", write(tmp_path / "c.json", whole), "--quiet", prefix=network.prefix)
    assert support.until(lambda: support.lines(seen), 60)
    guardian = next(
        pid for pid in network.pids() if "guardian.py" in Path(f"/proc/{pid}/cmdline").read_text()
    )
    subprocess.run(["kill", "-9", str(guardian), str(tuner.pid)], check=True)
    tuner.communicate()
    config = write(tmp_path / "d.json", document(budget={"trials": 1}))
    done = tactician("tune", config, "--json", prefix=network.prefix)
    assert done.returncode == 0
    found = support.result(done)
    assert found["original"] == {"net.core.somaxconn": int(before)}
    assert any("had died" in notice for notice in found["notices"])


def shortened(workload: str) -> dict[str, Any]:
    """An embedded experiment with its own knobs and program, in seconds instead of minutes."""
    whole = configuration(workload, trials=2, duration=0.3)
    return {**whole, "baseline_runs": 1, "verification": {"rounds": 2, "own_rounds": 1}}


@pytest.mark.slow
@pytest.mark.needs("userns")
def test_the_demo_ends_with_a_verdict(tmp_path: Path) -> None:
    done = tactician("demo", "--budget", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0
    found = support.result(done)
    assert found.keys() >= RESULT_KEYS
    assert found["success"] and found["restored"]
    assert found["trials"] == 1
    assert len(found["verdicts"]) in (0, 2)


@pytest.mark.parametrize("workload", ["sqlite", "tcp-churn"])
def test_the_other_embedded_workloads_run_too(workload: str, tmp_path: Path) -> None:
    config = write(tmp_path / "c.json", shortened(workload))
    done = tactician("tune", config, "--json", prefix=["unshare", "-n"], cwd=tmp_path)
    assert done.returncode == 0
    found = support.result(done)
    assert found["success"] and found["restored"]
    assert found["failed_trials"] == 0


@pytest.mark.needs("setpriv", "userns")
@pytest.mark.parametrize("workload", ["listen-backlog", "sqlite"])
def test_the_embedded_workloads_need_no_root(workload: str, plain_python: str, nobodys: Path) -> None:
    home = {"HOME": str(nobodys), "TACTICIAN_HOME": str(nobodys / "home"), "TMPDIR": str(nobodys)}
    config = write(nobodys / "c.json", shortened(workload))
    prefix = ["unshare", "-n", *support.NOBODY]
    done = tactician("tune", config, "--json", prefix=prefix, python=plain_python, cwd=nobodys, **home)
    assert done.returncode == 0
    found = support.result(done)
    assert found["success"] and found["restored"]
    assert found["failed_trials"] == 0
    assert (nobodys / "home" / "history.sqlite").stat().st_uid == 65534
